// Which descriptors of a gallery are nearest to those of a photograph.
//
// A descriptor is kDescriptorBytes bytes (common/local/key_points.h); distances are squared
// Euclidean ones of the unit vectors they stand for, 0 to 4. Up to kExactDescriptors every one is
// looked at, beyond that those of the nearest lists (FAISS's IVF over bytes).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/local/key_points.h"

namespace faiss {
struct Index;
}

namespace fluke {

inline constexpr int64_t kExactDescriptors = 5'000;

// That an index of so many takes.
uint64_t DescriptorMemoryBytes(int64_t count);

// n x k, nearest first: row i, column j is the (j + 1)-nearest descriptor of query i.
struct NearDescriptors {
  int64_t k = 0;
  std::vector<int64_t> rows;     // -1 (and an infinite distance) where there are no more
  std::vector<float> distances;  // squared
};

// Of the gallery, left out of a search: [begin, end).
struct DescriptorRange {
  int64_t begin = 0, end = 0;
};

// Searches are thread-safe beside one another, but not beside Add.
class DescriptorIndex {
 public:
  // codes: n x kDescriptorBytes, row i is descriptor i. Trains on a sample where there are lists.
  explicit DescriptorIndex(std::span<const uint8_t> codes);
  // As Write left it, of `size` descriptors; `name` stands in errors. Throws DataLoss.
  DescriptorIndex(std::string_view bytes, int64_t size, const std::string& name);
  ~DescriptorIndex();
  DescriptorIndex(const DescriptorIndex&) = delete;
  DescriptorIndex& operator=(const DescriptorIndex&) = delete;

  void Write(const std::filesystem::path& path) const;

  // codes: n x kDescriptorBytes, which become the rows after the last. Lists stay as they were
  // trained.
  void Add(std::span<const uint8_t> codes);

  int64_t size() const;
  int64_t lists() const;  // 0: exact

  // queries: n x kDescriptorBytes. left_out: ascending by begin. nprobe: lists visited, 0 =
  // kDefaultProbes. Searches on all threads.
  NearDescriptors Search(std::span<const uint8_t> queries, int64_t k,
                         std::span<const DescriptorRange> left_out = {}, int nprobe = 0) const;

 private:
  std::unique_ptr<faiss::Index> index_;
};

inline constexpr int kDefaultProbes = 12;

}  // namespace fluke
