// Closed-loop load on a running server (serve_speed.py, hot_swap.py): each of CONCURRENCY callers
// asks one query after the other. Prints one JSON line; the exit code is 1 where a query failed.
//
//   serve_load_bench ADDRESS vector VECTORS.npy CONCURRENCY WARM_UP_SECONDS SECONDS [COLLECTION]
//   serve_load_bench ADDRESS image LIST.txt CONCURRENCY WARM_UP_SECONDS SECONDS [COLLECTION]
//
// LIST.txt: a photograph's path a line.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "common/files.h"
#include "common/npy.h"
#include "serve/client.h"
#include "tests/bench/search_bench.h"

namespace fluke {
namespace {

std::vector<v1::SearchRequest> Requests(const std::string& kind, const std::string& path,
                                        const std::string& collection) {
  std::vector<v1::SearchRequest> requests;
  if (kind == "vector") {
    const MappedNpy vectors(path);
    const auto d = static_cast<size_t>(vectors.cols());
    for (size_t i = 0; i < static_cast<size_t>(vectors.rows()); ++i) {
      const auto vector = vectors.values().subspan(i * d, d);
      requests.emplace_back().mutable_vector()->mutable_values()->Add(vector.begin(), vector.end());
    }
  } else {
    std::ifstream list(path);
    for (std::string line; std::getline(list, line);) {
      requests.emplace_back().set_image(ReadFile(line, uint64_t{1} << 30));
    }
  }
  for (v1::SearchRequest& request : requests) {
    request.set_k(kTop);
    request.set_collection(collection);
  }
  return requests;
}

// Seconds that each query took, ascending. Counts those that failed.
std::vector<double> Phase(const serve::RetrievalClient& client,
                          const std::vector<v1::SearchRequest>& requests, int concurrency,
                          double seconds, std::atomic<int64_t>* failed) {
  std::vector<std::vector<double>> times(static_cast<size_t>(concurrency));
  const double end = Seconds() + seconds;
  {
    std::vector<std::jthread> callers;
    for (size_t c = 0; c < times.size(); ++c) {
      callers.emplace_back([&, c] {
        for (size_t i = c; Seconds() < end; i += times.size()) {
          const double begin = Seconds();
          try {
            const auto response = client.Search(requests[i % requests.size()]);
            times[c].push_back(Seconds() - begin);
            if (response.hits_size() != kTop) std::abort();
          } catch (const std::exception& error) {
            if (failed->fetch_add(1) == 0) std::cerr << error.what() << "\n";
          }
        }
      });
    }
  }
  std::vector<double> all;
  for (const auto& some : times) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace
}  // namespace fluke

int main(int argc, char** argv) {
  if (argc != 7 && argc != 8) {
    std::cerr << "usage: " << argv[0]
              << " ADDRESS vector|image FILE CONCURRENCY WARM_UP SECONDS [COLLECTION]\n";
    return 2;
  }
  try {
    const auto requests = fluke::Requests(argv[2], argv[3], argc == 8 ? argv[7] : "");
    const fluke::serve::RetrievalClient client(argv[1], std::chrono::seconds(30));
    const int concurrency = std::stoi(argv[4]);
    const double seconds = std::stod(argv[6]);
    std::atomic<int64_t> failed = 0;
    fluke::Phase(client, requests, concurrency, std::stod(argv[5]), &failed);
    const auto times = fluke::Phase(client, requests, concurrency, seconds, &failed);
    if (times.empty()) {
      std::cerr << "no query was answered\n";
      return 1;
    }
    const auto at = [&](double share) {
      return 1e3 * times[std::min(times.size() - 1,
                                  static_cast<size_t>(share * static_cast<double>(times.size())))];
    };
    std::printf(
        "{\"q_per_s\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"requests\": %zu, \"failed\": "
        "%lld}\n",
        static_cast<double>(times.size()) / seconds, at(0.5), at(0.99), times.size(),
        static_cast<long long>(failed.load()));
    return failed.load() == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
