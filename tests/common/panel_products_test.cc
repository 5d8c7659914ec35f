#include "common/panel_products.h"

#include <vector>

#include <gtest/gtest.h>

#include "common/random.h"

namespace fluke {
namespace {

TEST(PanelProducts, AreTheSumsOfProductsHoweverManyRows) {
  Random random(RandomKey({5, 1}));
  ASSERT_FALSE(PanelProducts().empty());
  ASSERT_LE(PanelProducts().size(), 12u);
  for (const int64_t depth : {0, 1, 7, 64}) {
    const auto most = static_cast<int64_t>(PanelProducts().size());
    std::vector<float> rows(static_cast<size_t>(most * depth)),
        panel(static_cast<size_t>(depth * kPanel));
    for (float& value : rows) value = static_cast<float>(random.Normal());
    for (float& value : panel) value = static_cast<float>(random.Normal());
    const int64_t stride = kPanel + 3;
    std::vector<float> alone(static_cast<size_t>(most * stride), 9);
    for (int64_t r = 0; r < most; ++r) {
      PanelProducts()[0](rows.data() + r * depth, panel.data(), depth, alone.data() + r * stride,
                         stride);
    }
    for (int64_t count = 1; count <= most; ++count) {
      std::vector<float> sums(alone.size(), 9);
      PanelProducts()[static_cast<size_t>(count - 1)](rows.data(), panel.data(), depth, sums.data(),
                                                      stride);
      for (int64_t r = 0; r < most; ++r) {
        for (int64_t c = 0; c < stride; ++c) {
          const auto at = static_cast<size_t>(r * stride + c);
          double expected = r < count && c < kPanel ? 0 : 9;  // nothing else is written
          for (int64_t i = 0; i < depth && r < count && c < kPanel; ++i) {
            expected += static_cast<double>(rows[static_cast<size_t>(r * depth + i)]) *
                        panel[static_cast<size_t>(i * kPanel + c)];
          }
          EXPECT_NEAR(sums[at], expected, 1e-4);
          EXPECT_EQ(sums[at], r < count ? alone[at] : 9);
        }
      }
    }
  }
}

}  // namespace
}  // namespace fluke
