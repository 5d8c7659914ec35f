#include "serve/task_lane.h"

namespace fluke::serve {

TaskLane::TaskLane(int threads, size_t max_waiting, prometheus::Histogram* wait_seconds)
    : tasks_(max_waiting, UINT64_MAX) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, wait_seconds] {
      for (;;) {
        const auto batch = tasks_.PopBatch(1);
        if (batch.empty()) return;
        ObserveSince(wait_seconds, batch.front().queued_at);
        batch.front().task();
      }
    });
  }
}

TaskLane::~TaskLane() {
  tasks_.Close();
  threads_.clear();  // joins
}

}  // namespace fluke::serve
