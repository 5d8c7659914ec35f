// How often each caller may call: a token bucket a caller.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"

namespace fluke::serve {

// A bucket of `burst` tokens, full at first, fills at `per_second`; a request takes one.
struct Rate {
  double per_second = 0;  // 0: no limit
  double burst = 0;       // 0: one second's; at least 1
};

// Thread-safe. Holds the buckets of the callers that were seen last; one that is forgotten is full
// when its caller comes again.
class RateLimiter {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  explicit RateLimiter(size_t max_callers = 65536, Clock clock = std::chrono::steady_clock::now)
      : max_callers_(max_callers), clock_(std::move(clock)) {}

  // 0: the request may go on. Otherwise nothing is taken, and this long until there is a token.
  std::chrono::milliseconds Take(std::string_view caller, const Rate& rate);

  size_t callers() const;

 private:
  struct Bucket {
    std::string caller;
    double tokens = 0;
    std::chrono::steady_clock::time_point filled_at;
  };
  using Buckets = std::list<Bucket>;

  Bucket& Find(std::string_view caller, double burst) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_callers_;
  const Clock clock_;
  mutable std::mutex mutex_;
  Buckets buckets_ ABSL_GUARDED_BY(mutex_);  // last seen first
  // Views the names in `buckets_`.
  std::unordered_map<std::string_view, Buckets::iterator> by_caller_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fluke::serve
