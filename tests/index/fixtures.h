// What the tests of the index room share: data, folders and a search that is too plain to be wrong.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/error.h"
#include "common/random.h"
#include "index/reader.h"
#include "index/similarity.h"
#include "index/writer.h"

namespace fluke::testing {

// An empty folder of the running test's own, removed with the object.
class TestFolder {
 public:
  TestFolder() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("fluke_") + test->test_suite_name() + "_" + test->name();
    std::replace(name.begin(), name.end(), '/', '_');
    path_ = std::filesystem::path(::testing::TempDir()) / name;
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::vector<float> RandomVectors(int64_t count, int64_t dimension, uint64_t seed) {
  Random random(RandomKey({seed, 17}));
  std::vector<float> values(static_cast<size_t>(count * dimension));
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

// Noisy copies of `clusters` directions, as embeddings of so many individuals are.
inline std::vector<float> ClusteredVectors(int64_t count, int64_t dimension, int64_t clusters,
                                           uint64_t seed) {
  const std::vector<float> centres = RandomVectors(clusters, dimension, seed);
  std::vector<float> values = RandomVectors(count, dimension, seed + 1);
  for (int64_t i = 0; i < count; ++i) {
    const float* centre = centres.data() + i % clusters * dimension;
    for (int64_t j = 0; j < dimension; ++j) {
      float& value = values[static_cast<size_t>(i * dimension + j)];
      value = centre[j] + 0.4f * value;
    }
  }
  return values;
}

inline std::string IdOf(int64_t i) { return StrCat("photo", i); }

inline std::vector<Item> NumberedItems(int64_t count, int64_t first = 0) {
  std::vector<Item> items;
  for (int64_t i = first; i < first + count; ++i) {
    items.push_back({.id = IdOf(i),
                     .identity = StrCat("whale", i % 7),
                     .path = IdOf(i) + ".jpg",
                     .metadata = {{"camera", StrCat("c", i % 2)}}});
  }
  return items;
}

inline Item ItemCalled(const std::string& id) {
  return {.id = id, .identity = "", .path = "", .metadata = {}};
}

// An index of those vectors, items numbered from 0.
inline std::unique_ptr<VectorIndex> MakeIndex(const std::filesystem::path& folder,
                                              const IndexOptions& options,
                                              const std::vector<float>& vectors) {
  const auto writer = CreateIndex(folder, options);
  writer->Add(NumberedItems(static_cast<int64_t>(vectors.size()) / options.dimension), vectors);
  writer->Commit();
  return OpenIndex(folder);
}

// Scores in double precision, a stable sort, nothing else.
inline std::vector<Neighbor> NaiveSearch(Similarity similarity, std::span<const float> query,
                                         const std::vector<float>& vectors, int k,
                                         int64_t excluded = -1) {
  struct Scored {
    int64_t row;
    double score;
  };
  const size_t d = query.size();
  std::vector<Scored> scored;
  for (size_t row = 0; row < vectors.size() / d; ++row) {
    if (static_cast<int64_t>(row) == excluded) continue;
    double dot = 0, query_norm = 0, row_norm = 0, distance = 0;
    for (size_t j = 0; j < d; ++j) {
      const double a = query[j], b = vectors[row * d + j];
      dot += a * b;
      query_norm += a * a;
      row_norm += b * b;
      distance += (a - b) * (a - b);
    }
    const double score = similarity == Similarity::kCosine ? dot / std::sqrt(query_norm * row_norm)
                         : similarity == Similarity::kL2   ? -distance
                                                           : dot;
    scored.push_back({static_cast<int64_t>(row), score});
  }
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });
  std::vector<Neighbor> best;
  for (size_t i = 0; i < std::min(scored.size(), static_cast<size_t>(k)); ++i) {
    best.push_back({.row = scored[i].row, .score = static_cast<float>(scored[i].score)});
  }
  return best;
}

// Share of the naive search's neighbours that `index` finds.
inline double Recall(const VectorIndex& index, Similarity similarity,
                     const std::vector<float>& queries, const std::vector<float>& vectors,
                     const SearchOptions& options) {
  const size_t d = static_cast<size_t>(index.Describe().dimension);
  const auto results = index.Search(queries, options);
  int64_t found = 0, wanted = 0;
  for (size_t q = 0; q < results.size(); ++q) {
    for (const Neighbor& truth :
         NaiveSearch(similarity, std::span(queries).subspan(q * d, d), vectors, options.k)) {
      ++wanted;
      found += std::any_of(results[q].begin(), results[q].end(),
                           [&](const Neighbor& got) { return got.row == truth.row; });
    }
  }
  return static_cast<double>(found) / static_cast<double>(wanted);
}

inline std::vector<int64_t> Rows(const std::vector<Neighbor>& neighbors) {
  std::vector<int64_t> rows;
  for (const Neighbor& neighbor : neighbors) rows.push_back(neighbor.row);
  return rows;
}

inline std::string ReadBytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void WriteBytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The error that `action` throws must have this code and name each of these.
template <typename Action>
void ExpectError(absl::StatusCode code, const std::vector<std::string>& named, Action action) {
  try {
    action();
    ADD_FAILURE() << "no error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string& part : named) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "'" << part << "' is not in: " << error.what();
    }
  }
}

}  // namespace fluke::testing
