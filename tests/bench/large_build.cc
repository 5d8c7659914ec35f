// Makes and indexes embeddings that are larger than memory should hold (large_build.py).
//
//   large_build_bench make FOLDER COUNT DIMENSION       an embeddings folder of clustered vectors
//   large_build_bench build FOLDER INDEX FACTORY        as `fluke index build` does
#include <algorithm>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "common/embeddings.h"
#include "common/error.h"
#include "common/files.h"
#include "common/npy.h"
#include "common/random.h"
#include "index/writer.h"

namespace fluke {
namespace {

constexpr int64_t kBlockRows = 4096;
constexpr int64_t kRowsPerIdentity = 40;  // photographs of it
constexpr int64_t kLatent = 32;           // dimensions that individuals differ in
constexpr float kNoise = 0.25f;

// Uniform numbers of variance one: cheaper than normal ones and as good here.
float Draw(Random& random) {
  return static_cast<float>((random.Uniform() - 0.5) * std::sqrt(12.0));
}

// Unit vectors: an individual's place in a few dimensions, spread over all of them, and noise.
class Vectors {
 public:
  Vectors(int64_t count, int64_t dimension)
      : dimension_(dimension), identities_(std::max<int64_t>(1, count / kRowsPerIdentity)) {
    Random random(RandomKey({1}));
    for (int64_t i = 0; i < kLatent * dimension; ++i) spread_.push_back(Draw(random));
  }

  int64_t Identity(int64_t row) const { return row % identities_; }

  void Append(int64_t row, std::vector<float>& block) const {
    std::vector<float> vector(static_cast<size_t>(dimension_));
    Random place(RandomKey({2, static_cast<uint64_t>(Identity(row))}));
    Random noise(RandomKey({3, static_cast<uint64_t>(row)}));
    for (int64_t i = 0; i < kLatent; ++i) {
      const float along = Draw(place) + kNoise * Draw(noise);
      for (int64_t j = 0; j < dimension_; ++j) vector[j] += along * spread_[i * dimension_ + j];
    }
    float squares = 0;
    for (float& value : vector) {
      value += kNoise * Draw(noise);
      squares += value * value;
    }
    for (float& value : vector) value /= std::sqrt(squares);
    block.insert(block.end(), vector.begin(), vector.end());
  }

 private:
  int64_t dimension_, identities_;
  std::vector<float> spread_;  // kLatent x dimension
};

void Make(const std::filesystem::path& folder, int64_t count, int64_t dimension) {
  std::filesystem::create_directories(folder);
  const Vectors vectors(count, dimension);
  NpyWriter npy(folder / "embeddings.npy", dimension);
  AtomicFile items(folder / "items.csv");
  items.Append("id,identity,path\n");
  for (int64_t first = 0; first < count; first += kBlockRows) {
    const int64_t last = std::min(first + kBlockRows, count);
    std::vector<float> block;
    std::string lines;
    for (int64_t row = first; row < last; ++row) {
      vectors.Append(row, block);
      lines += StrCat("p/", row, ".jpg,", vectors.Identity(row), ",p/", row, ".jpg\n");
    }
    npy.Append(block);
    items.Append(lines);
  }
  npy.Commit();
  items.Commit();
}

void Build(const std::filesystem::path& folder, const std::filesystem::path& index,
           const std::string& factory) {
  const MappedEmbeddings embeddings(folder);
  const auto writer = CreateIndex(index, {.factory = factory, .dimension = embeddings.dimension()});
  embeddings.ForEachBlock([&](const std::vector<Item>& items, std::span<const float> vectors) {
    writer->Add(items, vectors);
  });
  writer->Commit();
}

}  // namespace
}  // namespace fluke

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() == 4 && words[0] == "make") {
      fluke::Make(words[1], std::stoll(words[2]), std::stoll(words[3]));
    } else if (words.size() == 4 && words[0] == "build") {
      fluke::Build(words[1], words[2], words[3]);
    } else {
      std::cerr << "usage: " << argv[0]
                << " make FOLDER COUNT DIMENSION | build FOLDER INDEX FACTORY\n";
      return 2;
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
