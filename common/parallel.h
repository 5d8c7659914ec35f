// Plain threads for loops whose steps are independent of one another.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace fluke {

inline int HardwareThreads() { return std::max(1u, std::thread::hardware_concurrency()); }

// Calls body(index, worker) for every index in [0, count), each once, in no order; worker in [0,
// threads) tells which scratch space is this thread's own. The first exception stops the loop and
// is rethrown here.
template <typename Body>
void ParallelFor(int64_t count, int threads, const Body& body) {
  std::atomic<int64_t> next = 0;
  std::mutex mutex;
  std::exception_ptr first_error;
  const auto work = [&](int worker) {
    try {
      for (int64_t i = next++; i < count; i = next++) body(i, worker);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!first_error) first_error = std::current_exception();
    }
  };
  std::vector<std::jthread> others;
  for (int worker = 1; worker < std::min<int64_t>(threads, count); ++worker) {
    others.emplace_back(work, worker);
  }
  work(0);
  others.clear();  // joins
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace fluke
