// Times the exact search on vectors that a script made (exact_search.py): one query, batches of
// 256, and what the machine could do at most. Prints one JSON line.
//
//   exact_search_bench BASE.npy QUERIES.npy cosine|ip|l2 INDEX_FOLDER FOUND.bin THREADS...
//
// FOUND.bin: int32 row numbers of the 20 neighbours of every query.
#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/npy.h"
#include "index/bounded_scan.h"
#include "index/exact_scan.h"
#include "index/layout.h"
#include "index/reader.h"
#include "index/score_kernels.h"
#include "tests/bench/search_bench.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kBatch = 256;

// Bytes a second that `threads` threads read from memory.
double ReadBandwidth(std::span<const float> rows, int threads) {
  const auto n = static_cast<int64_t>(rows.size());
  volatile float sink = 0;
  const double seconds = BestSeconds([&] {
    float total = 0;
#pragma omp parallel for simd num_threads(threads) reduction(+ : total)
    for (int64_t i = 0; i < n; ++i) total += rows[static_cast<size_t>(i)];
    sink = total;
  });
  return static_cast<double>(n) * 4 / seconds;
}

// 8-bit multiply-adds a second of the kernel on one chunk that stays in the cache.
double KernelPeak(const CodeKernel& kernel, int64_t head, int threads) {
  const int64_t blocks = kCodeChunkRows / kCodeBlockRows;
  constexpr int kRounds = 200;
  const double seconds = BestSeconds([&] {
#pragma omp parallel num_threads(threads)
    {
      const std::vector<uint8_t> codes(static_cast<size_t>(kCodeChunkRows * head), 100);
      const std::vector<int8_t> queries(static_cast<size_t>(kBatch * head), 3);
      std::vector<int32_t> dots(static_cast<size_t>(kBatch * kCodeChunkRows));
      for (int i = 0; i < kRounds; ++i) {
        kernel.dots(codes.data(), blocks, head / 4, queries.data(), kBatch, dots.data());
      }
    }
  });
  return static_cast<double>(kCodeChunkRows * head * kBatch) * kRounds * threads / seconds;
}

struct Arguments {
  MappedNpy base, queries;
  std::string metric;
  fs::path index, found;
  std::vector<int> threads;
};

void Run(const Arguments& args) {
  const double build_s =
      BuildIndex(args.index, {.metric = args.metric, .dimension = args.base.cols()}, args.base);
  const auto index = OpenIndex(args.index);
  const int64_t d = args.base.cols(), n = args.queries.rows();
  const fs::path folder = layout::SnapshotFolder(args.index, 1);
  const MappedNpy rows(folder / layout::kVectorsFile);
  const fs::path codes_path = folder / layout::kCodesFile;
  const Similarity similarity = ParseSimilarity(args.metric);
  const auto queries_from = [&](int64_t first, int64_t count) {
    return args.queries.values().subspan(static_cast<size_t>(first * d),
                                         static_cast<size_t>(count * d));
  };

  std::printf("{\"rows\": %ld, \"dims\": %ld, \"build_s\": %.2f", args.base.rows(), d, build_s);
  int64_t head = 0;
  if (fs::exists(codes_path)) {
    const RowCodes codes(MappedFile(codes_path), similarity, rows.rows(), d, codes_path.string());
    head = codes.head();
    std::printf(", \"kernel\": \"%s\", \"head\": %ld, \"code_bytes_per_vector\": %.1f",
                std::string(BestCodeKernel().name).c_str(), head,
                static_cast<double>(fs::file_size(codes_path)) / static_cast<double>(rows.rows()));
    // Against the plain scan, bit for bit (cosine's queries are normalised inside the index).
    if (similarity != Similarity::kCosine) {
      int64_t scored = 0, differ = 0;
      const int64_t checked = std::min<int64_t>(n, kBatch);
      const auto got = ScanByBounds(codes, BestCodeKernel(), similarity, queries_from(0, checked),
                                    rows.values(), d, kTop, {}, &scored);
      const auto plain =
          ScanExactly(similarity, queries_from(0, checked), rows.values(), d, kTop, {});
      for (size_t q = 0; q < got.size(); ++q) {
        for (size_t i = 0; i < got[q].size(); ++i) {
          differ += got[q][i].row != plain[q][i].row || got[q][i].score != plain[q][i].score;
        }
      }
      std::printf(", \"rescored_per_query\": %.1f, \"differ_from_plain_scan\": %ld",
                  static_cast<double>(scored) / static_cast<double>(checked), differ);
    }
  }

  for (const int threads : args.threads) {
    omp_set_num_threads(threads);
    const double one =
        MedianMs(300, [&](int64_t i) { index->Search(queries_from(i % n, 1), {.k = kTop}); });
    const int64_t batch = std::min(kBatch, n);
    const double many = BestSeconds([&] { index->Search(queries_from(0, batch), {.k = kTop}); });
    const double plain = MedianMs(20, [&](int64_t i) {
      ScanExactly(similarity, queries_from(i % n, 1), rows.values(), d, kTop, {});
    });
    std::printf(
        ", \"threads_%d\": {\"nq1_ms\": %.3f, \"nq256_q_per_s\": %.1f, \"plain_nq1_ms\": %.2f",
        threads, one, static_cast<double>(batch) / many, plain);
    if (head > 0) {
      const double bytes = static_cast<double>(fs::file_size(codes_path));
      const double products = static_cast<double>(rows.rows() * head * batch);
      std::printf(", \"nq1_share_of_read_bandwidth\": %.3f, \"nq256_share_of_kernel_peak\": %.3f",
                  bytes / (one / 1e3) / ReadBandwidth(rows.values(), threads),
                  products / many / KernelPeak(BestCodeKernel(), head, threads));
    }
    std::printf("}");
  }
  std::printf("}\n");

  WriteFound(args.found, *index, args.queries);
}

}  // namespace
}  // namespace fluke

int main(int argc, char** argv) {
  if (argc < 7) {
    std::cerr << "usage: " << argv[0] << " BASE QUERIES METRIC INDEX FOUND THREADS...\n";
    return 2;
  }
  try {
    std::vector<int> threads;
    for (int i = 6; i < argc; ++i) threads.push_back(std::stoi(argv[i]));
    fluke::Run({.base = fluke::MappedNpy(argv[1]),
                .queries = fluke::MappedNpy(argv[2]),
                .metric = argv[3],
                .index = argv[4],
                .found = argv[5],
                .threads = threads});
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
