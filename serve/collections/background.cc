#include "serve/collections/background.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fluke::serve {
namespace {

// A tenth of a core where queries want all of them: enough for an opening to come to its end, and
// for the compactions of a live index, whose thread inherits it.
constexpr int kNiceness = 10;

}  // namespace

void LowerThreadPriority() {
  // On Linux niceness is a thread's. Best effort: a process that is nicer already stays so.
  const auto thread = static_cast<id_t>(syscall(SYS_gettid));
  if (getpriority(PRIO_PROCESS, thread) < kNiceness) setpriority(PRIO_PROCESS, thread, kNiceness);
}

}  // namespace fluke::serve
