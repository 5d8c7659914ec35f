// Many strings at the price of their characters and some four bytes each, and a hash that finds
// them without a copy.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace fluke {

// Strings end to end in one block, numbered in the order of their coming.
class StringArena {
 public:
  size_t size() const { return starts_.size() - 1; }
  std::string_view operator[](size_t number) const {
    const uint64_t begin = Start(number);
    return {characters_.data() + begin, static_cast<size_t>(Start(number + 1) - begin)};
  }

  void Append(std::string_view text);  // throws InvalidArgument beyond kMostBytes
  void ShrinkToFit();
  uint64_t memory_bytes() const;

  // So that the starts of a block's strings are 32-bit numbers.
  static constexpr size_t kBlock = 64;
  static constexpr size_t kMostBytes = std::numeric_limits<uint32_t>::max() / kBlock;

 private:
  uint64_t Start(size_t number) const { return blocks_[number / kBlock] + starts_[number]; }

  std::vector<char> characters_;
  std::vector<uint64_t> blocks_ = {0};  // where each kBlock strings start
  std::vector<uint32_t> starts_ = {0};  // from its block's, one a string and one for the end
};

// Finds the strings of an arena by open addressing; the caller gives the same arena in each call.
class StringIndex {
 public:
  std::optional<uint32_t> Find(const StringArena& strings, std::string_view text) const;
  // The number of `text`, which is appended where it is new.
  uint32_t FindOrAppend(StringArena& strings, std::string_view text);
  uint64_t memory_bytes() const { return slots_.capacity() * sizeof(slots_[0]); }

 private:
  // That of `text`, or the empty one where it belongs. There must be an empty one.
  size_t Slot(const StringArena& strings, std::string_view text) const;
  void Grow(const StringArena& strings);

  std::vector<uint32_t> slots_;  // a power of two; a string's number + 1, or 0: empty
};

}  // namespace fluke
