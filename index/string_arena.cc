#include "index/string_arena.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "common/error.h"

namespace fluke {
namespace {

constexpr size_t kFirstSlots = 16;

size_t HashOf(std::string_view text) { return absl::Hash<absl::string_view>()(AbslView(text)); }

}  // namespace

void StringArena::Append(std::string_view text) {
  if (text.size() > kMostBytes) {
    InvalidArgument("a value of ", text.size(), " bytes, expected at most ", kMostBytes);
  }
  if (starts_.size() == std::numeric_limits<uint32_t>::max()) {
    Throw(absl::StatusCode::kResourceExhausted, "more than ", size(), " values");
  }
  characters_.insert(characters_.end(), text.begin(), text.end());
  if (starts_.size() % kBlock == 0) blocks_.push_back(characters_.size());
  starts_.push_back(static_cast<uint32_t>(characters_.size() - blocks_.back()));
}

void StringArena::ShrinkToFit() {
  characters_.shrink_to_fit();
  blocks_.shrink_to_fit();
  starts_.shrink_to_fit();
}

uint64_t StringArena::memory_bytes() const {
  return characters_.capacity() + blocks_.capacity() * sizeof(blocks_[0]) +
         starts_.capacity() * sizeof(starts_[0]);
}

std::optional<uint32_t> StringIndex::Find(const StringArena& strings, std::string_view text) const {
  if (slots_.empty()) return {};
  const uint32_t held = slots_[Slot(strings, text)];
  if (held == 0) return {};
  return held - 1;
}

uint32_t StringIndex::FindOrAppend(StringArena& strings, std::string_view text) {
  // At most two thirds full.
  if (3 * (strings.size() + 1) > 2 * slots_.size()) Grow(strings);
  uint32_t& held = slots_[Slot(strings, text)];
  if (held == 0) {
    strings.Append(text);
    held = static_cast<uint32_t>(strings.size());
  }
  return held - 1;
}

size_t StringIndex::Slot(const StringArena& strings, std::string_view text) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = HashOf(text) & mask;
  while (slots_[slot] != 0 && strings[slots_[slot] - 1] != text) slot = (slot + 1) & mask;
  return slot;
}

void StringIndex::Grow(const StringArena& strings) {
  slots_ = std::vector<uint32_t>(std::max(kFirstSlots, 2 * slots_.size()));
  const size_t mask = slots_.size() - 1;
  for (size_t number = 0; number < strings.size(); ++number) {
    size_t slot = HashOf(strings[number]) & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<uint32_t>(number + 1);
  }
}

}  // namespace fluke
