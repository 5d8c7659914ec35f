// How an index is opened for searching.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace fluke {

struct OpenOptions {
  // An index that would not fit is refused before it is read (IndexInfo::memory_bytes). None: what
  // there is when a snapshot is opened (common/memory.h), also by a later compaction.
  std::optional<uint64_t> available_bytes = {};
  // "cpu" or "gpu". Where there is no GPU, the program was built without (-DFLUKE_CUDA=ON) or the
  // kind of index is none of a GPU's, that is logged and searches stay on the CPU.
  std::string device = "cpu";
  // Vectors on the GPU take half the memory; results of `Flat` stay exact, more of them are
  // completed on the CPU.
  bool gpu_float16 = false;
};

}  // namespace fluke
