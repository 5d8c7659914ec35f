#include "common/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// The names of one version's files.
struct GroupFiles {
  const char* limit;
  const char* usage;
  const char* cached[2];  // in memory.stat
};
constexpr GroupFiles kVersion1 = {
    "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_active_file", "total_inactive_file"}};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", {"active_file", "inactive_file"}};

// The number in a file that holds nothing else; none for "max".
std::optional<uint64_t> NumberIn(const fs::path& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  if (!(file >> number)) return {};
  return number;
}

// The number after `name` in lines like "name 12" or "name: 12 kB".
std::optional<uint64_t> NumberAfter(std::string_view name, const fs::path& path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    uint64_t number = 0;
    if (words >> first >> number && first == name) return number;
  }
  return {};
}

uint64_t LeftInGroup(const fs::path& group, const GroupFiles& files) {
  const auto limit = NumberIn(group / files.limit);
  if (!limit) return kUnlimited;
  uint64_t used = NumberIn(group / files.usage).value_or(0);
  for (const char* name : files.cached) {
    used -= std::min(used, NumberAfter(name, group / "memory.stat").value_or(0));
  }
  return *limit - std::min(*limit, used);
}

// Of the group and those above it. A container sees its own group as the mount's root, whatever
// path the host has for it.
uint64_t LeftInGroups(const fs::path& mount, fs::path group, const GroupFiles& files) {
  uint64_t left = LeftInGroup(mount, files);
  for (; group.has_relative_path(); group = group.parent_path()) {
    left = std::min(left, LeftInGroup(mount / group.relative_path(), files));
  }
  return left;
}

}  // namespace

uint64_t AvailableMemory(const fs::path& root) {
  uint64_t available = kUnlimited;
  if (const auto kilobytes = NumberAfter("MemAvailable:", root / "proc/meminfo")) {
    available = *kilobytes * 1024;
  }
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    // "0::/path" in version 2, "4:memory,cpu:/path" in version 1.
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    const bool version1 =
        std::find(controllers.begin(), controllers.end(), "memory") != controllers.end();
    if (version1) {
      available =
          std::min(available, LeftInGroups(root / "sys/fs/cgroup/memory", parts[2], kVersion1));
    } else if (parts[0] == "0") {
      available = std::min(available, LeftInGroups(root / "sys/fs/cgroup", parts[2], kVersion2));
    }
  }
  return available;
}

}  // namespace fluke
