// Threads of their own for work that would hold up others: look-ups that go over the whole gallery,
// changes that wait for the disk.
#pragma once

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "serve/bounded_queue.h"

namespace fluke::serve {

// Thread-safe.
class TaskLane {
 public:
  TaskLane(int threads, size_t max_waiting);
  // Does everything that was taken in, then returns.
  ~TaskLane();
  TaskLane(const TaskLane&) = delete;
  TaskLane& operator=(const TaskLane&) = delete;

  // False at once when too many wait. The task must not throw.
  bool TrySubmit(std::function<void()> task) { return tasks_.TryPush(task); }

 private:
  BoundedQueue<std::function<void()>> tasks_;
  std::vector<std::jthread> threads_;
};

}  // namespace fluke::serve
