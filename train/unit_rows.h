// Rows scaled to length 1, as every embedding is compared.
#pragma once

#include "train/torch.h"

namespace fluke::train {

// x: N x D -> N x D; a zero row stays zero (torch.nn.functional.normalize's rule).
inline at::Tensor UnitRows(const at::Tensor& x) { return x / x.norm(2, 1, true).clamp_min(1e-12); }

}  // namespace fluke::train
