#include "serve/task_lane.h"

namespace fluke::serve {

TaskLane::TaskLane(int threads, size_t max_waiting) : tasks_(max_waiting, UINT64_MAX) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      for (;;) {
        const auto batch = tasks_.PopBatch(1);
        if (batch.empty()) return;
        batch.front()();
      }
    });
  }
}

TaskLane::~TaskLane() {
  tasks_.Close();
  threads_.clear();  // joins
}

}  // namespace fluke::serve
