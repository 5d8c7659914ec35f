// Loops on OpenMP's threads, which stand ready between searches: starting threads of one's own
// costs as much as a small search.
#pragma once

#include <omp.h>

#include <cstdint>
#include <exception>

namespace fluke {

// Calls body(index, thread) for every index in [0, count), each once, in no order; 0 <= thread <
// threads. The first exception is rethrown here when all have ended.
template <typename Body>
void ParallelLoop(int64_t count, int threads, const Body& body) {
  if (threads <= 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) body(i, 0);
    return;
  }
  std::exception_ptr first_error;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t i = 0; i < count; ++i) {
    try {
      body(i, omp_get_thread_num());
    } catch (...) {
#pragma omp critical(fluke_parallel_loop)
      if (!first_error) first_error = std::current_exception();
    }
  }
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace fluke
