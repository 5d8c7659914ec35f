#include "cli/allocator.h"

#include <string>

#if defined(FLUKE_JEMALLOC)
#include <jemalloc/jemalloc.h>
#include <sys/types.h>

// Read by jemalloc before main. Large blocks (a batch's activations) come from the same arenas as
// others: those of jemalloc's arena for them alone are given back at once.
extern "C" {
const char* malloc_conf =
    "background_thread:true,dirty_decay_ms:10000,muzzy_decay_ms:0,oversize_threshold:0";
}
#endif

namespace fluke::cli {

void KeepFreedMemory() {
#if defined(FLUKE_JEMALLOC)
  ssize_t never = -1;
  unsigned arenas = 0;
  size_t size = sizeof(arenas);
  mallctl("arenas.narenas", &arenas, &size, nullptr, 0);
  for (unsigned i = 0; i < arenas; ++i) {  // those that are not in use yet refuse it
    const std::string name = "arena." + std::to_string(i) + ".dirty_decay_ms";
    mallctl(name.c_str(), nullptr, nullptr, &never, sizeof(never));
  }
  mallctl("arenas.dirty_decay_ms", nullptr, nullptr, &never, sizeof(never));  // later ones
#endif
}

}  // namespace fluke::cli
