// How long a batch of searches waits for more. Callers that ask again as soon as they are answered
// fall into two waves where each batch is taken as soon as the last one is done: one wave is
// searched while the other is on its way. Searched together both cost less, since a batch reads the
// index once, and none of them waits longer. So the next batch waits a little until as many are
// there as were lately. Where they do not come (callers who ask at times of their own), more and
// more batches go without a wait.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace fluke::serve {

// Not thread-safe; knows no clock.
class ReturningCallers {
 public:
  struct Wait {
    size_t queries = 1;  // until so many are there
    std::chrono::microseconds at_most{0};
  };

  // A batch holds max_batch at most and waits for `most` at most.
  ReturningCallers(size_t max_batch, std::chrono::microseconds most)
      : max_batch_(max_batch), most_(most) {}

  // Before a batch is taken.
  Wait Next() {
    if (passes_ > 0) {
      --passes_;
      return {};
    }
    if (expected_ < 2) return {};
    return {.queries = expected_, .at_most = std::min(most_, search_)};
  }

  // How many were there when that wait ended.
  void Came(const Wait& wait, size_t queries) {
    if (wait.queries < 2) return;
    if (4 * queries >= 3 * wait.queries) {
      penalty_ = 0;
    } else {
      penalty_ = std::clamp<size_t>(2 * penalty_, 1, kMostPasses);
      passes_ = penalty_;
    }
  }

  // After a batch: its size, how many were waiting then, how long it was searched.
  void Answered(size_t batch, size_t waiting, std::chrono::microseconds search) {
    expected_ = std::min(max_batch_, batch + waiting);
    search_ = search;
  }

 private:
  static constexpr size_t kMostPasses = 64;

  const size_t max_batch_;
  const std::chrono::microseconds most_;
  size_t expected_ = 0;
  std::chrono::microseconds search_{0};
  size_t penalty_ = 0, passes_ = 0;  // batches without a wait: after a disappointment, and left
};

}  // namespace fluke::serve
