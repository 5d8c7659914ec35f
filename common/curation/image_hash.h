// Perceptual hashes: 64 bits that change little when a photograph is resized, compressed or
// lightened, so that the number of differing bits (Hamming distance) tells near duplicates.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

#include <opencv2/core/mat.hpp>

namespace fluke {

// rgb: CV_8UC3 (or CV_8UC1) of any size. Bit 63 is the first: row by row from the top left.
struct ImageHashKind {
  std::string_view name;
  uint64_t (*hash)(const cv::Mat& rgb);
  std::string_view help;
};
std::span<const ImageHashKind> ImageHashKinds();

// The 8 x 8 lowest frequencies of the DCT of the grey photograph at 32 x 32, above their median or
// not (Zauner: Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, as the
// Python library imagehash computes it; both resize in their own way).
uint64_t PerceptualHash(const cv::Mat& rgb);

// Whether each pixel of the grey photograph at 9 x 8 is brighter than its left neighbour (Krawetz's
// difference hash, as imagehash's dhash).
uint64_t DifferenceHash(const cv::Mat& rgb);

// No more than noise to tell: its hash would be that of any other such photograph, or none's.
bool IsFlat(const cv::Mat& rgb);

inline int HammingDistance(uint64_t a, uint64_t b) { return std::popcount(a ^ b); }

}  // namespace fluke
