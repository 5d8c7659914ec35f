// PCA and whitening: Jegou and Chum, Negative evidences and co-occurrences in image retrieval: the
// benefit of PCA and whitening, ECCV 2012.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace fluke::ranking {

struct WhiteningBasis {
  int64_t dimension = 0;          // of the vectors
  std::vector<float> mean;        // dimension
  std::vector<float> directions;  // variances.size() x dimension, orthonormal
  std::vector<float> variances;   // falling; directions without any are left out
  std::string fingerprint;        // of the model whose vectors these are; "" = unknown
};

// vectors: n x dimension, n >= 2. From at most 65,536 of them, evenly spread. Throws
// InvalidArgument for fewer, or where all are the same.
WhiteningBasis LearnWhitening(std::span<const float> vectors, int64_t dimension);

// A folder: mean.npy, directions.npy, variances.npy, whitening.json. Reading throws NotFound or
// DataLoss naming the file.
void WriteWhitening(const WhiteningBasis& basis, const std::filesystem::path& folder);
WhiteningBasis ReadWhitening(const std::filesystem::path& folder);

// (x - mean) along the first `count` directions, each divided by variance^(power / 2), at unit
// length. out: count values.
void Whiten(const WhiteningBasis& basis, int64_t count, double power, std::span<const float> x,
            std::span<float> out);

}  // namespace fluke::ranking
