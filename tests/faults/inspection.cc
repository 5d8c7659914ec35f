#include "tests/faults/inspection.h"

#include <algorithm>
#include <cstring>

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

// What is in the folder as contents.
Contents ContentsOf(const VectorIndex& index) {
  Contents contents(std::in_place);
  for (int64_t row = 0; row < index.Describe().size; ++row) {
    const Item item = index.item(row);
    (*contents)[std::stoi(item.id.substr(5))] = std::stoi(item.metadata.at("version"));
  }
  return contents;
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
  for (const auto& [number, version] : *contents) {
    const Item expected = ItemOf(number, version);
    const std::vector<float> vector = VectorOf(number, version, info.dimension);
    const auto row = index.FindItem(expected.id);
    if (!row) return expected.id + " is missing";
    const Item item = index.item(*row);
    if (item.identity != expected.identity || item.path != expected.path ||
        item.metadata != expected.metadata) {
      return StrCat(item.id, " has version ", item.metadata.at("version"), ", expected ", version);
    }
    if (!SameBits(index.vector(*row), vector)) return item.id + " has another vector";
    const auto found = index.Search(vector, {.k = 1});
    if (found.at(0).size() != 1 || found[0][0].row != *row) {
      return "the search for " + item.id + " finds something else";
    }
  }
  return "";
}

std::string ObjectionToState(const fs::path& folder, const Scenario& scenario,
                             size_t acknowledged) {
  // Before the first commit is acknowledged, there is no CURRENT.
  if (ContentsAfter(scenario, acknowledged)) {
    if (const std::string problem = ObjectionToFiles(folder); !problem.empty()) return problem;
  }
  const auto index = OpenOrNull(folder);
  const std::string difference =
      DifferenceOrNone(index.get(), ContentsAfter(scenario, acknowledged));
  if (difference.empty()) return "";
  if (acknowledged == scenario.steps.size()) return difference;
  const std::string next = DifferenceOrNone(index.get(), ContentsAfter(scenario, acknowledged + 1));
  if (next.empty()) return "";
  return StrCat(difference, " (and with the step under way: ", next, ")");
}

std::string ObjectionToGoingOn(const fs::path& folder, const Scenario& scenario) {
  const auto index = OpenOrNull(folder);
  Contents contents = index == nullptr ? Contents(std::in_place) : ContentsOf(*index);
  Step later = {.put = {kLaterItem, kLaterItem + 1}};
  // Most FAISS indexes are built from more than one item.
  if (index == nullptr) later = {.by = Step::By::kCreate, .put = {kLaterItem, kLaterItem + 70}};
  Performance(folder, scenario.options).Do(later);
  for (int i = later.put.first; i < later.put.last; ++i) (*contents)[i] = later.version;
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
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    if (name != "CURRENT" && name != "LOCK" && name != "snapshots") {
      return "left over: " + entry.path().string();
    }
  }
  const auto numbers = layout::ListSnapshots(folder);
  int64_t entries = 0;
  for (const auto& entry : fs::directory_iterator(layout::SnapshotsFolder(folder), ignored)) {
    ++entries;
    if (entry.path().filename().string().starts_with(".")) {
      return "left over: " + entry.path().string();
    }
  }
  if (entries != static_cast<int64_t>(numbers.size())) return "left over: something in snapshots/";
  if (!numbers.empty() && numbers.back() > layout::ReadCurrent(folder)) {
    return StrCat("left over: snapshot ", numbers.back(), ", which was never live");
  }
  return "";
}

}  // namespace fluke::faults
