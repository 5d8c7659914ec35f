// Closed-loop load on a running server (serve_speed.py, hot_swap.py): each of CONCURRENCY callers
// asks one query after the other. Prints one JSON line; the exit code is 1 where a query failed.
//
//   serve_load_bench ADDRESS vector VECTORS.npy CONCURRENCY WARM_UP_SECONDS SECONDS [COLLECTION]
//   serve_load_bench ADDRESS image LIST.txt CONCURRENCY WARM_UP_SECONDS SECONDS [COLLECTION]
//
// LIST.txt: a photograph's path a line.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "common/files.h"
#include "common/npy.h"
#include "fluke/v1/retrieval.grpc.pb.h"
#include "serve/client/channel.h"
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

// One caller: its query under way, and where it goes on when that is answered.
struct Caller {
  size_t next = 0;  // request
  double began = 0;
  std::unique_ptr<grpc::ClientContext> context;
  v1::SearchResponse response;
  grpc::Status status;
};

void Ask(v1::Retrieval::Stub& stub, const std::vector<v1::SearchRequest>& requests, Caller* caller,
         grpc::CompletionQueue* queue) {
  caller->context = std::make_unique<grpc::ClientContext>();
  caller->context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  caller->began = Seconds();
  const auto reader =
      stub.AsyncSearch(caller->context.get(), requests[caller->next % requests.size()], queue);
  reader->Finish(&caller->response, &caller->status, caller);
}

// Seconds that each query took, ascending. Counts those that failed. One thread for all callers:
// the machine is the server's.
std::vector<double> Phase(v1::Retrieval::Stub& stub, const std::vector<v1::SearchRequest>& requests,
                          int concurrency, double seconds, int64_t* failed) {
  grpc::CompletionQueue queue;
  std::vector<Caller> callers(static_cast<size_t>(concurrency));
  const double end = Seconds() + seconds;
  for (size_t c = 0; c < callers.size(); ++c) {
    callers[c].next = c;
    Ask(stub, requests, &callers[c], &queue);
  }
  std::vector<double> times;
  size_t under_way = callers.size();
  void* tag = nullptr;
  bool is_whole = false;
  while (under_way > 0 && queue.Next(&tag, &is_whole)) {
    auto& caller = *static_cast<Caller*>(tag);
    const double now = Seconds();
    if (caller.status.ok()) {
      times.push_back(now - caller.began);
      if (caller.response.hits_size() != kTop) std::abort();
    } else if ((*failed)++ == 0) {
      std::cerr << caller.status.error_message() << "\n";
    }
    caller.next += callers.size();
    if (now < end) {
      Ask(stub, requests, &caller, &queue);
    } else {
      --under_way;
    }
  }
  queue.Shutdown();
  while (queue.Next(&tag, &is_whole)) {
  }
  std::sort(times.begin(), times.end());
  return times;
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
    const auto stub = fluke::v1::Retrieval::NewStub(
        fluke::serve::OpenChannel(argv[1], {.timeout = std::chrono::seconds(30)}));
    const int concurrency = std::stoi(argv[4]);
    const double seconds = std::stod(argv[6]);
    int64_t failed = 0;
    fluke::Phase(*stub, requests, concurrency, std::stod(argv[5]), &failed);
    const auto times = fluke::Phase(*stub, requests, concurrency, seconds, &failed);
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
        static_cast<long long>(failed));
    return failed == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
