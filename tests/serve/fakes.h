// A gallery of four items and a model, both small enough to calculate by hand.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

// What goes wrong; may be set while the server is at work.
template <typename... Arguments>
class Fault {
 public:
  template <typename Action>
  void operator=(Action action) {
    const std::lock_guard lock(mutex_);
    action_ = std::move(action);
  }
  void operator()(Arguments... arguments) const {
    std::function<void(Arguments...)> action;
    {
      const std::lock_guard lock(mutex_);
      action = action_;
    }
    if (action) action(arguments...);
  }

 private:
  mutable std::mutex mutex_;
  std::function<void(Arguments...)> action_;
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
  // Another gallery, of vectors of three values.
  explicit FakeIndex(const std::vector<std::pair<Item, std::vector<float>>>& gallery) {
    for (const auto& [item, vector] : gallery) {
      items_.push_back(item);
      vectors_.push_back(vector);
    }
  }

  IndexInfo Describe() const override {
    return {.factory = "Flat",
            .metric = "cosine",
            .dimension = 3,
            .size = static_cast<int64_t>(items_.size()),
            .fingerprint = "f1",
            .snapshot = 7,
            .bytes = 48,
            .matches_regions = matches_regions};
  }

  std::vector<std::vector<Neighbor>> Search(std::span<const float> queries,
                                            const SearchOptions& options,
                                            std::span<const int64_t> exclude_rows) const override {
    ++calls;
    gate.Wait();
    fault(queries);
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
        if (options.filter != nullptr && !Matches(*options.filter, items_[row])) continue;
        float score = 0;
        for (size_t i = 0; i < 3; ++i) score += queries[q * 3 + i] * vectors_[row][i];
        found.push_back({static_cast<int64_t>(row), score});
      }
      std::ranges::stable_sort(found, std::greater<>(), &Neighbor::score);
      if (options.one_per_identity) {
        std::set<std::string> seen;
        std::erase_if(found, [&](const Neighbor& neighbor) {
          const std::string& identity = items_[static_cast<size_t>(neighbor.row)].identity;
          return !identity.empty() && !seen.insert(identity).second;
        });
      }
      found.resize(std::min(found.size(), static_cast<size_t>(options.k)));
      std::erase_if(found, [&](const Neighbor& n) { return n.score < options.min_score; });
      result.push_back(std::move(found));
    }
    return result;
  }

  std::vector<std::vector<Neighbor>> SearchPhotographs(
      std::span<const float> queries, const SearchOptions& options,
      std::span<const int64_t> exclude_rows,
      std::span<const QueryPhotograph> photographs) const override {
    {
      std::lock_guard lock(mutex_);
      last_image_ = photographs.back().image;
      last_crop_ = photographs.back().crop;
      last_item_id_ = photographs.back().item_id;
    }
    return Search(queries, options, exclude_rows);
  }

  // One region each: its number is the row's.
  std::vector<std::vector<MatchedRegions>> Match(const QueryPhotograph& photograph,
                                                 std::span<const int64_t> rows,
                                                 int64_t without) const override {
    if (!matches_regions) return VectorIndex::Match(photograph, rows, without);
    std::lock_guard lock(mutex_);
    last_image_ = photograph.image;
    last_crop_ = photograph.crop;
    last_item_id_ = photograph.item_id;
    last_without_ = without;
    std::vector<std::vector<MatchedRegions>> matches;
    for (const int64_t row : rows) {
      const auto number = static_cast<float>(row);
      matches.push_back({{.query = {.x = .1f, .y = .2f, .diameter = .3f},
                          .gallery = {.x = .4f, .y = .5f, .diameter = .6f},
                          .weight = number}});
    }
    return matches;
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
  int64_t Count(const Filter* filter) const override {
    return std::ranges::count_if(
        items_, [&](const Item& item) { return filter == nullptr || Matches(*filter, item); });
  }
  std::vector<int64_t> NextById(const Filter* filter, std::string_view after_id,
                                int64_t count) const override {
    std::map<std::string, int64_t> rows;
    for (size_t row = 0; row < items_.size(); ++row) {
      const Item& item = items_[row];
      if (item.id > after_id && (filter == nullptr || Matches(*filter, item))) {
        rows[item.id] = static_cast<int64_t>(row);
      }
    }
    std::vector<int64_t> next;
    for (const auto& [id, row] : rows) {
      if (static_cast<int64_t>(next.size()) < count) next.push_back(row);
    }
    return next;
  }
  // Of identity only.
  std::vector<FacetValue> Facet(std::string_view field, const Filter* filter) const override {
    if (field != "identity") InvalidArgument("facet of '", field, "'");
    std::map<std::string, int64_t> counts;
    for (const Item& item : items_) {
      const bool matches = filter == nullptr || Matches(*filter, item);
      if (matches && !item.identity.empty()) ++counts[item.identity];
    }
    std::vector<FacetValue> facet;
    for (const auto& [value, count] : counts) facet.push_back({.value = value, .count = count});
    std::ranges::stable_sort(facet, std::greater<>(), &FacetValue::count);
    return facet;
  }

  // A copy with the item in it, in place of one with its id; or without it.
  std::shared_ptr<FakeIndex> With(const Item& item, std::vector<float> vector) const {
    auto next = Without(item.id);
    next->items_.push_back(item);
    next->vectors_.push_back(std::move(vector));
    return next;
  }
  std::shared_ptr<FakeIndex> Without(std::string_view id) const {
    auto next = std::make_shared<FakeIndex>();
    next->items_.clear();
    next->vectors_.clear();
    for (size_t row = 0; row < items_.size(); ++row) {
      if (items_[row].id == id) continue;
      next->items_.push_back(items_[row]);
      next->vectors_.push_back(vectors_[row]);
    }
    return next;
  }

  std::vector<int> batches() const {
    std::lock_guard lock(mutex_);
    return batches_;
  }
  SearchOptions last_options() const {
    std::lock_guard lock(mutex_);
    return last_options_;
  }
  // What was told of the last query beside its vector.
  std::string last_image() const {
    std::lock_guard lock(mutex_);
    return last_image_;
  }
  std::optional<Box> last_crop() const {
    std::lock_guard lock(mutex_);
    return last_crop_;
  }
  std::string last_item_id() const {
    std::lock_guard lock(mutex_);
    return last_item_id_;
  }
  int64_t last_without() const {
    std::lock_guard lock(mutex_);
    return last_without_;
  }

  Fault<std::span<const float>> fault;  // of the queries
  std::atomic<bool> matches_regions = false;
  mutable Gate gate;
  mutable std::atomic<int> calls = 0;

 private:
  std::vector<Item> items_;
  std::vector<std::vector<float>> vectors_;
  mutable std::mutex mutex_;
  mutable std::vector<int> batches_;
  mutable SearchOptions last_options_;
  mutable std::string last_image_;
  mutable std::optional<Box> last_crop_;
  mutable std::string last_item_id_;
  mutable int64_t last_without_ = -1;
};

// Changes are new versions.
class FakeLiveIndex final : public LiveIndex {
 public:
  std::shared_ptr<const VectorIndex> Current() const override {
    std::lock_guard lock(mutex_);
    return current_;
  }
  void Upsert(const std::vector<Item>& items, std::span<const float> vectors) override {
    Change([&](std::shared_ptr<FakeIndex> index) {
      for (size_t i = 0; i < items.size(); ++i) {
        if (items[i].id.empty()) InvalidArgument("item ", i, " has no id");
        const auto vector = vectors.subspan(3 * i, 3);
        index = index->With(items[i], {vector.begin(), vector.end()});
      }
      return index;
    });
  }
  int64_t Remove(const std::vector<std::string>& ids) override {
    int64_t removed = 0;
    Change([&](std::shared_ptr<FakeIndex> index) {
      for (const std::string& id : ids) {
        if (!index->FindItem(id)) continue;
        index = index->Without(id);
        ++removed;
      }
      return index;
    });
    return removed;
  }
  void Update(const std::vector<Item>& items) override {
    Change([&](std::shared_ptr<FakeIndex> index) {
      for (const Item& item : items) {
        const auto row = index->FindItem(item.id);
        if (!row) NotFound("no item '", item.id, "' to update");
        index = index->With(item, index->vector(*row));
      }
      return index;
    });
  }
  int64_t Compact() override { return 0; }

  // Set while no change is under way.
  Fault<> fault;
  mutable Gate gate;  // of changes

 private:
  template <typename Make>
  void Change(const Make& make) {
    gate.Wait();
    fault();
    std::lock_guard lock(mutex_);
    current_ = make(current_);
  }

  mutable std::mutex mutex_;
  std::shared_ptr<FakeIndex> current_ = std::make_shared<FakeIndex>();
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
    fault(images);
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
  Fault<std::span<const cv::Mat>> fault;  // of the images
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
