// The three measures of likeness, and what a vector must be to be compared by them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fluke {

enum class Similarity { kCosine, kInnerProduct, kL2 };

struct SimilarityRow {
  std::string_view name;
  Similarity similarity;
  std::string_view help;
};

inline constexpr SimilarityRow kSimilarities[] = {
    {"cosine", Similarity::kCosine, "cosine of the angle; vectors and queries are normalised"},
    {"ip", Similarity::kInnerProduct, "inner product of the vectors as they are"},
    {"l2", Similarity::kL2, "negative squared Euclidean distance"},
};

// Throws InvalidArgument with a suggestion for an unknown name.
Similarity ParseSimilarity(std::string_view name);
std::string_view SimilarityName(Similarity similarity);

// "" when the vector can be compared, otherwise what is wrong with it ("value 3 is nan"): it must
// be finite, short enough that no score overflows float32, and for cosine not all zero.
std::string VectorDefect(Similarity similarity, std::span<const float> vector);

// Makes a sound vector what the index keeps and compares: for cosine, unit length. A vector that is
// of unit length already, to float32 rounding, keeps its bits, so that normalising twice changes
// nothing.
void Normalise(Similarity similarity, std::span<float> vector);

}  // namespace fluke
