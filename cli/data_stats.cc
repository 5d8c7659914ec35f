// fluke data stats: what a manifest holds, in numbers and plots.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/data.h"
#include "common/curation/columns.h"
#include "common/curation/plots.h"
#include "common/curation/timestamp.h"
#include "common/manifest.h"
#include "common/manifest_stats.h"
#include "common/parallel.h"
#include "common/text.h"

namespace fluke::cli {
namespace {

struct StatsArguments {
  std::string manifest;
  std::string html;
  bool json = false;
  int threads = HardwareThreads();
};

nlohmann::json SpreadJson(const Spread& spread) {
  return {{"min", spread.min}, {"median", spread.median}, {"max", spread.max}};
}

nlohmann::json StatsJson(const ManifestStats& stats) {
  nlohmann::json histogram = nlohmann::json::object(), splits = nlohmann::json::object();
  for (const auto& [photos, identities] : stats.histogram)
    histogram[std::to_string(photos)] = identities;
  for (const auto& [name, count] : stats.splits) {
    splits[name] = {{"photos", count.photos}, {"identities", count.identities}};
  }
  return {{"photos", stats.items},
          {"identities", stats.identities},
          {"unknown", stats.unknown},
          {"photos_per_identity", SpreadJson(stats.photos_per_identity)},
          {"histogram", histogram},
          {"splits", splits},
          {"identities_in_several_splits", stats.split_identities},
          {"width_px", SpreadJson(stats.width)},
          {"height_px", SpreadJson(stats.height)},
          {"boxes", stats.boxes},
          {"box_width_px", SpreadJson(stats.box_width)},
          {"box_height_px", SpreadJson(stats.box_height)},
          {"box_share", SpreadJson(stats.box_share)},
          {"unreadable", BadRowsJson(stats.unreadable)}};
}

// Exact counts while they are few, ranges by doubling otherwise: 1, 2, 3-4, 5-8, 9-16 ...
std::vector<std::pair<std::string, int64_t>> HistogramBars(
    const std::map<int64_t, int64_t>& histogram) {
  constexpr size_t kExactBars = 12;
  std::vector<std::pair<std::string, int64_t>> bars;
  if (histogram.size() <= kExactBars) {
    for (const auto& [photos, identities] : histogram)
      bars.emplace_back(std::to_string(photos), identities);
    return bars;
  }
  for (int64_t low = 1, high = 1; low <= histogram.rbegin()->first; low = high + 1, high *= 2) {
    int64_t identities = 0;
    for (auto it = histogram.lower_bound(low); it != histogram.end() && it->first <= high; ++it) {
      identities += it->second;
    }
    bars.emplace_back(low == high ? std::to_string(low) : StrCat(low, "-", high), identities);
  }
  return bars;
}

void PrintLine(const char* name, const std::string& value) {
  std::cout << absl::StrFormat("%-22s", name) << value << "\n";
}

std::string SpreadText(const Spread& spread, const char* format) {
  const auto number = [&](double value) {
    return absl::StrFormat(absl::ParsedFormat<'g'>(format), value);
  };
  return number(spread.min) + " to " + number(spread.max) + ", median " + number(spread.median);
}

void PrintStats(const ManifestStats& stats) {
  PrintLine("photos", std::to_string(stats.items));
  PrintLine("identities", std::to_string(stats.identities));
  if (stats.unknown > 0) PrintLine("without an identity", std::to_string(stats.unknown));
  if (stats.identities > 0)
    PrintLine("photos per identity", SpreadText(stats.photos_per_identity, "%g"));
  int64_t largest = 1;
  const auto bars = HistogramBars(stats.histogram);
  for (const auto& [photos, identities] : bars) largest = std::max(largest, identities);
  for (const auto& [photos, identities] : bars) {
    const auto length = static_cast<size_t>((identities * 40 + largest - 1) / largest);
    std::cout << absl::StrFormat("  %9s photos  %6d  %s\n", photos, identities,
                                 std::string(length, '#'));
  }
  for (const auto& [name, count] : stats.splits) {
    if (name.empty() && stats.splits.size() == 1) break;
    PrintLine(StrCat("split ", name.empty() ? "(none)" : name).c_str(),
              StrCat(count.photos, " photos, ", count.identities, " identities"));
  }
  if (stats.split_identities > 0)
    PrintLine("in several splits", StrCat(stats.split_identities, " identities"));
  PrintLine("width", SpreadText(stats.width, "%g") + " px");
  PrintLine("height", SpreadText(stats.height, "%g") + " px");
  PrintLine("boxes", std::to_string(stats.boxes));
  if (stats.boxes > 0) {
    PrintLine("box width", SpreadText(stats.box_width, "%g") + " px");
    PrintLine("box height", SpreadText(stats.box_height, "%g") + " px");
    PrintLine("box share of photo", SpreadText(stats.box_share, "%.2g"));
  }
  if (!stats.unreadable.empty()) {
    PrintLine("unreadable",
              StrCat(stats.unreadable.size(), " photos; fluke data check lists them"));
  }
}

// The most frequent values of a column, the rest together.
std::vector<Bar> MostFrequent(const Manifest& manifest, std::string_view column, size_t most) {
  std::map<std::string, int64_t> counts;
  for (const ManifestItem& item : manifest.items) ++counts[ColumnText(item, column)];
  std::vector<std::pair<std::string, int64_t>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<Bar> bars;
  double rest = 0;
  for (const auto& [value, count] : rows) {
    if (bars.size() < most) {
      bars.push_back({value.empty() ? "(none)" : value, static_cast<double>(count)});
    } else {
      rest += static_cast<double>(count);
    }
  }
  if (rest > 0) bars.push_back({StrCat(rows.size() - most, " others"), rest});
  return bars;
}

// Photographs of each year, or of each month where they are of two years at most.
std::vector<Bar> OverTime(const Manifest& manifest) {
  std::map<std::string, double> years, months;
  for (const ManifestItem& item : manifest.items) {
    const std::optional<int64_t> seconds = ParseTimestamp(item.timestamp);
    if (!seconds) continue;
    const std::chrono::year_month_day day{
        std::chrono::sys_days(std::chrono::days(DayOf(*seconds)))};
    const int year = static_cast<int>(day.year());
    ++years[absl::StrFormat("%04d", year)];
    ++months[absl::StrFormat("%04d-%02d", year, static_cast<unsigned>(day.month()))];
  }
  std::vector<Bar> bars;
  for (const auto& [label, count] : years.size() > 2 ? years : months)
    bars.push_back({label, count});
  return bars;
}

void WritePage(const StatsArguments& arguments, const Manifest& manifest,
               const ManifestStats& stats) {
  constexpr size_t kMostBars = 30;
  constexpr int kBins = 40;
  std::vector<Bar> per_identity, splits;
  for (const auto& [photos, identities] : HistogramBars(stats.histogram))
    per_identity.push_back({photos + " photos", static_cast<double>(identities)});
  for (const auto& [name, count] : stats.splits)
    splits.push_back({name.empty() ? "(none)" : name, static_cast<double>(count.photos)});
  std::vector<PageSection> sections = {
      {"Identities", BarsSvg("Identities with so many photographs", per_identity) +
                         BarsSvg("Photographs of the largest identities",
                                 MostFrequent(manifest, "identity", kMostBars))},
      {"Splits", BarsSvg("Photographs of each split", splits)},
      {"Sizes", HistogramSvg("Width", stats.widths, kBins, "pixels") +
                    HistogramSvg("Height", stats.heights, kBins, "pixels")}};
  if (!stats.box_shares.empty()) {
    sections.push_back({"Boxes", HistogramSvg("Share of the photograph that its box covers",
                                              stats.box_shares, kBins, "share")});
  }
  if (const std::vector<Bar> bars = OverTime(manifest); !bars.empty())
    sections.push_back({"Time", BarsSvg("Photographs over time", bars)});
  const std::vector<Bar> cameras = MostFrequent(manifest, "camera", kMostBars);
  if (cameras.size() > 1 || cameras[0].label != "(none)")
    sections.push_back({"Cameras", BarsSvg("Photographs of each camera", cameras)});
  WriteHtmlPage(arguments.html, manifest.name, sections);
}

void Stats(const StatsArguments& arguments) {
  const Manifest manifest = ReadManifest(arguments.manifest);
  const ManifestStats stats = CountManifest(manifest, arguments.threads);
  if (!arguments.html.empty() && !manifest.items.empty()) WritePage(arguments, manifest, stats);
  if (arguments.json) {
    std::cout << StatsJson(stats).dump() << "\n";
  } else {
    PrintStats(stats);
  }
}

}  // namespace

void DeclareStats(CLI::App& verb) {
  const auto arguments = std::make_shared<StatsArguments>();
  verb.add_option("manifest", arguments->manifest, "CSV, folder of folders, idx.gz or zip")
      ->required();
  verb.add_option("--html", arguments->html, "Page of plots to write, which needs no other file");
  verb.add_flag("--json", arguments->json, "Print one JSON document");
  verb.add_option("--threads", arguments->threads, "Photographs opened at a time")
      ->check(CLI::PositiveNumber);
  verb.callback([arguments] { Stats(*arguments); });
}

}  // namespace fluke::cli
