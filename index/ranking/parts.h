// A concatenated embedding taken apart: which stretch is which model's.
#pragma once

#include <cstdint>
#include <vector>

#include "fluke/v1/config.pb.h"

namespace fluke::ranking {

struct Part {
  int64_t begin = 0;
  int64_t dimension = 0;
  double weight = 1;
};

// Throws InvalidArgument unless there is one at least, their dimensions add up to
// `dimension` and a weight is positive.
std::vector<Part> PartsOf(const google::protobuf::RepeatedPtrField<v1::EmbeddingPart>& settings,
                          int64_t dimension);

}  // namespace fluke::ranking
