// Several examples of what is looked for, and of what it shall not look like, become one query.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/manifest.h"

namespace fluke::serve {

// A query may have so many, `like` and `unlike` together.
inline constexpr int kMaxExamples = 128;

struct Example {
  // An encoded photograph, which must outlive the query; empty: `vector` is the example.
  std::string_view image;
  std::optional<Box> crop;    // of `image`
  std::vector<float> vector;  // for an image filled on the way
};

// 2 mean(like) - mean(unlike), or mean(like) where nothing is unlike (as Qdrant's "average vector"
// recommendations); unit: of the examples' directions, and of unit length itself. All have a
// vector, of one dimension; `like` has at least one. INVALID_ARGUMENT where the examples cancel
// each other out (unit) or their sum is no float.
absl::StatusOr<std::vector<float>> CombineExamples(std::span<const Example> like,
                                                   std::span<const Example> unlike, bool unit);

}  // namespace fluke::serve
