// The first batch of each size costs a model more than those that follow: its memory, its kernels.
#pragma once

#include <vector>

#include "common/embedder.h"
#include "fluke/v1/config.pb.h"
#include "serve/collections/served_index.h"

namespace fluke::serve {

// Sizes of the batches that the pipeline will make, ascending; none where `warm_up` is off.
std::vector<int> WarmUpSizes(const v1::Batching& batching);

// A batch of grey pictures of each size. Throws what the model throws.
void WarmUp(const Embedder& embedder, const std::vector<int>& sizes);

// One search from one of its items, so that what it needs is in memory.
void Touch(const ServedIndex& served);

}  // namespace fluke::serve
