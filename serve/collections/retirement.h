// Where versions go that others took the place of: they are kept until no call uses them any more
// and taken apart on a thread of low priority, never on one that answers.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "serve/collections/served_index.h"

namespace fluke::serve {

// Thread-safe.
class Retirement {
 public:
  Retirement();
  // Lets go of everything; what calls still hold ends with them.
  ~Retirement();
  Retirement(const Retirement&) = delete;
  Retirement& operator=(const Retirement&) = delete;

  // `name`: of its collection. Whoever retires an index has made sure that nobody finds it any
  // more.
  void Take(const std::string& name, std::shared_ptr<const ServedIndex> served);

  // Waits until nothing of that name is left. False when `timeout` passes first.
  bool AwaitGone(const std::string& name, std::chrono::milliseconds timeout);

 private:
  struct Retired {
    std::string name;
    std::shared_ptr<const ServedIndex> served;
  };
  void Run();
  bool Holds(const std::string& name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Retired> retired_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace fluke::serve
