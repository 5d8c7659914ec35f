#include "common/curation/hamming_search.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "common/curation/image_hash.h"
#include "common/error.h"

namespace fluke {
namespace {

constexpr int kCodeBits = 64;
constexpr int kMinPieceBits = 8, kMaxPieceBits = 22;  // the table of a piece has 2^bits heads

struct Piece {
  int shift = 0, bits = 0;
  uint64_t Of(uint64_t code) const { return code >> shift & ((uint64_t{1} << bits) - 1); }
};

std::vector<Piece> CutIntoPieces(size_t codes, int radius) {
  const int wanted_bits = std::clamp(static_cast<int>(std::log2(static_cast<double>(codes) + 1)),
                                     kMinPieceBits, kMaxPieceBits);
  // More pieces than radius + 1 would be looked at for nothing.
  int count = std::min(kCodeBits / wanted_bits, radius + 1);
  count = std::max(count, (kCodeBits + kMaxPieceBits - 1) / kMaxPieceBits);
  std::vector<Piece> pieces;
  for (int i = 0; i < count; ++i) {
    const int begin = kCodeBits * i / count, end = kCodeBits * (i + 1) / count;
    pieces.push_back({begin, end - begin});
  }
  return pieces;
}

// Codes by the value of one piece: numbers sorted by it, and where each value begins.
struct Buckets {
  std::vector<uint32_t> begin;  // 2^bits + 1
  std::vector<uint32_t> members;
};

Buckets Fill(std::span<const uint64_t> codes, const Piece& piece) {
  Buckets buckets;
  buckets.begin.assign((size_t{1} << piece.bits) + 1, 0);
  for (uint64_t code : codes) ++buckets.begin[piece.Of(code) + 1];
  for (size_t i = 1; i < buckets.begin.size(); ++i) buckets.begin[i] += buckets.begin[i - 1];
  buckets.members.resize(codes.size());
  std::vector<uint32_t> next(buckets.begin.begin(), buckets.begin.end() - 1);
  for (size_t i = 0; i < codes.size(); ++i)
    buckets.members[next[piece.Of(codes[i])]++] = static_cast<uint32_t>(i);
  return buckets;
}

// Calls visit(mask) for every mask of `bits` bits with at most `ones` set.
template <typename Visit>
void ForEachMask(int bits, int ones, const Visit& visit, int first = 0, uint64_t mask = 0) {
  visit(mask);
  if (ones == 0) return;
  for (int bit = first; bit < bits; ++bit)
    ForEachMask(bits, ones - 1, visit, bit + 1, mask | uint64_t{1} << bit);
}

}  // namespace

void ForEachNearPair(std::span<const uint64_t> codes, int radius,
                     const std::function<void(size_t i, size_t j, int distance)>& found) {
  if (radius < 0 || radius > kCodeBits / 2)
    InvalidArgument("Hamming radius ", radius, "; expected 0 to ", kCodeBits / 2);
  if (codes.size() >= uint64_t{1} << 32) InvalidArgument(codes.size(), " codes are too many");
  const std::vector<Piece> pieces = CutIntoPieces(codes.size(), radius);
  const int piece_radius = radius / static_cast<int>(pieces.size());
  std::vector<uint64_t> masks;
  for (size_t p = 0; p < pieces.size(); ++p) {
    const Buckets buckets = Fill(codes, pieces[p]);
    masks.clear();
    ForEachMask(pieces[p].bits, piece_radius, [&](uint64_t mask) { masks.push_back(mask); });
    // A pair that an earlier piece has found is not told again.
    const auto told = [&](uint64_t difference) {
      for (size_t earlier = 0; earlier < p; ++earlier) {
        if (std::popcount(pieces[earlier].Of(difference)) <= piece_radius) return true;
      }
      return false;
    };
    for (size_t i = 0; i < codes.size(); ++i) {
      const uint64_t value = pieces[p].Of(codes[i]);
      for (uint64_t mask : masks) {
        const uint32_t end = buckets.begin[(value ^ mask) + 1];
        // Members of a bucket rise, so that those after i are its end.
        for (uint32_t at = end; at > buckets.begin[value ^ mask] && buckets.members[at - 1] > i;
             --at) {
          const size_t j = buckets.members[at - 1];
          const uint64_t difference = codes[i] ^ codes[j];
          const int distance = std::popcount(difference);
          if (distance <= radius && !told(difference)) found(i, j, distance);
        }
      }
    }
  }
}

}  // namespace fluke
