#include "tests/faults/scenarios.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "common/random.h"
#include "index/live_index.h"

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
      // Records of more than a sector, and small ones.
      {.name = "LiveChanges",
       .options = flat,
       .before = {base},
       .steps = {{.by = kLive, .put = {50, 75}, .version = 2},
                 {.by = kLive, .remove = {10, 12}},
                 {.by = kLive, .update = {20, 40}, .version = 3},
                 {.by = kLive, .put = {10, 11}, .version = 4}}},
      {.name = "LiveCompaction",
       .options = flat,
       .before = {base, {.by = kLive, .put = {55, 65}, .version = 2}},
       .steps = {{.by = kLive, .remove = {0, 5}},
                 {.by = kCompact},
                 {.by = kLive, .put = {3, 6}, .version = 3},
                 {.by = kCompact},
                 {.put = {4, 5}, .remove = {5, 6}, .version = 4}}},
      {.name = "LiveAfterLive",
       .options = flat,
       .before = {base, {.by = kLive, .put = {60, 62}}, {.by = kCompact}},
       .steps = {{.by = kLive, .put = {0, 30}, .version = 2},
                 {.by = kReplace, .put = {0, 10}, .version = 3},
                 {.by = kLive, .put = {5, 15}, .version = 4}}},
      {.name = "ChangesWhileCompacting",
       .options = faiss,
       .before = {base, {.by = kLive, .put = {55, 65}, .version = 2}},
       .steps = {{.by = kCompactAside},
                 {.by = kLive, .remove = {0, 5}},
                 {.by = kLive, .put = {3, 6}, .version = 3},
                 {.by = kLive, .update = {50, 60}, .version = 4},
                 {.by = kCompactAside},
                 {.by = kLive, .put = {70, 90}, .version = 5}}},
      {.name = "SpilledChanges",
       .options = spilled,
       .before = {base},
       .steps = {{.put = {50, 80}, .version = 2},
                 {.by = kSameWriter, .put = {70, 75}, .remove = {0, 5}, .version = 3}}},
  };
  return *scenarios;
}

bool Scenario::repeats() const {
  return std::none_of(steps.begin(), steps.end(),
                      [](const Step& step) { return step.by == Step::By::kCompactAside; });
}

Contents ContentsAfter(const Scenario& scenario, size_t steps) {
  std::vector<Step> done = scenario.before;
  done.insert(done.end(), scenario.steps.begin(),
              scenario.steps.begin() + static_cast<int64_t>(steps));
  Contents contents;
  for (const Step& step : done) {
    if (!contents || step.by == Step::By::kReplace) contents.emplace();
    for (int i = step.put.first; i < step.put.last; ++i) {
      (*contents)[i] = {step.version, step.version};
    }
    for (int i = step.update.first; i < step.update.last; ++i) {
      contents->at(i).item = step.version;
    }
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

std::vector<Item> ItemsOf(Range range, int version) {
  std::vector<Item> items;
  for (int i = range.first; i < range.last; ++i) items.push_back(ItemOf(i, version));
  return items;
}

std::vector<std::string> IdsOf(Range range) {
  std::vector<std::string> ids;
  for (int i = range.first; i < range.last; ++i) ids.push_back(ItemOf(i, 1).id);
  return ids;
}

std::vector<float> VectorOf(int number, int version, int64_t dimension) {
  Random random(RandomKey({static_cast<uint64_t>(number), static_cast<uint64_t>(version)}));
  std::vector<float> vector(static_cast<size_t>(dimension));
  for (float& value : vector) value = static_cast<float>(random.Normal());
  return vector;
}

std::vector<float> VectorsOf(Range range, int version, int64_t dimension) {
  std::vector<float> vectors;
  for (int i = range.first; i < range.last; ++i) {
    const std::vector<float> vector = VectorOf(i, version, dimension);
    vectors.insert(vectors.end(), vector.begin(), vector.end());
  }
  return vectors;
}

Performance::Performance(std::filesystem::path folder, IndexOptions options)
    : folder_(std::move(folder)), options_(std::move(options)) {}

Performance::~Performance() {
  if (aside_.valid()) aside_.wait();
}

void Performance::Do(const Step& step) {
  if (step.by >= Step::By::kLive) {
    writer_ = nullptr;  // lets go of the folder
    DoLive(step);
  } else {
    Finish();
    live_ = nullptr;
    DoByWriter(step);
  }
}

void Performance::Finish() {
  if (aside_.valid()) aside_.get();
}

std::shared_ptr<const VectorIndex> Performance::Live() const {
  return live_ == nullptr ? nullptr : live_->Current();
}

void Performance::DoByWriter(const Step& step) {
  if (unfinished_ != &step && step.by != Step::By::kSameWriter) {
    writer_ = nullptr;
    writer_ = step.by == Step::By::kCreate    ? CreateIndex(folder_, options_)
              : step.by == Step::By::kReplace ? ReplaceIndex(folder_, options_)
                                              : ContinueIndex(folder_, options_.pending_bytes);
  }
  unfinished_ = &step;
  writer_->Add(ItemsOf(step.put, step.version),
               VectorsOf(step.put, step.version, options_.dimension));
  writer_->Remove(IdsOf(step.remove));
  writer_->Commit();
  unfinished_ = nullptr;
}

void Performance::DoLive(const Step& step) {
  if (live_ == nullptr) live_ = OpenLiveIndex(folder_, {.compact_after_rows = -1});
  try {
    switch (step.by) {
      case Step::By::kCompact:
        live_->Compact();
        break;
      case Step::By::kCompactAside:
        Finish();
        aside_ = std::async(std::launch::async, [this] { live_->Compact(); });
        break;
      default:
        live_->Upsert(ItemsOf(step.put, step.version),
                      VectorsOf(step.put, step.version, options_.dimension));
        live_->Remove(IdsOf(step.remove));
        live_->Update(ItemsOf(step.update, step.version));
    }
  } catch (const Error& error) {
    // Takes no more changes.
    if (error.code() == absl::StatusCode::kFailedPrecondition) live_ = nullptr;
    throw;
  }
}

}  // namespace fluke::faults
