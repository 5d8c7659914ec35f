// A first-in first-out queue between two stages, bounded by the number of items and by their weight
// in bytes.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"

namespace fluke::serve {

// All methods may be called from any thread. std::mutex rather than absl::Mutex, because
// ThreadSanitizer sees through it also where Abseil is a system library built without the
// sanitizer.
template <typename T>
class BoundedQueue {
 public:
  BoundedQueue(size_t max_items, uint64_t max_weight_bytes)
      : max_items_(max_items), max_weight_bytes_(max_weight_bytes) {}

  // False, with `item` left as it was, when the queue is full or closed. An item heavier than the
  // whole bound is taken when the queue is empty.
  bool TryPush(T& item, uint64_t weight_bytes = 0) {
    {
      std::lock_guard lock(mutex_);
      if (closed_ || !HasRoom(weight_bytes)) return false;
      Append(item, weight_bytes);
      if (items_.size() < awaited_) return true;
    }
    filled_.notify_one();
    return true;
  }

  // Waits for room. False, with `item` left as it was, when the queue is closed.
  bool Push(T& item, uint64_t weight_bytes = 0) {
    {
      std::unique_lock lock(mutex_);
      emptied_.wait(lock, [&] { return closed_ || HasRoom(weight_bytes); });
      if (closed_) return false;
      Append(item, weight_bytes);
      if (items_.size() < awaited_) return true;
    }
    filled_.notify_one();
    return true;
  }

  // Waits for a first item, then until there are `items` of them, for `at_most`; returns how many
  // there are. Nobody may pop meanwhile.
  size_t Await(size_t items, std::chrono::microseconds at_most) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return closed_ || !items_.empty(); });
    awaited_ = items;
    filled_.wait_for(lock, at_most, [&] { return closed_ || items_.size() >= items; });
    awaited_ = 0;
    return items_.size();
  }

  // Waits for a first item, then up to `linger` for more while `expecting()`; takes at most
  // `max_items`. Empty only once the queue is closed and everything in it was taken. `preferred`
  // (ascending): as many items as the first of these do not wait for more, and of more than that
  // the largest of these that there are for are taken.
  template <typename Expecting>
  std::vector<T> PopBatch(size_t max_items, std::chrono::microseconds linger, Expecting expecting,
                          std::span<const size_t> preferred = {}) {
    const size_t enough = preferred.empty() ? max_items : std::min(max_items, preferred.front());
    std::vector<T> batch;
    {
      std::unique_lock lock(mutex_);
      filled_.wait(lock, [&] { return closed_ || !items_.empty(); });
      if (linger.count() > 0) {
        filled_.wait_for(lock, linger,
                         [&] { return closed_ || items_.size() >= enough || !expecting(); });
      }
      size_t count = std::min(items_.size(), max_items);
      const auto above = std::upper_bound(preferred.begin(), preferred.end(), count);
      if (above != preferred.begin()) count = *(above - 1);
      while (batch.size() < count) {
        weight_bytes_ -= items_.front().weight_bytes;
        batch.push_back(std::move(items_.front().item));
        items_.pop_front();
      }
    }
    emptied_.notify_all();
    return batch;
  }

  std::vector<T> PopBatch(size_t max_items) {
    return PopBatch(max_items, std::chrono::microseconds(0), [] { return false; });
  }

  size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }

  // Nothing more is taken in; what is inside can still be popped.
  void Close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    filled_.notify_all();
    emptied_.notify_all();
  }

 private:
  struct Weighted {
    T item;
    uint64_t weight_bytes;
  };

  bool HasRoom(uint64_t weight_bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return items_.empty() ||
           (items_.size() < max_items_ && weight_bytes_ + weight_bytes <= max_weight_bytes_);
  }
  void Append(T& item, uint64_t weight_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    items_.push_back({std::move(item), weight_bytes});
    weight_bytes_ += weight_bytes;
  }

  const size_t max_items_;
  const uint64_t max_weight_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable emptied_;
  std::deque<Weighted> items_ ABSL_GUARDED_BY(mutex_);
  uint64_t weight_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t awaited_ ABSL_GUARDED_BY(mutex_) = 0;  // whom a push with fewer items need not wake
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace fluke::serve
