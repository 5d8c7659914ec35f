// The parts of one call that go through the pipeline, some at a time, so that a large call takes no
// more than its share of the queues.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"

namespace fluke::serve {

// Thread-safe.
class Parts {
 public:
  // start(i): begins part i of `count` and has Done(i, ...) called once, from any thread or from
  // itself. finished: called once, when all parts have ended or, after one that failed, those that
  // had begun; with the failure of the first place. It may destroy this.
  Parts(size_t count, size_t at_once, std::function<void(size_t)> start,
        std::function<void(const absl::Status&)> finished)
      : count_(count),
        at_once_(at_once),
        start_(std::move(start)),
        finished_(std::move(finished)) {}

  void Start() {
    std::unique_lock lock(mutex_);
    Advance(lock);
  }

  void Done(size_t place, const absl::Status& status) {
    // Held until it is clear whether others may end the whole: after that, nothing here is touched.
    std::unique_lock lock(mutex_);
    --under_way_;
    if (!status.ok() && (failure_.ok() || place < failed_place_)) {
      failure_ = status;
      failed_place_ = place;
    }
    Advance(lock);
  }

 private:
  // One thread at a time begins parts; what ends meanwhile is seen by its next round.
  void Advance(std::unique_lock<std::mutex>& lock) {
    if (advancing_) return;
    advancing_ = true;
    while (failure_.ok() && next_ < count_ && under_way_ < at_once_) {
      const size_t place = next_++;
      ++under_way_;
      lock.unlock();
      start_(place);
      lock.lock();
    }
    advancing_ = false;
    if (under_way_ > 0) return;
    const absl::Status failure = failure_;
    const auto finished = std::move(finished_);
    lock.unlock();
    finished(failure);
  }

  const size_t count_, at_once_;
  const std::function<void(size_t)> start_;
  std::function<void(const absl::Status&)> finished_;
  std::mutex mutex_;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  bool advancing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  size_t failed_place_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace fluke::serve
