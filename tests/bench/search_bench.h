// What the programs that time searches share.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "common/npy.h"
#include "index/writer.h"

namespace fluke {

inline constexpr int kTop = 20;

inline double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline double MedianMs(int64_t times, const std::function<void(int64_t)>& call) {
  for (int64_t i = 0; i < 10; ++i) call(i);
  std::vector<double> taken;
  for (int64_t i = 0; i < times; ++i) {
    const double begin = Seconds();
    call(i);
    taken.push_back(1e3 * (Seconds() - begin));
  }
  std::nth_element(taken.begin(), taken.begin() + times / 2, taken.end());
  return taken[static_cast<size_t>(times / 2)];
}

// The best of some calls, for about so many seconds.
inline double BestSeconds(const std::function<void()>& call, double for_seconds = 3) {
  call();
  double best = 1e30;
  for (const double end = Seconds() + for_seconds; Seconds() < end;) {
    const double begin = Seconds();
    call();
    best = std::min(best, Seconds() - begin);
  }
  return best;
}

// Seconds to build an index of the rows from nothing.
inline double BuildIndex(const std::filesystem::path& folder, const IndexOptions& options,
                         const MappedNpy& base) {
  std::filesystem::remove_all(folder);
  const double begin = Seconds();
  const auto writer = CreateIndex(folder, options);
  constexpr int64_t kBlock = 10000;
  for (int64_t first = 0; first < base.rows(); first += kBlock) {
    const int64_t count = std::min(kBlock, base.rows() - first);
    std::vector<Item> items;
    for (int64_t i = first; i < first + count; ++i) {
      items.push_back({.id = std::to_string(i), .identity = "", .path = "", .metadata = {}});
    }
    writer->Add(items, base.values().subspan(static_cast<size_t>(first * base.cols()),
                                             static_cast<size_t>(count * base.cols())));
  }
  writer->Commit();
  return Seconds() - begin;
}

// int32 row numbers of the kTop neighbours of every query.
inline void WriteFound(const std::filesystem::path& path, const VectorIndex& index,
                       const MappedNpy& queries) {
  std::ofstream file(path, std::ios::binary);
  for (const auto& neighbors : index.Search(queries.values(), {.k = kTop})) {
    for (const Neighbor& neighbor : neighbors) {
      const auto row = static_cast<int32_t>(neighbor.row);
      file.write(reinterpret_cast<const char*>(&row), sizeof(row));
    }
  }
}

}  // namespace fluke
