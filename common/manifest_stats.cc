#include "common/manifest_stats.h"

#include <algorithm>
#include <set>

#include "common/error.h"
#include "common/parallel.h"
#include "common/progress.h"

namespace fluke {
namespace {

Spread SpreadOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return {values.front(), (values[(n - 1) / 2] + values[n / 2]) / 2, values.back()};
}

void CountIdentities(const Manifest& manifest, ManifestStats* stats) {
  std::map<std::string, int64_t> photos_of;
  std::map<std::string, std::set<std::string>> splits_of;
  for (const ManifestItem& item : manifest.items) {
    ++stats->splits[item.split].photos;
    if (item.identity.empty()) {
      ++stats->unknown;
      continue;
    }
    ++photos_of[item.identity];
    if (splits_of[item.identity].insert(item.split).second) ++stats->splits[item.split].identities;
  }
  std::vector<double> counts;
  for (const auto& [identity, photos] : photos_of) {
    counts.push_back(static_cast<double>(photos));
    ++stats->histogram[photos];
  }
  stats->identities = static_cast<int64_t>(photos_of.size());
  stats->photos_per_identity = SpreadOf(std::move(counts));
  stats->split_identities =
      std::count_if(splits_of.begin(), splits_of.end(),
                    [](const auto& entry) { return entry.second.size() > 1; });
}

struct Measured {
  ImageSize size;
  std::string error;
};

std::vector<Measured> MeasureImages(const Manifest& manifest, int threads) {
  std::vector<Measured> measured(manifest.items.size());
  Progress progress("stats", static_cast<int64_t>(measured.size()));
  ParallelFor(static_cast<int64_t>(measured.size()), threads, [&](int64_t i, int) {
    Measured& mine = measured[static_cast<size_t>(i)];
    try {
      const DecodedImage image =
          manifest.images->Load(manifest.items[static_cast<size_t>(i)], {.min_side_px = 1});
      mine.size = {image.full_width, image.full_height};
    } catch (const Error& error) {
      mine.error = error.what();
    }
    progress.Advance();
  });
  return measured;
}

}  // namespace

ManifestStats CountManifest(const Manifest& manifest, int threads) {
  ManifestStats stats;
  stats.items = static_cast<int64_t>(manifest.items.size());
  CountIdentities(manifest, &stats);

  const std::vector<Measured> measured = MeasureImages(manifest, threads);
  std::vector<double> box_widths, box_heights;
  for (size_t i = 0; i < measured.size(); ++i) {
    const ManifestItem& item = manifest.items[i];
    const ImageSize& size = measured[i].size;
    if (item.box) {
      box_widths.push_back(item.box->w);
      box_heights.push_back(item.box->h);
    }
    if (!measured[i].error.empty()) {
      stats.unreadable.push_back({item.path, item.line, measured[i].error});
      continue;
    }
    stats.widths.push_back(size.width);
    stats.heights.push_back(size.height);
    if (item.box)
      stats.box_shares.push_back(double{item.box->w} * item.box->h / size.width / size.height);
  }
  stats.boxes = static_cast<int64_t>(box_widths.size());
  stats.box_width = SpreadOf(std::move(box_widths));
  stats.box_height = SpreadOf(std::move(box_heights));
  stats.box_share = SpreadOf(stats.box_shares);
  stats.width = SpreadOf(stats.widths);
  stats.height = SpreadOf(stats.heights);
  return stats;
}

}  // namespace fluke
