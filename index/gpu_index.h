// A copy of an index on a GPU, by FAISS's GPU half (-DFLUKE_CUDA=ON).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "index/approximate_index.h"
#include "index/open_options.h"
#include "index/proposer.h"
#include "index/similarity.h"

namespace fluke {

// Rows of a Flat index, or (where `candidates` is not null) an IVF index. Null, and a warning,
// where there is no GPU for it, or none that it fits into.
std::unique_ptr<const Proposer> CopyToGpu(Similarity similarity, std::span<const float> rows,
                                          int64_t dimension, const ApproximateIndex* candidates,
                                          const OpenOptions& options);

}  // namespace fluke
