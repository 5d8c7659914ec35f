// The order of an epoch: which photographs stand in which batch. Pure functions of (labels, key),
// so that an epoch can be entered anywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fluke::train {

struct SamplerContext {
  std::span<const int64_t> labels;  // one a photograph, 0 .. classes - 1
  int64_t batch_size = 0;
  int64_t photos_per_identity = 0;  // K of P x K
  uint64_t key = 0;                 // of (seed, epoch)
};

struct SamplerRow {
  std::string_view name;
  // Photograph numbers, batch after batch: floor(photographs / batch_size) whole batches. Throws
  // InvalidArgument when the labels do not allow it.
  std::vector<int64_t> (*order)(const SamplerContext& context);
  std::string_view help;
};

std::span<const SamplerRow> Samplers();

}  // namespace fluke::train
