#include "index/ranking/parts.h"

#include "common/error.h"

namespace fluke::ranking {

std::vector<Part> PartsOf(const google::protobuf::RepeatedPtrField<v1::EmbeddingPart>& settings,
                          int64_t dimension) {
  std::vector<Part> parts;
  int64_t end = 0;
  double weights = 0;
  for (const v1::EmbeddingPart& part : settings) {
    parts.push_back({.begin = end, .dimension = part.dimension(), .weight = part.weight()});
    end += part.dimension();
    weights += part.weight();
  }
  if (parts.empty()) InvalidArgument("no parts: each model's dimension is needed");
  if (end != dimension) {
    InvalidArgument("the parts have ", end, " dimensions together, the vectors have ", dimension);
  }
  if (!(weights > 0)) InvalidArgument("all parts have the weight 0");
  return parts;
}

}  // namespace fluke::ranking
