// How an index is opened for searching.
#pragma once

#include <cstdint>
#include <string>

#include "common/memory.h"

namespace fluke {

struct OpenOptions {
  // An index that would not fit is refused before it is read (IndexInfo::memory_bytes).
  uint64_t available_bytes = AvailableMemory();
  // "cpu" or "gpu". Where there is no GPU, the program was built without (-DFLUKE_CUDA=ON) or the
  // kind of index is none of a GPU's, that is logged and searches stay on the CPU.
  std::string device = "cpu";
  // Vectors on the GPU take half the memory; results of `Flat` stay exact, more of them are
  // completed on the CPU.
  bool gpu_float16 = false;
};

}  // namespace fluke
