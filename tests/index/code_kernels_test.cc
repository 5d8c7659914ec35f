#include "index/code_kernels.h"

#include <vector>

#include <gtest/gtest.h>

#include "common/random.h"

namespace fluke {
namespace {

// Groups below and beyond a tile's 16, blocks and queries around the tiles.
constexpr int64_t kGroups[] = {1, 8, 15, 16, 32, 48};
constexpr int64_t kBlocks[] = {1, 2, 3, 8, 9, 64};
constexpr int64_t kQueries[] = {1, 2, 5, 7, 8, 15, 16, 17, 40};

struct Operands {
  std::vector<uint8_t> codes;
  std::vector<int8_t> queries;
};

// extreme: only the largest and smallest values, which overflow first.
Operands RandomOperands(int64_t blocks, int64_t groups, int64_t queries, int limit, bool extreme) {
  Random random(RandomKey({static_cast<uint64_t>(blocks * 1000 + groups), 5}));
  Operands operands;
  operands.codes.resize(static_cast<size_t>(blocks * groups * kCodeLineBytes));
  operands.queries.resize(static_cast<size_t>(queries * groups * 4));
  for (uint8_t& code : operands.codes) {
    code = static_cast<uint8_t>(extreme ? (random.Below(4) == 0 ? 0 : 255) : random.Below(256));
  }
  for (int8_t& value : operands.queries) {
    const int drawn =
        extreme ? (random.Below(4) == 0 ? -limit : limit)
                : static_cast<int>(random.Below(static_cast<uint64_t>(2 * limit + 1))) - limit;
    value = static_cast<int8_t>(drawn);
  }
  return operands;
}

// Row r of block b, component i: line i / 4, byte 4 r + i % 4.
int32_t NaiveDot(const Operands& operands, int64_t groups, int64_t q, int64_t row) {
  const uint8_t* block = operands.codes.data() + row / kCodeBlockRows * groups * kCodeLineBytes;
  int32_t sum = 0;
  for (int64_t i = 0; i < 4 * groups; ++i) {
    sum += block[i / 4 * kCodeLineBytes + row % kCodeBlockRows * 4 + i % 4] *
           operands.queries[static_cast<size_t>(q * 4 * groups + i)];
  }
  return sum;
}

class CodeKernelTest : public ::testing::TestWithParam<bool> {};

TEST_P(CodeKernelTest, IsExactForEveryShape) {
  for (const CodeKernel& kernel : CodeKernels()) {
    if (!kernel.supported()) continue;
    for (const int64_t groups : kGroups) {
      for (const int64_t blocks : kBlocks) {
        for (const int64_t queries : kQueries) {
          const Operands operands =
              RandomOperands(blocks, groups, queries, kernel.query_limit, GetParam());
          const int64_t rows = blocks * kCodeBlockRows;
          std::vector<int32_t> dots(static_cast<size_t>(queries * rows), -1);
          kernel.dots(operands.codes.data(), blocks, groups, operands.queries.data(), queries,
                      dots.data());
          for (int64_t q = 0; q < queries; ++q) {
            for (int64_t row = 0; row < rows; row += 1 + rows / 40) {
              ASSERT_EQ(dots[static_cast<size_t>(q * rows + row)],
                        NaiveDot(operands, groups, q, row))
                  << kernel.name << ": " << groups << " groups, " << blocks << " blocks, "
                  << queries << " queries; query " << q << ", row " << row;
            }
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Values, CodeKernelTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Extreme" : "AllOver"; });

}  // namespace
}  // namespace fluke
