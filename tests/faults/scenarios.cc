#include "tests/faults/scenarios.h"

#include <utility>

#include "common/random.h"
#include "common/text.h"

namespace fluke::faults {

const std::vector<Scenario>& Scenarios() {
  using enum Step::By;
  // Vectors of an L2 index are kept as they are given, to the bit.
  const IndexOptions flat = {.factory = "Flat", .metric = "l2", .dimension = 8};
  const IndexOptions faiss = {.factory = "IVF4,Flat", .metric = "l2", .dimension = 8};
  const IndexOptions lists = {.factory = "IVF4,Codes", .metric = "l2", .dimension = 8};
  const IndexOptions spilled = {
      .factory = "Flat", .metric = "l2", .dimension = 8, .pending_bytes = 1000};
  const Step base = {.by = kCreate, .put = {0, 60}};
  static const auto* scenarios = new std::vector<Scenario>{
      {.name = "Build",
       .options = flat,
       .before = {},
       .steps = {{.by = kCreate, .put = {0, 40}}, {.by = kSameWriter, .put = {40, 50}}}},
      {.name = "Add",
       .options = flat,
       .before = {base},
       .steps = {{.put = {55, 80}, .version = 2},
                 {.by = kSameWriter, .put = {0, 3}, .version = 3}}},
      {.name = "Delete",
       .options = flat,
       .before = {base},
       .steps = {{.remove = {10, 30}}, {.remove = {0, 60}}, {.put = {7, 9}, .version = 4}}},
      {.name = "Replace",
       .options = flat,
       .before = {base, {.put = {60, 70}}},
       .steps = {{.by = kReplace, .put = {50, 90}, .version = 5}, {.remove = {80, 90}}}},
      // Long enough that old snapshots go.
      {.name = "ManyCommits",
       .options = flat,
       .before = {base, {.put = {60, 61}}},
       .steps = {{.put = {61, 62}}, {.put = {62, 63}}, {.remove = {0, 5}}}},
      {.name = "FaissFile",
       .options = faiss,
       .before = {base},
       .steps = {{.put = {60, 90}}, {.put = {20, 25}, .remove = {40, 50}, .version = 2}}},
      {.name = "ListsOfCodes",
       .options = lists,
       .before = {},
       .steps = {{.by = kCreate, .put = {0, 80}}, {.put = {70, 95}, .version = 2}}},
      {.name = "SpilledChanges",
       .options = spilled,
       .before = {base},
       .steps = {{.put = {50, 80}, .version = 2},
                 {.by = kSameWriter, .put = {70, 75}, .remove = {0, 5}, .version = 3}}},
  };
  return *scenarios;
}

Contents ContentsAfter(const Scenario& scenario, size_t steps) {
  std::vector<Step> done = scenario.before;
  done.insert(done.end(), scenario.steps.begin(),
              scenario.steps.begin() + static_cast<int64_t>(steps));
  Contents contents;
  for (const Step& step : done) {
    if (!contents || step.by == Step::By::kReplace) contents.emplace();
    for (int i = step.put.first; i < step.put.last; ++i) (*contents)[i] = step.version;
    for (int i = step.remove.first; i < step.remove.last; ++i) contents->erase(i);
  }
  return contents;
}

Item ItemOf(int number, int version) {
  return {.id = StrCat("photo", number),
          .identity = StrCat("whale", number % 7),
          .path = StrCat("photo", number, ".jpg"),
          .metadata = {{"version", StrCat(version)}}};
}

std::vector<float> VectorOf(int number, int version, int64_t dimension) {
  Random random(RandomKey({static_cast<uint64_t>(number), static_cast<uint64_t>(version)}));
  std::vector<float> vector(static_cast<size_t>(dimension));
  for (float& value : vector) value = static_cast<float>(random.Normal());
  return vector;
}

Performance::Performance(std::filesystem::path folder, IndexOptions options)
    : folder_(std::move(folder)), options_(std::move(options)) {}

void Performance::Do(const Step& step) {
  if (unfinished_ != &step && step.by != Step::By::kSameWriter) {
    writer_ = nullptr;  // lets go of the folder
    writer_ = step.by == Step::By::kCreate    ? CreateIndex(folder_, options_)
              : step.by == Step::By::kReplace ? ReplaceIndex(folder_, options_)
                                              : ContinueIndex(folder_, options_.pending_bytes);
  }
  unfinished_ = &step;
  std::vector<Item> items;
  std::vector<float> vectors;
  for (int i = step.put.first; i < step.put.last; ++i) {
    items.push_back(ItemOf(i, step.version));
    const std::vector<float> vector = VectorOf(i, step.version, options_.dimension);
    vectors.insert(vectors.end(), vector.begin(), vector.end());
  }
  std::vector<std::string> removed;
  for (int i = step.remove.first; i < step.remove.last; ++i) {
    removed.push_back(ItemOf(i, step.version).id);
  }
  writer_->Add(items, vectors);
  writer_->Remove(removed);
  writer_->Commit();
  unfinished_ = nullptr;
}

}  // namespace fluke::faults
