#include "serve/collections/warm_up.h"

#include <algorithm>
#include <set>
#include <string>

#include <opencv2/core.hpp>

#include "common/error.h"

namespace fluke::serve {

std::vector<int> WarmUpSizes(const v1::Batching& batching) {
  if (!batching.warm_up()) return {};
  std::set<int> sizes(batching.preferred_sizes().begin(), batching.preferred_sizes().end());
  sizes.insert(1);
  sizes.insert(batching.max_batch());
  return {sizes.begin(), sizes.end()};
}

void WarmUp(const Embedder& embedder, const std::vector<int>& sizes) {
  const int side_px = std::max(1, embedder.min_side_px());
  for (const int size : sizes) {
    const std::vector<cv::Mat> images(static_cast<size_t>(size),
                                      cv::Mat(side_px, side_px, CV_8UC3, cv::Scalar::all(128)));
    std::vector<float> vectors(images.size() * static_cast<size_t>(embedder.dimension()));
    embedder.Embed(images, vectors.data());
  }
}

void Touch(const ServedIndex& served) {
  const std::shared_ptr<const ServedVersion> version = served.Current();
  const VectorIndex& index = *version->index;
  const std::vector<int64_t> first = index.NextById(nullptr, "", 1);
  if (first.empty()) return;
  // An item, and no vector alone: a ranking may look at photographs.
  const std::string id = index.item(first.front()).id;
  const std::vector<QueryPhotograph> photographs = {{.item_id = id}};
  try {
    index.SearchPhotographs(index.vector(first.front()), {}, {}, photographs);
  } catch (const Error& error) {
    // Of this item its photograph is not known; others' may be.
    if (error.code() != absl::StatusCode::kFailedPrecondition) throw;
  }
}

}  // namespace fluke::serve
