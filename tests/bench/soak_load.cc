// Mixed load on a running server, then: is everything there that it acknowledged? (soak.py)
//
//   soak_load_bench ADDRESS DIMENSION CALLERS ITEMS_A_CALLER SWAP_SECONDS [PHOTOGRAPHS.txt]
//
// Each caller asks one thing after the other: searches of vectors, items and photographs (a path a
// line in PHOTOGRAPHS.txt), look-ups, and changes of items of its own. Every SWAP_SECONDS the
// collection is snapshotted and reloaded, where the server can. Then, by lines on stdin:
//   ending          the server is about to be killed: from now on a call that fails ends its
//   caller. Prints one JSON line of counts
//                   when all of them have ended
//   verify ADDRESS  the server that was started again. Prints one JSON line, ends; exit code 1
//   where something is amiss
#include <algorithm>
#include <atomic>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "common/files.h"
#include "fluke/v1/collections.grpc.pb.h"
#include "fluke/v1/retrieval.grpc.pb.h"
#include "tests/bench/search_bench.h"
#include "tests/bench/soak_items.h"

namespace fluke {
namespace {

using Stub = v1::Retrieval::Stub;
constexpr int kItemsPerGet = 512;

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

template <typename Call>
grpc::Status WithDeadline(const Call& call) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  return call(&context);
}

std::string NameOf(grpc::StatusCode code) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

struct Timed {
  float begin_s, seconds;
};

// What one caller saw.
struct Seen {
  std::map<std::string, std::map<std::string, int64_t>> calls;  // method -> code -> times
  std::vector<std::string> failures;  // the first ones, with their message
  int64_t wrong_answers = 0;          // OK, but not what a good server answers
  std::vector<Timed> searches;        // of vectors
};

struct Load {
  std::unique_ptr<Stub> stub;
  int dimension = 0;
  std::vector<std::string> photographs;
  double begin_s = 0;
  std::atomic<bool> ending = false;
};

class Caller {
 public:
  Caller(const Load& load, int number, int items)
      : load_(load), items_(number, load.dimension, items), random_(static_cast<uint64_t>(number)) {
    for (size_t i = 0; i < items_.size(); ++i) Upsert({i});
  }

  void Run() {
    while (!stopped_) {
      const int dice = Below(100);
      if (dice < 66) {
        SearchVector();
      } else if (dice < 76) {
        SearchItem();
      } else if (dice < 80) {
        SearchPhotograph();
      } else if (dice < 88) {
        std::vector<size_t> slots(1 + Below(4));
        for (size_t& slot : slots) slot = AnySlot();
        std::ranges::sort(slots);
        slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
        Upsert(slots);
      } else if (dice < 92) {
        Update(AnySlot());
      } else if (dice < 95) {
        Delete(AnySlot());
      } else {
        LookUp(AnySlot());
      }
    }
  }
  const SoakItems& items() const { return items_; }
  const Seen& seen() const { return seen_; }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  size_t AnySlot() { return static_cast<size_t>(Below(static_cast<int>(items_.size()))); }

  bool Note(const std::string& method, const grpc::Status& status) {
    if (load_.ending && !status.ok() && status.error_code() != grpc::RESOURCE_EXHAUSTED) {
      stopped_ = true;  // the server was killed, as announced
      return false;
    }
    ++seen_.calls[method][NameOf(status.error_code())];
    if (!status.ok() && status.error_code() != grpc::RESOURCE_EXHAUSTED &&
        seen_.failures.size() < 5) {
      seen_.failures.push_back(method + ": " + NameOf(status.error_code()) + ": " +
                               status.error_message());
    }
    return status.ok();
  }
  void Expect(bool right, const std::string& what) {
    if (right) return;
    ++seen_.wrong_answers;
    if (seen_.failures.size() < 5) seen_.failures.push_back("wrong answer: " + what);
  }

  bool Search(const char* method, v1::SearchRequest& request, v1::SearchResponse* response) {
    return Note(method, WithDeadline([&](auto* context) {
                  return load_.stub->Search(context, request, response);
                }));
  }
  void ExpectRanking(const v1::SearchResponse& response) {
    bool falling = response.hits_size() == kTop;
    for (int i = 1; i < response.hits_size(); ++i) {
      falling = falling && response.hits(i - 1).score() >= response.hits(i).score();
    }
    Expect(falling, "a search's hits are not 20 of falling scores");
  }
  void SearchVector() {
    v1::SearchRequest request;
    request.set_k(kTop);
    // Now and then one of its own items, which then is the nearest of all.
    const size_t slot = AnySlot();
    const SoakState& state = items_[slot].acknowledged;
    const bool own = state.vector > 0 && !state.from_photograph && Below(4) == 0;
    const auto vector = own ? items_.Vector(slot, state) : SoakVector(load_.dimension, random_());
    request.mutable_vector()->mutable_values()->Add(vector.begin(), vector.end());
    v1::SearchResponse response;
    const double begin = Seconds();
    if (!Search("Search vector", request, &response)) return;
    seen_.searches.push_back(
        {static_cast<float>(begin - load_.begin_s), static_cast<float>(Seconds() - begin)});
    ExpectRanking(response);
    if (own) {
      Expect(response.hits_size() > 0 && response.hits(0).id() == items_.Id(slot),
             "an acknowledged item is not found by its vector");
    }
  }
  void SearchItem() {
    const size_t slot = AnySlot();
    v1::SearchRequest request;
    request.set_k(kTop);
    request.set_item_id(items_.Id(slot));
    const bool there = items_[slot].acknowledged.vector > 0;
    if (!there) request.set_item_id("b0");
    v1::SearchResponse response;
    if (Search("Search item", request, &response)) ExpectRanking(response);
  }
  void SearchPhotograph() {
    if (load_.photographs.empty()) return;
    v1::SearchRequest request;
    request.set_k(kTop);
    request.set_image(Photograph());
    v1::SearchResponse response;
    if (Search("Search photograph", request, &response)) ExpectRanking(response);
  }
  const std::string& Photograph() {
    return load_
        .photographs[static_cast<size_t>(Below(static_cast<int>(load_.photographs.size())))];
  }

  // A change: until it is answered either state may hold.
  void Settle(const std::vector<size_t>& slots, const char* method, const grpc::Status& status) {
    const bool done = Note(method, status);
    for (const size_t slot : slots) {
      if (done) items_[slot].acknowledged = *items_[slot].unanswered;
      // A change that was refused did not happen; one that failed otherwise may have.
      if (done || status.error_code() == grpc::RESOURCE_EXHAUSTED) items_[slot].unanswered.reset();
    }
    if (!done && status.error_code() != grpc::RESOURCE_EXHAUSTED) stopped_ = true;
  }
  void Upsert(const std::vector<size_t>& slots) {
    v1::UpsertRequest request;
    for (const size_t slot : slots) {
      const SoakState next{.vector = ++version_,
                           .words = version_,
                           .from_photograph = !load_.photographs.empty() && Below(50) == 0};
      items_[slot].unanswered = next;
      v1::NewItem& item = *request.add_items();
      *item.mutable_item() = items_.Words(slot, next);
      if (next.from_photograph) {
        item.mutable_photograph()->set_image(Photograph());
      } else {
        const auto vector = items_.Vector(slot, next);
        item.mutable_vector()->mutable_values()->Add(vector.begin(), vector.end());
      }
    }
    v1::UpsertResponse response;
    Settle(slots, "Upsert", WithDeadline([&](auto* context) {
             return load_.stub->Upsert(context, request, &response);
           }));
  }
  void Update(size_t slot) {
    const SoakState now = items_[slot].acknowledged;
    if (now.vector == 0) return;
    SoakState next = now;
    next.words = ++version_;
    items_[slot].unanswered = next;
    v1::UpdateRequest request;
    *request.add_items() = items_.Words(slot, next);
    v1::UpdateResponse response;
    Settle({slot}, "Update", WithDeadline([&](auto* context) {
             return load_.stub->Update(context, request, &response);
           }));
  }
  void Delete(size_t slot) {
    if (items_[slot].acknowledged.vector == 0) return;
    items_[slot].unanswered = SoakState{};
    v1::DeleteRequest request;
    request.add_ids(items_.Id(slot));
    v1::DeleteResponse response;
    Settle({slot}, "Delete", WithDeadline([&](auto* context) {
             return load_.stub->Delete(context, request, &response);
           }));
  }
  void LookUp(size_t slot) {
    v1::GetRequest request;
    request.add_ids(items_.Id(slot));
    request.set_with_vectors(true);
    v1::GetResponse response;
    if (Note("Get", WithDeadline([&](auto* context) {
               return load_.stub->Get(context, request, &response);
             }))) {
      Expect(items_.Agrees(slot, items_[slot].acknowledged,
                           response.entries_size() > 0 ? &response.entries(0) : nullptr),
             "an item is not as it was acknowledged: " + items_.Id(slot));
    }
    v1::CountRequest count;
    count.set_filter("owner = \"base\"");
    v1::CountResponse counted;
    Note("Count",
         WithDeadline([&](auto* context) { return load_.stub->Count(context, count, &counted); }));
  }

  const Load& load_;
  SoakItems items_;
  std::mt19937_64 random_;
  uint32_t version_ = 0;
  bool stopped_ = false;
  Seen seen_;
};

// Snapshots and reloads of the default collection, and when they were under way.
class Swaps {
 public:
  Swaps(const std::shared_ptr<grpc::Channel>& channel, double every_s, const Load& load)
      : stub_(v1::Collections::NewStub(channel)), load_(load), thread_([this, every_s] {
          for (double next = Seconds() + every_s; !load_.ending; next += every_s) {
            while (Seconds() < next && !load_.ending) {
              std::this_thread::sleep_for(std::chrono::milliseconds(50));
            }
            if (!load_.ending) Swap();
          }
        }) {}

  void Join() { thread_.join(); }
  const std::map<std::string, std::map<std::string, int64_t>>& calls() const { return calls_; }
  const std::vector<std::string>& messages() const { return messages_; }
  bool Overlap(const Timed& search) const {
    return std::ranges::any_of(swaps_, [&](const Timed& swap) {
      return search.begin_s < swap.begin_s + swap.seconds &&
             swap.begin_s < search.begin_s + search.seconds;
    });
  }

 private:
  void Swap() {
    const double begin = Seconds();
    v1::SnapshotCollectionResponse snapshot;
    bool swapped = Note("SnapshotCollection", WithDeadline([&](auto* context) {
                          return stub_->SnapshotCollection(context, v1::SnapshotCollectionRequest(),
                                                           &snapshot);
                        }));
    v1::Collection collection;
    swapped |=
        Note("ReloadCollection", WithDeadline([&](auto* context) {
               return stub_->ReloadCollection(context, v1::ReloadCollectionRequest(), &collection);
             }));
    if (!swapped) return;  // a server that cannot
    swaps_.push_back(
        {static_cast<float>(begin - load_.begin_s), static_cast<float>(Seconds() - begin)});
  }
  bool Note(const std::string& method, const grpc::Status& status) {
    if (load_.ending && !status.ok()) return false;
    ++calls_[method][NameOf(status.error_code())];
    if (!status.ok() && messages_.size() < 5) {
      messages_.push_back(method + ": " + status.error_message());
    }
    return status.ok();
  }

  std::unique_ptr<v1::Collections::Stub> stub_;
  const Load& load_;
  std::map<std::string, std::map<std::string, int64_t>> calls_;
  std::vector<std::string> messages_;
  std::vector<Timed> swaps_;
  std::thread thread_;  // begins when the others are there
};

double PercentileMs(std::vector<float> seconds, double share) {
  if (seconds.empty()) return 0;
  const auto at = static_cast<size_t>(share * static_cast<double>(seconds.size() - 1));
  std::ranges::nth_element(seconds, seconds.begin() + static_cast<std::ptrdiff_t>(at));
  return 1e3 * static_cast<double>(seconds[at]);
}

nlohmann::json Report(const std::vector<std::unique_ptr<Caller>>& callers, const Swaps& swaps,
                      double seconds) {
  std::map<std::string, std::map<std::string, int64_t>> calls;
  std::vector<std::string> failures;
  std::vector<float> during, beside;
  int64_t wrong = 0, failed = 0, refused = 0, answered = 0;
  for (const auto& caller : callers) {
    const Seen& seen = caller->seen();
    for (const auto& [method, codes] : seen.calls) {
      for (const auto& [code, times] : codes) {
        calls[method][code] += times;
        (code == "OK" ? answered : code == "RESOURCE_EXHAUSTED" ? refused : failed) += times;
      }
    }
    for (const Timed& search : seen.searches) {
      (swaps.Overlap(search) ? during : beside).push_back(search.seconds);
    }
    failures.insert(failures.end(), seen.failures.begin(), seen.failures.end());
    wrong += seen.wrong_answers;
  }
  return {{"seconds", seconds},
          {"answered", answered},
          {"failed", failed},
          {"refused_resource_exhausted", refused},
          {"wrong_answers", wrong},
          {"calls", calls},
          {"failures", failures},
          {"swaps", swaps.calls()},
          {"swap_failures", swaps.messages()},
          {"vector_searches_during_swaps", during.size()},
          {"p50_ms", PercentileMs(beside, 0.5)},
          {"p99_ms", PercentileMs(beside, 0.99)},
          {"p99_ms_during_swaps", PercentileMs(during, 0.99)}};
}

// Compares every item with what was acknowledged.
nlohmann::json Verify(Stub& stub, const std::vector<std::unique_ptr<Caller>>& callers) {
  int64_t checked = 0, there = 0, open = 0;
  std::vector<std::string> amiss;
  for (const auto& caller : callers) {
    const SoakItems& items = caller->items();
    for (size_t first = 0; first < items.size(); first += kItemsPerGet) {
      const size_t end = std::min(items.size(), first + kItemsPerGet);
      v1::GetRequest request;
      request.set_with_vectors(true);
      for (size_t i = first; i < end; ++i) request.add_ids(items.Id(i));
      v1::GetResponse response;
      const grpc::Status status =
          WithDeadline([&](auto* context) { return stub.Get(context, request, &response); });
      if (!status.ok()) throw std::runtime_error("Get: " + status.error_message());
      std::map<std::string, const v1::StoredEntry*> entries;
      for (const auto& entry : response.entries()) entries[entry.item().id()] = &entry;
      for (size_t i = first; i < end; ++i) {
        const auto found = entries.find(items.Id(i));
        const v1::StoredEntry* entry = found == entries.end() ? nullptr : found->second;
        const SoakSlot& slot = items[i];
        ++checked;
        there += entry != nullptr;
        open += slot.unanswered.has_value();
        if (items.Agrees(i, slot.acknowledged, entry)) continue;
        if (slot.unanswered && items.Agrees(i, *slot.unanswered, entry)) continue;
        amiss.push_back(items.Id(i));
      }
    }
  }
  v1::CountRequest count;
  v1::CountResponse counted;
  WithDeadline([&](auto* context) { return stub.Count(context, count, &counted); });
  const size_t wrong = amiss.size();
  amiss.resize(std::min<size_t>(wrong, 10));
  return {{"items_checked", checked},       {"items_there", there}, {"items_amiss", wrong},
          {"changes_without_answer", open}, {"first_amiss", amiss}, {"gallery", counted.count()}};
}

int Main(const std::vector<std::string>& words) {
  Load load;
  const auto channel = ChannelTo(words[0]);
  load.stub = v1::Retrieval::NewStub(channel);
  load.dimension = std::stoi(words[1]);
  if (words.size() > 5) {
    std::ifstream list(words[5]);
    for (std::string line; std::getline(list, line);) {
      load.photographs.push_back(ReadFile(line, uint64_t{1} << 30));
    }
  }
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < std::stoi(words[2]); ++i) {
    callers.push_back(std::make_unique<Caller>(load, i, std::stoi(words[3])));
  }
  std::cout << "{\"filled\": true}" << std::endl;
  load.begin_s = Seconds();
  Swaps swaps(channel, std::stod(words[4]), load);
  std::vector<std::thread> threads;
  for (const auto& caller : callers) threads.emplace_back([&caller] { caller->Run(); });
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "ending") {
      load.ending = true;
      for (std::thread& thread : threads) thread.join();
      swaps.Join();
      std::cout << Report(callers, swaps, Seconds() - load.begin_s).dump() << std::endl;
    } else if (line.starts_with("verify ")) {
      const auto stub = v1::Retrieval::NewStub(ChannelTo(line.substr(7)));
      const nlohmann::json report = Verify(*stub, callers);
      std::cout << report.dump() << std::endl;
      return report["items_amiss"] == 0 ? 0 : 1;
    }
  }
  return 1;
}

}  // namespace
}  // namespace fluke

int main(int argc, char** argv) {
  if (argc != 6 && argc != 7) {
    std::cerr << "usage: " << argv[0]
              << " ADDRESS DIMENSION CALLERS ITEMS_A_CALLER SWAP_SECONDS [PHOTOGRAPHS.txt]\n";
    return 2;
  }
  try {
    return fluke::Main({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    std::_Exit(1);  // callers may be at work
  }
}
