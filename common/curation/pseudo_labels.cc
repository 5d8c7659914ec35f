#include "common/curation/pseudo_labels.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "common/csv.h"
#include "common/error.h"

namespace fluke {
namespace {

bool IsMutual(size_t query, const std::vector<Neighbor>& of_labelled, int mutual) {
  const size_t count = std::min(of_labelled.size(), static_cast<size_t>(mutual));
  return std::any_of(
      of_labelled.begin(), of_labelled.begin() + static_cast<std::ptrdiff_t>(count),
      [&](const Neighbor& neighbor) { return neighbor.row == static_cast<int64_t>(query); });
}

int ColumnOf(const CsvTable& table, const std::string& name, std::string_view first,
             std::string_view second) {
  const int column = table.Column(first) >= 0 ? table.Column(first) : table.Column(second);
  if (column < 0) {
    InvalidArgument(name, ":1: no column '", first, "' or '", second, "'; found ",
                    StrJoin(table.header, ", "));
  }
  return column;
}

}  // namespace

std::vector<PseudoLabel> LabelsFromNeighbors(
    const std::vector<ManifestItem>& items, const std::vector<size_t>& unlabelled,
    const std::vector<size_t>& labelled, const std::vector<std::vector<Neighbor>>& of_unlabelled,
    const std::vector<std::vector<Neighbor>>& of_labelled, const NeighborVote& vote) {
  std::vector<PseudoLabel> labels;
  for (size_t q = 0; q < unlabelled.size(); ++q) {
    const std::vector<Neighbor>& nearest = of_unlabelled[q];
    if (nearest.empty() || nearest.size() < static_cast<size_t>(vote.agreeing)) continue;
    const auto identity_of = [&](const Neighbor& neighbor) -> const std::string& {
      return items[labelled[static_cast<size_t>(neighbor.row)]].identity;
    };
    const std::string& identity = identity_of(nearest[0]);
    const bool agreed =
        std::all_of(nearest.begin(), nearest.begin() + vote.agreeing,
                    [&](const Neighbor& neighbor) { return identity_of(neighbor) == identity; });
    if (!agreed) continue;
    if (vote.mutual > 0 &&
        !IsMutual(q, of_labelled[static_cast<size_t>(nearest[0].row)], vote.mutual))
      continue;
    labels.push_back({unlabelled[q], identity, nearest[0].score});
  }
  return labels;
}

std::vector<PseudoLabel> LabelsFromPredictions(const std::string& csv_path,
                                               const Manifest& manifest) {
  const CsvTable table = ReadCsv(csv_path);
  const int id = ColumnOf(table, csv_path, "id", "path"),
            identity = ColumnOf(table, csv_path, "identity", "class"),
            score = ColumnOf(table, csv_path, "score", "confidence");
  std::unordered_map<std::string, size_t> item_of;
  for (size_t i = 0; i < manifest.items.size(); ++i)
    item_of.emplace(ItemOf(manifest.items[i]).id, i);
  std::unordered_map<size_t, PseudoLabel> best;
  for (const CsvRow& row : table.rows) {
    double value = 0;
    if (!absl::SimpleAtod(row.fields[score], &value) || !std::isfinite(value)) {
      InvalidArgument(csv_path, ":", row.line, ": ", table.header[score], " is '",
                      row.fields[score], "'; expected a number");
    }
    const auto item = item_of.find(row.fields[id]);
    if (item == item_of.end()) {
      InvalidArgument(csv_path, ":", row.line, ": '", row.fields[id], "' is not in ",
                      manifest.name);
    }
    if (!manifest.items[item->second].identity.empty() || row.fields[identity].empty()) continue;
    const PseudoLabel label = {item->second, row.fields[identity], value};
    const auto [found, fresh] = best.emplace(item->second, label);
    if (!fresh && value > found->second.score) found->second = label;
  }
  std::vector<PseudoLabel> labels;
  for (auto& [item, label] : best) labels.push_back(std::move(label));
  return labels;
}

std::vector<PseudoLabel> Confident(std::vector<PseudoLabel> labels,
                                   const PseudoLabelChoice& choice) {
  std::erase_if(labels,
                [&](const PseudoLabel& label) { return !(label.score >= choice.min_score); });
  std::sort(labels.begin(), labels.end(), [](const PseudoLabel& a, const PseudoLabel& b) {
    return std::pair(-a.score, a.item) < std::pair(-b.score, b.item);
  });
  const double count = std::ceil(static_cast<double>(labels.size()) * choice.top_share - 1e-9);
  labels.resize(std::min(labels.size(), static_cast<size_t>(std::max(0.0, count))));
  return labels;
}

void ApplyPseudoLabels(const std::vector<PseudoLabel>& labels, const PseudoLabelChoice& choice,
                       const std::string& source, std::vector<ManifestItem>* items) {
  bool has_split = false;
  for (ManifestItem& item : *items) {
    has_split |= !item.split.empty();
    if (item.identity.empty()) continue;
    item.metadata.emplace("weight", "1");
    item.metadata.emplace("provenance", "labelled");
  }
  for (const PseudoLabel& label : labels) {
    ManifestItem& item = (*items)[label.item];
    const double weight =
        choice.weigh_by_score ? choice.weight * std::max(0.0, label.score) : choice.weight;
    item.identity = label.identity;
    item.metadata["weight"] = absl::StrFormat("%.6g", weight);
    item.metadata["provenance"] = "pseudo:" + source;
    item.metadata["pseudo_score"] = absl::StrFormat("%.6g", label.score);
    if (has_split && item.split.empty()) item.split = "train";
  }
}

}  // namespace fluke
