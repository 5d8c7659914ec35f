// Threads of their own for work that would hold up others: look-ups that go over the whole gallery,
// changes that wait for the disk.
#pragma once

#include <cstddef>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "serve/bounded_queue.h"
#include "serve/metrics.h"

namespace fluke::serve {

// Thread-safe.
class TaskLane {
 public:
  // `wait_seconds`, which may be null, outlives the lane.
  TaskLane(int threads, size_t max_waiting, prometheus::Histogram* wait_seconds = nullptr);
  // Does everything that was taken in, then returns.
  ~TaskLane();
  TaskLane(const TaskLane&) = delete;
  TaskLane& operator=(const TaskLane&) = delete;

  // False at once when too many wait. The task must not throw.
  bool TrySubmit(std::function<void()> task) {
    Waiting waiting{.task = std::move(task), .queued_at = MetricClock::now()};
    return tasks_.TryPush(waiting);
  }
  size_t waiting() const { return tasks_.size(); }

 private:
  struct Waiting {
    std::function<void()> task;
    MetricClock::time_point queued_at;
  };

  BoundedQueue<Waiting> tasks_;
  std::vector<std::jthread> threads_;
};

}  // namespace fluke::serve
