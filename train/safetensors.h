// safetensors files: u64 little-endian header length, JSON header, tensor bytes
// (huggingface/safetensors, format page). Nothing in a file is executed or trusted unchecked.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "train/torch.h"

namespace fluke::train {

// Names in alphabetical order, so that equal contents give equal bytes.
using NamedTensors = std::map<std::string, at::Tensor>;

struct Safetensors {
  NamedTensors tensors;                         // CPU, contiguous
  std::map<std::string, std::string> metadata;  // the header's __metadata__
};

// Atomic and durable (common/files.h). Tensors on another device are copied.
void WriteSafetensors(const std::filesystem::path& path, const Safetensors& contents);

// Throws DataLoss naming the path when the file is damaged: bad lengths, overlapping or
// out-of-range offsets, unknown dtype, shapes that do not match the bytes.
Safetensors ReadSafetensors(const std::filesystem::path& path);

}  // namespace fluke::train
