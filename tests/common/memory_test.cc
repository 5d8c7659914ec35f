#include "common/memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "tests/common/scratch.h"

namespace fluke {
namespace {

class AvailableMemoryTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((scratch_ / path).parent_path());
    std::ofstream(scratch_ / path) << text;
  }
  uint64_t Available() const { return AvailableMemory(scratch_.folder()); }
  Scratch scratch_;
};

TEST_F(AvailableMemoryTest, IsWhatTheKernelSays) {
  Write("proc/meminfo", "MemTotal:       24684104 kB\nMemFree: 5 kB\nMemAvailable:   1000 kB\n");
  EXPECT_EQ(Available(), 1024000u);
}

TEST_F(AvailableMemoryTest, IsUnlimitedWhereNothingIsKnown) {
  EXPECT_EQ(Available(), std::numeric_limits<uint64_t>::max());
}

TEST_F(AvailableMemoryTest, IsWhatTheTightestGroupLeavesWithoutCachedFiles) {
  Write("proc/meminfo", "MemAvailable: 1000 kB\n");
  Write("proc/self/cgroup", "0::/slice/unit\n");
  Write("sys/fs/cgroup/slice/unit/memory.max", "max\n");
  Write("sys/fs/cgroup/slice/unit/memory.current", "700000\n");
  EXPECT_EQ(Available(), 1024000u);
  // 900000 - (700000 - 10000 - 290000)
  Write("sys/fs/cgroup/slice/memory.max", "900000\n");
  Write("sys/fs/cgroup/slice/memory.current", "700000\n");
  Write("sys/fs/cgroup/slice/memory.stat", "anon 5\nactive_file 10000\ninactive_file 290000\n");
  EXPECT_EQ(Available(), 500000u);
  Write("sys/fs/cgroup/slice/unit/memory.max", "600000\n");
  EXPECT_EQ(Available(), 0u);  // more is used than the limit that was lowered
}

TEST_F(AvailableMemoryTest, KnowsTheOlderGroupsAndAContainersOwnRoot) {
  Write("proc/meminfo", "MemAvailable: 1000 kB\n");
  Write("proc/self/cgroup", "5:cpu,memory:/docker/0123\n1:name=systemd:/\n0::/\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "400000\n");
  Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "300000\n");
  Write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 50000\n");
  EXPECT_EQ(Available(), 150000u);
}

TEST(AvailableMemory, OfThisMachineIsLessThanAllOfIt) {
  EXPECT_GT(AvailableMemory(), 1u << 20);
  EXPECT_LT(AvailableMemory(), uint64_t{1} << 50);
}

}  // namespace
}  // namespace fluke
