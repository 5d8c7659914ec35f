// The individuals of a gallery by number.
#pragma once

#include <cstdint>
#include <vector>

#include "common/vector_index.h"

namespace fluke::ranking {

struct Identities {
  int32_t count = 0;
  std::vector<int32_t> of_row;  // 0 .. count - 1, -1 = unknown
};

Identities IdentitiesOf(const VectorIndex& index);

}  // namespace fluke::ranking
