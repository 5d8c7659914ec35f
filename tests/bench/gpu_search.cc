// Times searches on a GPU beside the CPU's and FAISS's own GPU indexes (gpu_search.py). Prints one
// JSON line.
//
//   gpu_search_bench BASE.npy QUERIES.npy cosine|ip|l2 FOLDER FACTORY [NPROBE...]
//
// FACTORY: Flat or IVF. FOLDER gets the index and, for every measurement, int32 row numbers of the
// 20 neighbours of every query: DEVICE.NPROBE.bin, nprobe 0 where there are no lists.
#include <faiss/IndexIVF.h>
#include <faiss/gpu/GpuCloner.h>
#include <faiss/gpu/GpuIndexFlat.h>
#include <faiss/gpu/GpuIndexIVF.h>
#include <faiss/gpu/StandardGpuResources.h>
#include <omp.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "common/npy.h"
#include "index/reader.h"
#include "index/snapshot.h"
#include "tests/bench/search_bench.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;
using FaissRow = faiss::Index::idx_t;

struct Arguments {
  MappedNpy base, queries;
  std::string metric;
  fs::path folder;
  std::string factory;
  std::vector<int> nprobes;
};

// Rows of the kTop neighbours of `count` queries, beginning with number `first`.
using Searcher = std::function<std::vector<FaissRow>(int64_t first, int64_t count, int nprobe)>;

std::span<const float> QueriesOf(const Arguments& args, int64_t first, int64_t count) {
  return args.queries.values().subspan(static_cast<size_t>(first * args.queries.cols()),
                                       static_cast<size_t>(count * args.queries.cols()));
}

void Measure(const Arguments& args, const std::string& name, const Searcher& search) {
  std::printf(", \"%s\": {", name.c_str());
  const char* separator = "";
  const int64_t n = args.queries.rows();
  for (const int nprobe : args.nprobes) {
    const auto queries_a_second = [&](int64_t batch) {
      return static_cast<double>(batch) / BestSeconds([&] { search(0, batch, nprobe); }, 1);
    };
    const double one = MedianMs(200, [&](int64_t i) { search(i % n, 1, nprobe); });
    std::printf("%s\"%d\": {\"nq1_ms\": %.4f, \"nq256_q_per_s\": %.0f, \"nq%ld_q_per_s\": %.0f}",
                separator, nprobe, one, queries_a_second(std::min<int64_t>(256, n)), n,
                queries_a_second(n));
    separator = ", ";
    std::ofstream file(args.folder / (name + "." + std::to_string(nprobe) + ".bin"),
                       std::ios::binary);
    for (const FaissRow row : search(0, n, nprobe)) {
      const auto number = static_cast<int32_t>(row);
      file.write(reinterpret_cast<const char*>(&number), sizeof(number));
    }
  }
  std::printf("}");
}

Searcher OursOn(const Arguments& args, const OpenOptions& options) {
  const std::shared_ptr<const VectorIndex> index = OpenIndex(args.folder / "index", options);
  return [&args, index](int64_t first, int64_t count, int nprobe) {
    std::vector<FaissRow> rows;
    for (const auto& found :
         index->Search(QueriesOf(args, first, count), {.k = kTop, .nprobe = nprobe})) {
      for (const Neighbor& neighbor : found) rows.push_back(neighbor.row);
    }
    return rows;
  };
}

// The same rows and, with lists, the same trained index in FAISS's hands alone.
Searcher FaisssOwn(const Arguments& args, const Snapshot& snapshot, bool float16) {
  const auto resources = std::make_shared<faiss::gpu::StandardGpuResources>();
  std::shared_ptr<faiss::Index> index;
  if (snapshot.candidates == nullptr) {
    faiss::gpu::GpuIndexFlatConfig config;
    config.useFloat16 = float16;
    index = std::make_shared<faiss::gpu::GpuIndexFlat>(
        resources.get(), static_cast<int>(args.base.cols()),
        args.metric == "l2" ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT, config);
    index->add(snapshot.vectors.rows(), snapshot.vectors.values().data());
  } else {
    faiss::gpu::GpuClonerOptions options;
    options.useFloat16 = float16;
    index.reset(
        faiss::gpu::index_cpu_to_gpu(resources.get(), 0, &snapshot.candidates->faiss(), &options));
  }
  return [&args, resources, index](int64_t first, int64_t count, int nprobe) {
    auto* lists = dynamic_cast<faiss::gpu::GpuIndexIVF*>(index.get());
    if (lists != nullptr) lists->setNumProbes(nprobe);
    std::vector<float> scores(static_cast<size_t>(count * kTop));
    std::vector<FaissRow> rows(scores.size());
    index->search(count, QueriesOf(args, first, count).data(), kTop, scores.data(), rows.data());
    return rows;
  };
}

void Run(const Arguments& args) {
  const double build_s = BuildIndex(
      args.folder / "index",
      {.factory = args.factory, .metric = args.metric, .dimension = args.base.cols()}, args.base);
  const auto snapshot = OpenLiveSnapshot(args.folder / "index");
  std::printf("{\"rows\": %ld, \"dims\": %ld, \"build_s\": %.2f, \"cpu_threads\": %d",
              args.base.rows(), args.base.cols(), build_s, omp_get_max_threads());
  Measure(args, "cpu", OursOn(args, {}));
  for (const bool float16 : {false, true}) {
    // Of product codes it is the look-up tables that are float16, which long codes want.
    if (!float16 && snapshot->candidates != nullptr) continue;
    const OpenOptions options{.device = "gpu", .gpu_float16 = float16};
    const std::string suffix = float16 ? "_float16" : "";
    if (OpenLiveSnapshot(args.folder / "index", options)->gpu == nullptr) continue;  // it says why
    Measure(args, "gpu" + suffix, OursOn(args, options));
    Measure(args, "faiss_gpu" + suffix, FaisssOwn(args, *snapshot, float16));
  }
  std::printf("}\n");
}

}  // namespace
}  // namespace fluke

int main(int argc, char** argv) {
  if (argc < 6) {
    std::cerr << "usage: " << argv[0] << " BASE QUERIES METRIC FOLDER FACTORY [NPROBE...]\n";
    return 2;
  }
  try {
    std::vector<int> nprobes;
    for (int i = 6; i < argc; ++i) nprobes.push_back(std::stoi(argv[i]));
    if (nprobes.empty()) nprobes.push_back(0);
    fluke::Run({.base = fluke::MappedNpy(argv[1]),
                .queries = fluke::MappedNpy(argv[2]),
                .metric = argv[3],
                .folder = argv[4],
                .factory = argv[5],
                .nprobes = nprobes});
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
