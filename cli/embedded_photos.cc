#include "cli/embedded_photos.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <unordered_map>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/error.h"
#include "common/progress.h"
#include "index/exact_scan.h"

namespace fluke::cli {
namespace {

constexpr int64_t kBlockQueries = 1024;

std::vector<std::vector<Neighbor>> Scan(const Embeddings& queries, const Embeddings& gallery,
                                        int64_t k, std::span<const int64_t> own_rows) {
  const int64_t d = queries.vectors.cols;
  std::vector<std::vector<Neighbor>> neighbors;
  Progress progress("neighbours", queries.vectors.rows, "vectors");
  for (int64_t begin = 0; begin < queries.vectors.rows; begin += kBlockQueries) {
    const int64_t count = std::min(kBlockQueries, queries.vectors.rows - begin);
    const auto block = std::span(queries.vectors.values)
                           .subspan(static_cast<size_t>(begin * d), static_cast<size_t>(count * d));
    const SearchScope scope = SearchScope{.exclude_rows = own_rows}.Of(begin, count);
    auto found = ScanExactly(Similarity::kCosine, block, gallery.vectors.values, d, k, scope);
    std::move(found.begin(), found.end(), std::back_inserter(neighbors));
    progress.Advance(count);
  }
  return neighbors;
}

}  // namespace

EmbeddedPhotos ReadEmbeddedPhotos(const std::string& folder, const Manifest& manifest) {
  Embeddings all = ReadEmbeddings(folder);
  std::unordered_map<std::string, size_t> item_of_id;
  for (size_t i = 0; i < manifest.items.size(); ++i)
    item_of_id.emplace(ItemOf(manifest.items[i]).id, i);
  EmbeddedPhotos photos;
  photos.embeddings.fingerprint = all.fingerprint;
  Matrix& kept = photos.embeddings.vectors;
  kept.cols = all.vectors.cols;
  for (int64_t row = 0; row < all.vectors.rows; ++row) {
    const auto found = item_of_id.find(all.items[row].id);
    if (found == item_of_id.end()) continue;
    const std::span<float> vector = all.vectors.row(row);
    if (const std::string defect = VectorDefect(Similarity::kCosine, vector); !defect.empty())
      InvalidArgument(folder, ": row ", row, " (", all.items[row].id, "): ", defect);
    Normalise(Similarity::kCosine, vector);
    kept.values.insert(kept.values.end(), vector.begin(), vector.end());
    ++kept.rows;
    photos.items.push_back(found->second);
    photos.embeddings.items.push_back(std::move(all.items[row]));
  }
  if (kept.rows == 0) {
    InvalidArgument(folder, ": none of its ", all.vectors.rows, " items is in ", manifest.name,
                    " (the first is '", all.items.empty() ? "" : all.items[0].id, "')");
  }
  if (kept.rows < all.vectors.rows) {
    spdlog::warn("{}: {} of {} items are not in {} and left out", folder,
                 all.vectors.rows - kept.rows, all.vectors.rows, manifest.name);
  }
  return photos;
}

std::vector<std::vector<Neighbor>> NearestOthers(const Embeddings& embeddings, int64_t k) {
  std::vector<int64_t> own_rows(static_cast<size_t>(embeddings.vectors.rows));
  std::iota(own_rows.begin(), own_rows.end(), int64_t{0});
  return Scan(embeddings, embeddings, k, own_rows);
}

std::vector<std::vector<Neighbor>> NearestOf(const Embeddings& queries, const Embeddings& gallery,
                                             int64_t k) {
  return Scan(queries, gallery, k, {});
}

}  // namespace fluke::cli
