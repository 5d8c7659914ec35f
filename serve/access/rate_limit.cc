#include "serve/access/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace fluke::serve {

std::chrono::milliseconds RateLimiter::Take(std::string_view caller, const Rate& rate) {
  using Milliseconds = std::chrono::milliseconds;
  if (rate.per_second <= 0) return Milliseconds(0);
  const double burst = std::max(1.0, rate.burst > 0 ? rate.burst : rate.per_second);
  const std::lock_guard lock(mutex_);
  const auto now = clock_();
  Bucket& bucket = Find(caller, burst);
  const double passed_s = std::chrono::duration<double>(now - bucket.filled_at).count();
  bucket.tokens = std::min(burst, bucket.tokens + std::max(0.0, passed_s) * rate.per_second);
  bucket.filled_at = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return Milliseconds(0);
  }
  constexpr double kDayMs = 86'400'000;  // keeps a tiny rate's wait within the type
  const double wait_ms = std::ceil(1000 * (1 - bucket.tokens) / rate.per_second);
  return Milliseconds(static_cast<int64_t>(std::clamp(wait_ms, 1.0, kDayMs)));
}

size_t RateLimiter::callers() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

RateLimiter::Bucket& RateLimiter::Find(std::string_view caller, double burst) {
  if (const auto found = by_caller_.find(caller); found != by_caller_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
    return buckets_.front();
  }
  if (buckets_.size() >= max_callers_) {
    by_caller_.erase(buckets_.back().caller);
    buckets_.pop_back();
  }
  buckets_.push_front({.caller = std::string(caller), .tokens = burst, .filled_at = clock_()});
  by_caller_.emplace(buckets_.front().caller, buckets_.begin());
  return buckets_.front();
}

}  // namespace fluke::serve
