// Work that goes on beside the answering of queries and must not slow it down: opening an index,
// warming up a model, taking an old version apart.
#pragma once

#include <future>

namespace fluke::serve {

// For good; threads that this one starts inherit it.
void LowerThreadPriority();

// What `work` returns or throws; it runs on a thread of low priority, and the caller waits.
template <typename Work>
auto InBackground(const Work& work) {
  return std::async(std::launch::async,
                    [&work] {
                      LowerThreadPriority();
                      return work();
                    })
      .get();
}

}  // namespace fluke::serve
