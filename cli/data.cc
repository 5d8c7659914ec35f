// fluke data: looks at, cleans and divides a manifest; draws synthetic flukes.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "cli/verbs.h"
#include "common/csv.h"
#include "common/error.h"
#include "common/files.h"
#include "common/manifest.h"
#include "common/manifest_stats.h"
#include "common/parallel.h"
#include "common/split.h"
#include "common/synth/dataset.h"

namespace fluke::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// ---- check

struct CheckArguments {
  std::string manifest;
  std::string report;
  bool skip_bad = false;
  bool json = false;
  int threads = HardwareThreads();
};

std::string ReportCsv(const std::vector<BadRow>& bad) {
  std::string csv = CsvLine({"path", "line", "reason"});
  for (const BadRow& row : bad) csv += CsvLine({row.path, std::to_string(row.line), row.reason});
  return csv;
}

json BadRowsJson(const std::vector<BadRow>& bad) {
  json rows = json::array();
  for (const BadRow& row : bad) {
    rows.push_back({{"path", row.path}, {"line", row.line}, {"reason", row.reason}});
  }
  return rows;
}

void Check(const CheckArguments& arguments) {
  std::vector<BadRow> bad;
  const Manifest manifest = ReadManifestSkippingBad(arguments.manifest, &bad);
  const size_t rows = manifest.items.size() + bad.size();
  const std::vector<BadRow> bad_images = CheckImages(manifest, arguments.threads);
  bad.insert(bad.end(), bad_images.begin(), bad_images.end());
  std::stable_sort(bad.begin(), bad.end(),
                   [](const BadRow& a, const BadRow& b) { return a.line < b.line; });

  if (!arguments.report.empty()) WriteFileAtomically(arguments.report, ReportCsv(bad));
  if (arguments.json) {
    std::cout << json{{"rows", rows}, {"good", rows - bad.size()}, {"bad", BadRowsJson(bad)}}.dump()
              << "\n";
  } else {
    for (const BadRow& row : bad) std::cout << row.reason << "\n";
    std::cout << arguments.manifest << ": " << rows << " rows, " << rows - bad.size() << " good, "
              << bad.size() << " bad\n";
  }
  if (bad.empty() || arguments.skip_bad) return;
  DataLoss(arguments.manifest, ": ", bad.size(), " of ", rows,
           " rows cannot be used; --skip-bad accepts that");
}

void DeclareCheck(CLI::App& verb) {
  const auto arguments = std::make_shared<CheckArguments>();
  verb.add_option("manifest", arguments->manifest, "CSV, folder of folders, idx.gz or zip")
      ->required();
  verb.add_option("--report", arguments->report,
                  "CSV to write: path, line and reason of every bad row");
  verb.add_flag("--skip-bad", arguments->skip_bad, "Bad rows are listed but are no failure");
  verb.add_flag("--json", arguments->json, "Print one JSON document");
  verb.add_option("--threads", arguments->threads, "Photographs opened at a time")
      ->check(CLI::PositiveNumber);
  verb.callback([arguments] { Check(*arguments); });
}

// ---- stats

struct StatsArguments {
  std::string manifest;
  bool json = false;
  int threads = HardwareThreads();
};

json SpreadJson(const Spread& spread) {
  return {{"min", spread.min}, {"median", spread.median}, {"max", spread.max}};
}

json StatsJson(const ManifestStats& stats) {
  json histogram = json::object(), splits = json::object();
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
    bars.emplace_back(low == high ? std::to_string(low) : absl::StrCat(low, "-", high), identities);
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
    PrintLine(absl::StrCat("split ", name.empty() ? "(none)" : name).c_str(),
              absl::StrCat(count.photos, " photos, ", count.identities, " identities"));
  }
  if (stats.split_identities > 0)
    PrintLine("in several splits", absl::StrCat(stats.split_identities, " identities"));
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
              absl::StrCat(stats.unreadable.size(), " photos; fluke data check lists them"));
  }
}

void Stats(const StatsArguments& arguments) {
  const ManifestStats stats = CountManifest(ReadManifest(arguments.manifest), arguments.threads);
  if (arguments.json) {
    std::cout << StatsJson(stats).dump() << "\n";
  } else {
    PrintStats(stats);
  }
}

void DeclareStats(CLI::App& verb) {
  const auto arguments = std::make_shared<StatsArguments>();
  verb.add_option("manifest", arguments->manifest, "CSV, folder of folders, idx.gz or zip")
      ->required();
  verb.add_flag("--json", arguments->json, "Print one JSON document");
  verb.add_option("--threads", arguments->threads, "Photographs opened at a time")
      ->check(CLI::PositiveNumber);
  verb.callback([arguments] { Stats(*arguments); });
}

// ---- split

struct SplitArguments {
  std::string manifest;
  std::string out;
  std::string by = "identity";
  double fraction = .2;
  std::optional<uint64_t> seed;
};

// The folder that a manifest's paths are relative to.
fs::path PhotoFolder(const fs::path& manifest) {
  if (fs::is_directory(manifest)) return manifest;
  if (manifest.extension() == ".csv") return manifest.parent_path();
  InvalidArgument(manifest, ": a CSV can name photographs in folders only; unpack it first");
}

void Split(const SplitArguments& arguments) {
  const Manifest manifest = ReadManifest(arguments.manifest);
  const fs::path from = fs::absolute(PhotoFolder(arguments.manifest));
  const fs::path to = fs::absolute(arguments.out).parent_path();
  if (fs::exists(arguments.out) && fs::equivalent(arguments.out, arguments.manifest)) {
    InvalidArgument("--out ", arguments.out, " is the manifest itself; name another file");
  }
  std::vector<std::string> identities;
  for (const ManifestItem& item : manifest.items) {
    if (!item.identity.empty()) identities.push_back(item.identity);
  }
  const std::set<std::string> held_out =
      arguments.seed ? HeldOut(identities, arguments.fraction, *arguments.seed)
                     : HeldOut(identities, arguments.fraction);
  const size_t known = std::set<std::string>(identities.begin(), identities.end()).size();

  std::vector<ManifestItem> items = manifest.items;
  size_t test = 0;
  for (ManifestItem& item : items) {
    const fs::path photo = item.path;
    if (photo.is_relative())
      item.path = (from / photo).lexically_normal().lexically_relative(to.lexically_normal());
    const bool is_test = held_out.contains(item.identity);
    item.split = item.identity.empty() ? "" : is_test ? "test" : "train";
    test += is_test;
  }
  WriteManifestCsv(arguments.out, items);
  std::cout << arguments.out << ": train " << identities.size() - test << " photos of "
            << known - held_out.size() << " identities, test " << test << " photos of "
            << held_out.size() << " identities";
  if (identities.size() < items.size()) {
    std::cout << ", no split for " << items.size() - identities.size()
              << " photos without an identity";
  }
  std::cout << "\n";
}

void DeclareSplit(CLI::App& verb) {
  const auto arguments = std::make_shared<SplitArguments>();
  verb.add_option("manifest", arguments->manifest, "CSV or folder of folders")->required();
  verb.add_option("--out", arguments->out, "CSV to write, paths relative to it")->required();
  verb.add_option("--by", arguments->by,
                  "What stays together: identity keeps every individual in one split")
      ->check(CLI::IsMember({"identity"}))
      ->capture_default_str();
  verb.add_option("--fraction", arguments->fraction, "Share of the identities held out as 'test'")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb.add_option("--seed", arguments->seed,
                  "Shuffle by a seed; otherwise identities are ordered by their SHA-1");
  verb.callback([arguments] { Split(*arguments); });
}

// ---- synth

struct SynthArguments {
  std::string out;
  std::string photos = "8";
  SynthOptions options;
  int threads = HardwareThreads();
};

// "8" or "4-12".
void ParsePhotos(const std::string& text, SynthOptions* options) {
  const size_t dash = text.find('-');
  const std::string low = text.substr(0, dash),
                    high = dash == std::string::npos ? low : text.substr(dash + 1);
  if (!absl::SimpleAtoi(low, &options->min_photos) ||
      !absl::SimpleAtoi(high, &options->max_photos)) {
    InvalidArgument("--photos ", text, ": expected a number (8) or a range (4-12)");
  }
}

void Synth(const SynthArguments& arguments) {
  SynthOptions options = arguments.options;
  ParsePhotos(arguments.photos, &options);
  const int64_t photos = WriteSyntheticFlukes(arguments.out, options, arguments.threads);
  std::cout << (fs::path(arguments.out) / "manifest.csv").string() << ": " << photos
            << " photos of " << options.identities << " individuals\n";
}

void DeclareSynth(CLI::App& verb) {
  const auto arguments = std::make_shared<SynthArguments>();
  SynthOptions& options = arguments->options;
  verb.add_option("--out", arguments->out, "Folder to write: images/ and manifest.csv")->required();
  verb.add_option("--identities", options.identities, "Individuals")->capture_default_str();
  verb.add_option("--photos", arguments->photos,
                  "Photographs of each, a number or a range such as 4-12")
      ->capture_default_str();
  verb.add_option("--size", options.size_px, "Width in pixels; the height is 3/4 of it")
      ->capture_default_str();
  verb.add_option("--difficulty", options.difficulty, "0 calm and frontal .. 1 stormy and oblique")
      ->capture_default_str();
  verb.add_option("--test-fraction", options.test_fraction,
                  "Share of the individuals whose split is 'test'")
      ->capture_default_str();
  verb.add_option("--seed", options.seed, "The same seed draws the same photographs")
      ->capture_default_str();
  verb.add_option("--threads", arguments->threads, "Individuals drawn at a time")
      ->check(CLI::PositiveNumber);
  verb.callback([arguments] { Synth(*arguments); });
}

}  // namespace

void DeclareData(CLI::App& verb) {
  verb.require_subcommand(1);
  constexpr Verb kParts[] = {
      {"check", DeclareCheck, "open every photograph and list what cannot be used",
       "fluke data check photos/manifest.csv --report bad.csv"},
      {"stats", DeclareStats, "count photographs, identities, sizes, splits and boxes",
       "fluke data stats photos/manifest.csv"},
      {"split", DeclareSplit, "hold out some of the identities for testing",
       "fluke data split photos/manifest.csv --out photos/split.csv --fraction .2"},
      {"synth", DeclareSynth, "draw synthetic whale flukes with known boxes and identities",
       "fluke data synth --out flukes --identities 80 --photos 8"},
  };
  for (const Verb& part : kParts) {
    CLI::App* sub = verb.add_subcommand(std::string(part.name), std::string(part.help));
    sub->footer("Example:\n  " + std::string(part.example));
    part.declare(*sub);
  }
}

}  // namespace fluke::cli
