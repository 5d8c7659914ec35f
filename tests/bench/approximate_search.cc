// Times an approximate search on vectors that a script made (approximate_search.py): recall@20 and
// queries a second as tuned at the commit and, where a curve is asked for, over nprobe. Prints one
// JSON line.
//
//   approximate_search_bench BASE.npy QUERIES.npy cosine|ip|l2 INDEX_FOLDER PRESET curve|tuned
//                            THREADS...
//
// PRESET: of IndexPresets(), or a factory string.
#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "common/npy.h"
#include "index/factory.h"
#include "index/reader.h"
#include "tests/bench/search_bench.h"

namespace fluke {
namespace {

constexpr int kProbes[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};

double Recall(const std::vector<std::vector<Neighbor>>& found,
              const std::vector<std::vector<Neighbor>>& truth) {
  int64_t hits = 0, wanted = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    wanted += static_cast<int64_t>(truth[q].size());
    for (const Neighbor& t : truth[q]) {
      hits += std::any_of(found[q].begin(), found[q].end(),
                          [&](const Neighbor& f) { return f.row == t.row; });
    }
  }
  return static_cast<double>(hits) / static_cast<double>(wanted);
}

std::string FactoryOf(const std::string& preset, const MappedNpy& base) {
  for (const IndexPreset& known : IndexPresets()) {
    if (known.name == preset) return known.factory(base.cols(), base.rows());
  }
  return preset;
}

void Run(const MappedNpy& base, const MappedNpy& queries, const std::string& metric,
         const std::string& folder, const std::string& factory, bool curve,
         const std::vector<int>& threads) {
  const double exact_s = BuildIndex(folder, {.metric = metric, .dimension = base.cols()}, base);
  const auto truth = OpenIndex(folder)->Search(queries.values(), {.k = kTop});
  const double build_s =
      BuildIndex(folder, {.factory = factory, .metric = metric, .dimension = base.cols()}, base);
  const auto index = OpenIndex(folder);
  std::printf(
      "{\"factory\": \"%s\", \"build_s\": %.2f, \"exact_build_s\": %.2f, \"bytes_per_vector\": "
      "%.1f",
      factory.c_str(), build_s, exact_s,
      static_cast<double>(index->Describe().bytes) / static_cast<double>(base.rows()));
  const auto point = [&](const SearchOptions& options) {
    std::printf("\"recall_at_20\": %.4f", Recall(index->Search(queries.values(), options), truth));
    for (const int count : threads) {
      omp_set_num_threads(count);
      const auto d = static_cast<size_t>(base.cols());
      const double ms = MedianMs(300, [&](int64_t i) {
        index->Search(queries.values().subspan(static_cast<size_t>(i % queries.rows()) * d, d),
                      options);
      });
      const double seconds = BestSeconds([&] { index->Search(queries.values(), options); });
      std::printf(", \"nq1_ms_%dt\": %.4f, \"q_per_s_%dt\": %.1f", count, ms, count,
                  static_cast<double>(queries.rows()) / seconds);
    }
  };
  std::printf(", \"tuned\": {");
  point({.k = kTop});
  std::printf("}, \"curve\": [");
  for (const int nprobe : kProbes) {
    if (!curve) break;
    std::printf("%s{\"nprobe\": %d, ", nprobe == 1 ? "" : ", ", nprobe);
    point({.k = kTop, .nprobe = nprobe});
    std::printf("}");
  }
  std::printf("]}\n");
}

}  // namespace
}  // namespace fluke

int main(int argc, char** argv) {
  if (argc < 8) {
    std::cerr << "usage: " << argv[0]
              << " BASE QUERIES METRIC INDEX PRESET curve|tuned THREADS...\n";
    return 2;
  }
  try {
    std::vector<int> threads;
    for (int i = 7; i < argc; ++i) threads.push_back(std::stoi(argv[i]));
    const fluke::MappedNpy base(argv[1]), queries(argv[2]);
    fluke::Run(base, queries, argv[3], argv[4], fluke::FactoryOf(argv[5], base),
               std::string(argv[6]) == "curve", threads);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
