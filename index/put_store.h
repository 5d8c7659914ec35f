// Items and vectors that wait for a commit, in the order in which they came. Beyond a bound they
// stand in files without names (common/files.h) and are mapped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/files.h"
#include "common/item.h"

namespace fluke {

// How much may wait in memory, and where the rest goes (ScratchFile's path).
struct PutMemory {
  uint64_t most_bytes = std::numeric_limits<uint64_t>::max();
  std::filesystem::path spill_file = {};
};

// Movable; not thread-safe.
class PutStore {
 public:
  PutStore(int64_t dimension, PutMemory memory);

  // vector: dimension. Throws ResourceExhausted, naming the file, on a full disk; nothing is lost
  // or added then.
  void Add(const Item& item, std::span<const float> vector);

  size_t size() const { return item_begins_.size(); }
  Item item(size_t i) const;
  std::span<const float> vector(size_t i) const;  // valid until the next Add
  // Gives back the mapped pages that were used so far.
  void Release() const;

 private:
  struct Spilled {
    ScratchFile items, vectors;
    MappedFile mapped_items = {}, mapped_vectors = {};
  };

  uint64_t spilled_item_bytes() const {
    return spilled_ ? spilled_->mapped_items.bytes().size() : 0;
  }
  void Spill();

  size_t dimension_;
  PutMemory memory_;
  std::vector<uint64_t> item_begins_;  // in bytes, spilled ones first
  std::string items_;                  // those after the spilled ones, encoded
  std::vector<float> vectors_;
  size_t spilled_count_ = 0;
  std::optional<Spilled> spilled_;
};

}  // namespace fluke
