#include "index/row_pass.h"

#include <algorithm>
#include <utility>

#include "common/random.h"

namespace fluke {
namespace {

constexpr size_t kGatheredBetween = 1024;  // before pages are given back

}  // namespace

std::vector<int64_t> SampleRows(int64_t rows, int64_t count) {
  std::vector<int64_t> sample;
  const int64_t n = std::min(rows, count);
  for (int64_t i = 0; i < n; ++i) {
    // One of each of n equal stretches, somewhere in it.
    const int64_t begin = i * rows / n, end = (i + 1) * rows / n;
    Random random(RandomKey({static_cast<uint64_t>(i), 0x636f646573}));
    sample.push_back(begin +
                     static_cast<int64_t>(random.Below(static_cast<uint64_t>(end - begin))));
  }
  return sample;
}

std::vector<float> GatherRows(std::span<const float> rows, int64_t dimension,
                              std::span<const int64_t> numbers, const RowsDone& done) {
  std::vector<float> gathered;
  gathered.reserve(numbers.size() * static_cast<size_t>(dimension));
  for (size_t begin = 0; begin < numbers.size(); begin += kGatheredBetween) {
    const auto some = numbers.subspan(begin, std::min(kGatheredBetween, numbers.size() - begin));
    for (const int64_t number : some) {
      const auto row =
          rows.subspan(static_cast<size_t>(number * dimension), static_cast<size_t>(dimension));
      gathered.insert(gathered.end(), row.begin(), row.end());
    }
    done(some.front(), some.back() + 1);
  }
  return gathered;
}

}  // namespace fluke
