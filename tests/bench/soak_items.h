// What a caller of the soak test knows of its items: the state that was acknowledged last, and
// whether a change was under way when the server died.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "fluke/v1/retrieval.pb.h"

namespace fluke {

// An item is drawn from the number of its caller, its place and its version: nothing is kept but
// those. Version 0: it is not in the gallery.
struct SoakState {
  uint32_t vector = 0;  // version of the vector
  uint32_t words = 0;   // version of identity and metadata
  bool from_photograph = false;
  friend bool operator==(const SoakState&, const SoakState&) = default;
};

struct SoakSlot {
  SoakState acknowledged;
  std::optional<SoakState> unanswered;  // the change's outcome is not known: either may hold
};

inline std::vector<float> SoakVector(int dimension, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vector(static_cast<size_t>(dimension));
  float sum = 0;
  for (float& value : vector) {
    value = normal(random);
    sum += value * value;
  }
  for (float& value : vector) value /= std::sqrt(sum);
  return vector;
}

class SoakItems {
 public:
  SoakItems(int caller, int dimension, int slots)
      : caller_(caller), dimension_(dimension), slots_(static_cast<size_t>(slots)) {}

  size_t size() const { return slots_.size(); }
  SoakSlot& operator[](size_t slot) { return slots_[slot]; }
  const SoakSlot& operator[](size_t slot) const { return slots_[slot]; }

  std::string Id(size_t slot) const {
    return "c" + std::to_string(caller_) + "-" + std::to_string(slot);
  }
  std::vector<float> Vector(size_t slot, const SoakState& state) const {
    return SoakVector(dimension_, (static_cast<uint64_t>(caller_ + 1) << 52) ^
                                      (static_cast<uint64_t>(slot) << 32) ^ state.vector);
  }
  v1::GalleryItem Words(size_t slot, const SoakState& state) const {
    v1::GalleryItem item;
    item.set_id(Id(slot));
    item.set_identity("of " + std::to_string(caller_) + " v" + std::to_string(state.words));
    item.set_path(Id(slot) + ".jpg");
    (*item.mutable_metadata())["owner"] = "c" + std::to_string(caller_);
    (*item.mutable_metadata())["version"] = std::to_string(state.words);
    return item;
  }

  // Whether an entry of the gallery (null: it has none) is what `state` says.
  bool Agrees(size_t slot, const SoakState& state, const v1::StoredEntry* entry) const {
    if (state.vector == 0) return entry == nullptr;
    if (entry == nullptr || entry->vector().values_size() != dimension_) return false;
    const v1::GalleryItem words = Words(slot, state);
    const v1::GalleryItem& item = entry->item();
    if (item.identity() != words.identity() || item.path() != words.path() ||
        item.metadata_size() != words.metadata_size()) {
      return false;
    }
    for (const auto& [key, value] : words.metadata()) {
      const auto found = item.metadata().find(key);
      if (found == item.metadata().end() || found->second != value) return false;
    }
    if (state.from_photograph) return true;  // the model's vector is not known here
    const std::vector<float> vector = Vector(slot, state);
    for (int i = 0; i < dimension_; ++i) {
      if (std::abs(vector[static_cast<size_t>(i)] - entry->vector().values(i)) > 1e-5f)
        return false;
    }
    return true;
  }

 private:
  const int caller_;
  const int dimension_;
  std::vector<SoakSlot> slots_;
};

}  // namespace fluke
