// Counter-based randomness: every draw is a pure function of a key, so that results depend on the
// seed alone, never on the number of workers or on where a run was resumed.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <utility>

namespace fluke {

// SplitMix64's finaliser (Steele, Lea, Flood 2014).
inline uint64_t MixBits(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// A key from several numbers: RandomKey({seed, epoch, position}).
inline uint64_t RandomKey(std::initializer_list<uint64_t> parts) {
  uint64_t key = 0x243f6a8885a308d3u;
  for (uint64_t part : parts) key = MixBits(key ^ part);
  return key;
}

// A small generator (SplitMix64) seeded by a key; the same everywhere, unlike the std::
// distributions.
class Random {
 public:
  explicit Random(uint64_t key) : state_(key) {}
  uint64_t Bits() { return MixBits(state_++ * 0x9e3779b97f4a7c15u); }
  // [0, 1), 53 bits.
  double Uniform() { return static_cast<double>(Bits() >> 11) * 0x1.0p-53; }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  // 0 <= result < n; n >= 1.
  uint64_t Below(uint64_t n) {
    return static_cast<uint64_t>(static_cast<__uint128_t>(Bits()) * n >> 64);
  }
  bool Chance(double p) { return Uniform() < p; }
  // Standard normal (Box-Muller, one of the pair).
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    return radius * std::cos(6.283185307179586 * Uniform());
  }
  template <typename Iterator>
  void Shuffle(Iterator first, Iterator last) {
    for (auto n = last - first; n > 1; --n)
      std::swap(first[n - 1], first[Below(static_cast<uint64_t>(n))]);
  }

 private:
  uint64_t state_;
};

}  // namespace fluke
