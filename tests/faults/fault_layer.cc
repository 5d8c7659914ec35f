#include "tests/faults/fault_layer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "tests/faults/operate.h"

namespace fluke::faults {
namespace {

constexpr char kAside[] = ".lost";  // behind the watched folder's name

struct Layer {
  std::atomic<bool> active = false;
  std::mutex mutex;  // held during every operation: they come one after the other
  FaultPlan plan;
  std::vector<Operation> operations;
  std::unique_ptr<LostWrites> lost;  // where the plan loses anything
};

Layer& TheLayer() {
  static auto* layer = new Layer;  // never destroyed: files are written until the very end
  return *layer;
}

[[noreturn]] void Die() {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

// A full disk lets go of files, and of those that are there it is only the contents that lack room.
bool Fails(const FaultPlan& plan, std::string_view name) {
  return plan.error != ENOSPC || (name != "remove" && name != "open" && name != "rename");
}

}  // namespace

long Operate(const char* name, const std::string& path, const Call& whole, const Call& half) {
  Layer& layer = TheLayer();
  const std::lock_guard lock(layer.mutex);
  const FaultPlan& plan = layer.plan;
  layer.operations.push_back({.name = name, .path = path, .has_bytes = half != nullptr});
  const auto number = static_cast<int64_t>(layer.operations.size());
  const bool here = number == plan.at;
  switch (plan.fault) {
    case Fault::kNone:
      break;
    case Fault::kBefore:
      if (here) Die();
      break;
    case Fault::kIn:
      if (here && half) half();
      if (here) Die();
      break;
    case Fault::kAfter:
      if (here) whole();
      if (here) Die();
      break;
    case Fault::kLost:
    case Fault::kLostData:
    case Fault::kTorn:
      if (here) layer.lost->TakeBack();
      if (here) Die();
      break;
    case Fault::kShortWrite:
      if (const long written = here && half ? half() : 0; written > 0) return written;
      break;
    case Fault::kError:
    case Fault::kErrorOnce:
      if (!(here || (plan.fault == Fault::kError && number > plan.at))) break;
      if (!Fails(plan, name)) break;
      if (here && half && plan.error == ENOSPC) {  // what still fits
        if (const long written = half(); written > 0) return written;
      }
      errno = plan.error;
      return -1;
  }
  return whole();
}

bool IsWatching() { return TheLayer().active; }

bool IsWatched(std::string_view path) {
  const std::string& folder = TheLayer().plan.folder;
  if (!IsWatching() || !path.starts_with(folder)) return false;
  path.remove_prefix(folder.size());
  // A file that was removed and is still open waits in the folder aside.
  return path.empty() || path.starts_with('/') || path.starts_with(std::string(kAside) + '/');
}

LostWrites* Lost() { return TheLayer().lost.get(); }

namespace {

FaultPlan PlanFromEnvironment() {
  constexpr std::pair<std::string_view, Fault> kKinds[] = {
      {"before", Fault::kBefore},         {"in", Fault::kIn},
      {"after", Fault::kAfter},           {"lost", Fault::kLost},
      {"lost-data", Fault::kLostData},    {"torn", Fault::kTorn},
      {"error", Fault::kError},           {"error-once", Fault::kErrorOnce},
      {"short-write", Fault::kShortWrite}};
  const auto value = [](const char* name) {
    const char* found = getenv(name);
    return std::string(found == nullptr ? "" : found);
  };
  FaultPlan plan{.folder = value("FAULT_FOLDER"),
                 .at = atoll(value("FAULT_AT").c_str()),
                 .error = atoi(value("FAULT_ERROR").c_str())};
  for (const auto& [name, fault] : kKinds) {
    if (name == value("FAULT_KIND")) plan.fault = fault;
  }
  return plan;
}

__attribute__((constructor)) void BeginFaultsFromEnvironment() {
  if (const FaultPlan plan = PlanFromEnvironment(); !plan.folder.empty()) BeginFaults(plan);
}

}  // namespace

void BeginFaults(const FaultPlan& plan) {
  Layer& layer = TheLayer();
  layer.plan = plan;
  layer.operations.clear();
  layer.lost = nullptr;
  const auto loses = [&](LostWrites::Loss loss) {
    layer.lost = std::make_unique<LostWrites>(plan.folder + kAside, loss);
  };
  if (plan.fault == Fault::kLost) loses(LostWrites::Loss::kContentsAndNames);
  if (plan.fault == Fault::kLostData) loses(LostWrites::Loss::kContents);
  if (plan.fault == Fault::kTorn) loses(LostWrites::Loss::kSecondHalves);
  layer.active = true;
}

void EndFaults() { TheLayer().active = false; }

std::vector<Operation> Operations() {
  const std::lock_guard lock(TheLayer().mutex);
  return TheLayer().operations;
}

void ReachTheEnd() {
  if (TheLayer().active) Operate("end", "", [] { return 0; });
}

}  // namespace fluke::faults
