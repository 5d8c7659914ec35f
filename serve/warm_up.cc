#include "serve/warm_up.h"

#include <algorithm>
#include <set>

#include <opencv2/core.hpp>

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
  std::vector<float> query(static_cast<size_t>(version->info.dimension), 0.0f);
  query.front() = 1;
  version->index->Search(query, {});
}

}  // namespace fluke::serve
