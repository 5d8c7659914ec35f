// A gallery of four items and a model, both small enough to calculate by hand.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "common/embedder.h"
#include "common/error.h"
#include "common/vector_index.h"

namespace fluke::serve {

// Closed, a caller of Wait stays there until Open.
class Gate {
 public:
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Close() {
    std::lock_guard lock(mutex_);
    open_ = false;
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    --waiting_;
  }
  // Until `count` callers stand in Wait.
  void AwaitWaiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};

// Exact inner products over
//   row 0 north (1, 0, 0)   row 1 east (0, 1, 0)   row 2 up (0, 0, 1)   row 3 northeast (.6, .8, 0)
class FakeIndex final : public VectorIndex {
 public:
  FakeIndex() {
    const auto add = [&](std::string id, std::string identity, std::vector<float> vector) {
      items_.push_back({id, std::move(identity), id + ".jpg", {{"camera", "c-" + id}}});
      vectors_.push_back(std::move(vector));
    };
    add("north", "Nora", {1, 0, 0});
    add("east", "Esther", {0, 1, 0});
    add("up", "", {0, 0, 1});
    add("northeast", "Nora", {.6f, .8f, 0});
  }

  IndexInfo Describe() const override {
    return {.factory = "Flat",
            .metric = "cosine",
            .dimension = 3,
            .size = 4,
            .fingerprint = "f1",
            .snapshot = 7,
            .bytes = 48};
  }

  std::vector<std::vector<Neighbor>> Search(std::span<const float> queries,
                                            const SearchOptions& options,
                                            std::span<const int64_t> exclude_rows) const override {
    ++calls;
    gate.Wait();
    if (fault) fault(queries);
    {
      std::lock_guard lock(mutex_);
      batches_.push_back(static_cast<int>(queries.size() / 3));
      last_options_ = options;
    }
    std::vector<std::vector<Neighbor>> result;
    for (size_t q = 0; q < queries.size() / 3; ++q) {
      std::vector<Neighbor> found;
      for (size_t row = 0; row < vectors_.size(); ++row) {
        if (!exclude_rows.empty() && exclude_rows[q] == static_cast<int64_t>(row)) continue;
        float score = 0;
        for (size_t i = 0; i < 3; ++i) score += queries[q * 3 + i] * vectors_[row][i];
        found.push_back({static_cast<int64_t>(row), score});
      }
      std::ranges::stable_sort(found, std::greater<>(), &Neighbor::score);
      found.resize(std::min(found.size(), static_cast<size_t>(options.k)));
      result.push_back(std::move(found));
    }
    return result;
  }

  Item item(int64_t row) const override { return items_[static_cast<size_t>(row)]; }
  void ForEachRow(const std::function<void(int64_t row)>& visit) const override {
    for (size_t row = 0; row < items_.size(); ++row) visit(static_cast<int64_t>(row));
  }
  std::optional<int64_t> FindItem(std::string_view id) const override {
    for (size_t row = 0; row < items_.size(); ++row) {
      if (items_[row].id == id) return static_cast<int64_t>(row);
    }
    return std::nullopt;
  }
  std::vector<float> vector(int64_t row) const override {
    return vectors_[static_cast<size_t>(row)];
  }

  std::vector<int> batches() const {
    std::lock_guard lock(mutex_);
    return batches_;
  }
  SearchOptions last_options() const {
    std::lock_guard lock(mutex_);
    return last_options_;
  }

  // Set before the first search.
  std::function<void(std::span<const float> queries)> fault;
  mutable Gate gate;
  mutable std::atomic<int> calls = 0;

 private:
  std::vector<Item> items_;
  std::vector<std::vector<float>> vectors_;
  mutable std::mutex mutex_;
  mutable std::vector<int> batches_;
  mutable SearchOptions last_options_;
};

// The mean colour as a unit vector: red is north, green is east, blue is up.
class FakeEmbedder final : public Embedder {
 public:
  int64_t dimension() const override { return dimension_; }
  std::string fingerprint() const override { return fingerprint_; }
  int min_side_px() const override { return 2; }
  void Embed(std::span<const cv::Mat> images, float* out) const override {
    {
      std::lock_guard lock(mutex_);
      batches_.push_back(static_cast<int>(images.size()));
    }
    gate.Wait();
    if (fault) fault(images);
    for (const cv::Mat& image : images) {
      const cv::Scalar mean = cv::mean(image);
      const double norm = cv::norm(mean);
      for (int i = 0; i < 3; ++i) *out++ = static_cast<float>(mean[i] / norm);
    }
  }
  std::vector<int> batches() const {
    std::lock_guard lock(mutex_);
    return batches_;
  }

  // Set before the first call.
  std::function<void(std::span<const cv::Mat> images)> fault;
  int64_t dimension_ = 3;
  std::string fingerprint_ = "f1";
  mutable Gate gate;

 private:
  mutable std::mutex mutex_;
  mutable std::vector<int> batches_;
};

// `left` and `right` halves in RGB, losslessly encoded.
inline std::string PngOf(cv::Scalar left, cv::Scalar right, int width = 16, int height = 8) {
  cv::Mat pixels(height, width, CV_8UC3, cv::Scalar(left[2], left[1], left[0]));
  pixels(cv::Rect(width / 2, 0, width - width / 2, height)) =
      cv::Scalar(right[2], right[1], right[0]);
  std::vector<uchar> bytes;
  cv::imencode(".png", pixels, bytes);
  return {bytes.begin(), bytes.end()};
}

inline std::string RedPng() { return PngOf({255, 0, 0}, {255, 0, 0}); }

}  // namespace fluke::serve
