#include "serve/collections/retirement.h"

#include <algorithm>
#include <utility>

#include "serve/collections/background.h"

namespace fluke::serve {
namespace {

constexpr std::chrono::milliseconds kRetirementLook(10);

// Nobody else finds it any more, so that a count that has come down stays there.
bool IsUnused(const std::shared_ptr<const ServedIndex>& served) {
  if (served.use_count() > 1) return false;
  const std::shared_ptr<const ServedVersion> version = served->Current();
  return version.use_count() <= 2;  // this one and the index's own
}

}  // namespace

Retirement::Retirement() : thread_([this] { Run(); }) {}

Retirement::~Retirement() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Retirement::Take(const std::string& name, std::shared_ptr<const ServedIndex> served) {
  if (served == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    retired_.push_back({.name = name, .served = std::move(served)});
  }
  changed_.notify_all();
}

bool Retirement::AwaitGone(const std::string& name, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return !Holds(name); });
}

bool Retirement::Holds(const std::string& name) const {
  return std::ranges::any_of(retired_, [&](const Retired& each) { return each.name == name; });
}

void Retirement::Run() {
  LowerThreadPriority();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (retired_.empty()) {
      changed_.wait(lock, [this] { return stopping_ || !retired_.empty(); });
      continue;
    }
    const auto unused =
        std::ranges::find_if(retired_, [](const Retired& each) { return IsUnused(each.served); });
    if (unused == retired_.end()) {
      changed_.wait_for(lock, kRetirementLook, [this] { return stopping_; });
      continue;
    }
    // Still on the list while it is taken apart: AwaitGone waits for its end.
    std::shared_ptr<const ServedIndex> served = std::move(unused->served);
    lock.unlock();
    served.reset();
    lock.lock();
    retired_.erase(unused);
    changed_.notify_all();
  }
}

}  // namespace fluke::serve
