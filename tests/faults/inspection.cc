#include "tests/faults/inspection.h"

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "common/error.h"
#include "index/layout.h"
#include "index/reader.h"
#include "index/verify.h"

namespace fluke::faults {
namespace {

namespace fs = std::filesystem;

constexpr int kLaterItem = 1000;  // of no scenario

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Null: there is none.
std::unique_ptr<VectorIndex> OpenOrNull(const fs::path& folder) {
  try {
    return OpenIndex(folder);
  } catch (const Error& error) {
    if (error.code() == absl::StatusCode::kNotFound) return nullptr;
    throw;
  }
}

std::string DifferenceOrNone(const VectorIndex* index, const Contents& contents) {
  if (!contents) return index == nullptr ? "" : "there is an index, expected none";
  return index == nullptr ? "there is no index" : Difference(*index, contents);
}

std::string ObjectionToFiles(const fs::path& folder) {
  for (const FileCheck& check : VerifyIndex(folder)) {
    if (!check.problem.empty()) return check.problem;
  }
  return "";
}

}  // namespace

std::string Difference(const VectorIndex& index, const Contents& contents) {
  const IndexInfo info = index.Describe();
  if (info.size != static_cast<int64_t>(contents->size())) {
    return StrCat(info.size, " items, expected ", contents->size());
  }
  for (const auto& [number, versions] : *contents) {
    const Item expected = ItemOf(number, versions.item);
    const std::vector<float> vector = VectorOf(number, versions.vector, info.dimension);
    const auto row = index.FindItem(expected.id);
    if (!row) return expected.id + " is missing";
    const Item item = index.item(*row);
    if (item.identity != expected.identity || item.path != expected.path ||
        item.metadata != expected.metadata) {
      return StrCat(item.id, " has version ", item.metadata.at("version"), ", expected ",
                    versions.item);
    }
    if (!SameBits(index.vector(*row), vector)) return item.id + " has another vector";
    const auto found = index.Search(vector, {.k = 1});
    if (found.at(0).size() != 1 || found[0][0].row != *row) {
      return "the search for " + item.id + " finds something else";
    }
  }
  return "";
}

std::string ObjectionToState(const fs::path& folder, const Scenario& scenario, size_t acknowledged,
                             Contents* found) {
  const Contents before = ContentsAfter(scenario, acknowledged);
  // Before the first commit is acknowledged, there is no CURRENT.
  if (before) {
    if (const std::string problem = ObjectionToFiles(folder); !problem.empty()) return problem;
  }
  const auto index = OpenOrNull(folder);
  if (found != nullptr) *found = before;
  const std::string difference = DifferenceOrNone(index.get(), before);
  if (difference.empty() || acknowledged == scenario.steps.size()) return difference;
  const Contents after = ContentsAfter(scenario, acknowledged + 1);
  if (found != nullptr) *found = after;
  const std::string next = DifferenceOrNone(index.get(), after);
  if (next.empty()) return "";
  return StrCat(difference, " (and with the step under way: ", next, ")");
}

std::string ObjectionToGoingOn(const fs::path& folder, const Scenario& scenario,
                               Contents contents) {
  // Most FAISS indexes are built from more than one item.
  const Range later = {kLaterItem, kLaterItem + 70};
  std::vector<Step> steps = {{.by = Step::By::kCreate, .put = later}};
  if (contents) steps = {{.by = Step::By::kLive, .put = later}, {.by = Step::By::kContinue}};
  Performance performance(folder, scenario.options);
  for (const Step& step : steps) performance.Do(step);
  if (!contents) contents.emplace();
  for (int i = later.first; i < later.last; ++i) (*contents)[i] = {1, 1};
  if (const std::string difference = Difference(*OpenIndex(folder), contents);
      !difference.empty()) {
    return "after another commit: " + difference;
  }
  if (const std::string problem = ObjectionToFiles(folder); !problem.empty()) {
    return "after another commit: " + problem;
  }
  return Leftover(folder);
}

std::string Leftover(const fs::path& folder) {
  const auto foreign = [](const fs::path& within, const std::set<std::string>& own) -> std::string {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(within, ignored)) {
      if (!own.contains(entry.path().filename())) return "left over: " + entry.path().string();
    }
    return "";
  };
  const auto numbers = layout::ListSnapshots(folder);
  std::set<std::string> snapshots, segments;
  for (const int64_t number : numbers) snapshots.insert(layout::SnapshotName(number));
  for (const int64_t number : layout::ListLogSegments(folder)) {
    segments.insert(layout::LogSegment(folder, number).filename());
  }
  if (!numbers.empty() && numbers.back() > layout::ReadCurrent(folder)) {
    return StrCat("left over: snapshot ", numbers.back(), ", which was never live");
  }
  return foreign(folder, {"CURRENT", "LOCK", "snapshots", "wal"}) +
         foreign(layout::SnapshotsFolder(folder), snapshots) +
         foreign(layout::LogFolder(folder), segments);
}

}  // namespace fluke::faults
