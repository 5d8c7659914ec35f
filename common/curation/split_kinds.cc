#include "common/curation/split_kinds.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <unordered_map>

#include "common/curation/columns.h"
#include "common/curation/deal.h"
#include "common/curation/identity_splits.h"
#include "common/curation/order.h"
#include "common/error.h"
#include "common/split.h"
#include "common/table.h"

namespace fluke {
namespace {

using Items = std::vector<ManifestItem>;

// Photographs that stay together, in the drawn order of their names.
struct Groups {
  std::vector<std::vector<size_t>> members;
  std::vector<int64_t> sizes;
};

Groups GroupsInOrder(const Items& items, const std::vector<std::string>& names,
                     std::optional<uint64_t> seed) {
  std::vector<std::string> distinct;
  for (const std::string& name : names) {
    if (!name.empty()) distinct.push_back(name);
  }
  std::unordered_map<std::string, size_t> number_of;
  for (const std::string& name : OrderNames(std::move(distinct), seed))
    number_of.emplace(name, number_of.size());
  Groups groups;
  groups.members.resize(number_of.size());
  for (size_t i : ItemsInOrder(items, seed)) {
    if (!names[i].empty()) groups.members[number_of.at(names[i])].push_back(i);
  }
  for (const auto& members : groups.members)
    groups.sizes.push_back(static_cast<int64_t>(members.size()));
  return groups;
}

std::vector<int> PartsOfItems(const Items& items, const Groups& groups,
                              const std::vector<int>& part_of_group) {
  std::vector<int> parts(items.size(), kNoPart);
  for (size_t group = 0; group < groups.members.size(); ++group) {
    for (size_t item : groups.members[group]) parts[item] = part_of_group[group];
  }
  return parts;
}

std::vector<std::string> Identities(const Items& items) { return ColumnTexts(items, "identity"); }

// By the number of identities, as `fluke train` holds some out for validation.
std::vector<int> DivideIdentities(const Items& items, const SplitRequest& request) {
  const Groups groups = GroupsInOrder(items, Identities(items), request.seed);
  if (request.folds)
    return PartsOfItems(items, groups, BalanceGroups(groups.sizes, request.shares));
  std::vector<int> parts;
  double held_out = 1;
  for (size_t part = 0; part < request.shares.size(); ++part) {
    held_out = part + 1 == request.shares.size() ? 0 : held_out - request.shares[part];
    const size_t end = TrainCount(groups.sizes.size(), std::clamp(held_out, 0.0, 1.0));
    parts.resize(std::max(end, parts.size()), static_cast<int>(part));
  }
  return PartsOfItems(items, groups, parts);
}

std::vector<int> DivideGroups(const Items& items, const std::vector<std::string>& names,
                              const SplitRequest& request) {
  const Groups groups = GroupsInOrder(items, names, request.seed);
  return PartsOfItems(items, groups,
                      request.folds ? BalanceGroups(groups.sizes, request.shares)
                                    : CutByShare(groups.sizes, request.shares));
}

std::vector<int> DivideDisjointly(const Items& items, const SplitRequest& request) {
  return DivideGroups(items, Identities(items), request);
}

// A photograph without a group is one of its own.
std::vector<std::string> GroupNames(const Items& items, const SplitRequest& request) {
  if (request.group_column.empty())
    InvalidArgument("this split needs --group, the column of what stays together");
  std::vector<std::string> names = ColumnTexts(items, request.group_column);
  for (size_t i = 0; i < items.size(); ++i) {
    names[i] = names[i].empty() ? "\n" + ItemKey(items[i]) : "=" + names[i];
  }
  return names;
}

std::vector<int> DivideByGroup(const Items& items, const SplitRequest& request) {
  return DivideGroups(items, GroupNames(items, request), request);
}

std::vector<int> DivideStratified(const Items& items, const SplitRequest& request) {
  const Groups labels =
      GroupsInOrder(items, ColumnTexts(items, request.label_column), request.seed);
  const int64_t examples = std::accumulate(labels.sizes.begin(), labels.sizes.end(), int64_t{0});
  const std::vector<int> dealt = Deal(examples, request.shares);
  std::vector<int> parts(items.size(), kNoPart);
  size_t next = 0;
  for (const std::vector<size_t>& of_label : labels.members) {
    for (size_t item : of_label) parts[item] = dealt[next++];
  }
  return parts;
}

std::vector<int> DivideStratifiedByGroup(const Items& items, const SplitRequest& request) {
  const Groups groups = GroupsInOrder(items, GroupNames(items, request), request.seed);
  const std::vector<std::string> labels = ColumnTexts(items, request.label_column);
  std::map<std::string, int> number_of;
  for (const std::string& label : labels) number_of.emplace(label, 0);
  int next = 0;
  for (auto& [label, number] : number_of) number = next++;
  std::vector<std::vector<LabelCount>> counts;
  for (const std::vector<size_t>& members : groups.members) {
    std::map<int, int64_t> photos_of;
    for (size_t item : members) ++photos_of[number_of.at(labels[item])];
    counts.emplace_back();
    for (const auto& [label, photos] : photos_of) counts.back().push_back({label, photos});
  }
  return PartsOfItems(items, groups, BalanceLabelledGroups(counts, next, request.shares));
}

// Every value of every column is a label of its own; an empty cell is none.
std::vector<int> DivideMultiLabel(const Items& items, const SplitRequest& request) {
  if (request.label_columns.empty())
    InvalidArgument("a multilabel split needs --labels, the columns of the labels");
  const std::vector<size_t> order = ItemsInOrder(items, request.seed);
  std::vector<std::vector<int>> labels(items.size());  // in the drawn order
  int next = 0;
  for (const std::string& column : request.label_columns) {
    const std::vector<std::string> texts = ColumnTexts(items, column);
    std::map<std::string, int> number_of;
    for (const std::string& text : texts) {
      if (!text.empty()) number_of.emplace(text, 0);
    }
    for (auto& [text, number] : number_of) number = next++;
    for (size_t place = 0; place < order.size(); ++place) {
      if (const auto found = number_of.find(texts[order[place]]); found != number_of.end())
        labels[place].push_back(found->second);
    }
  }
  const std::vector<int> dealt = StratifyIteratively(labels, request.shares);
  std::vector<int> parts(items.size(), kNoPart);
  for (size_t place = 0; place < order.size(); ++place) parts[order[place]] = dealt[place];
  return parts;
}

void CheckShares(const SplitRequest& request) {
  double sum = 0;
  for (double share : request.shares) {
    if (!(share >= 0 && share <= 1)) InvalidArgument("a share of ", share, "; expected 0 to 1");
    sum += share;
  }
  if (std::abs(sum - 1) > 1e-6)
    InvalidArgument("shares ", StrJoin(request.shares, ", "), " sum to ", sum, "; expected 1");
}

}  // namespace

std::span<const SplitKind> SplitKinds() {
  static constexpr SplitKind kKinds[] = {
      {"identity", DivideIdentities, true, false,
       "identities are kept whole; shares are of their number, folds are balanced in photographs"},
      {"disjoint", DivideDisjointly, true, false,
       "identities are kept whole; shares are of the photographs (wildlife-datasets' disjoint "
       "set)"},
      {"closed", DivideClosed, false, true,
       "every identity of two photographs or more is on both sides (wildlife-datasets' closed "
       "set)"},
      {"open", DivideOpen, false, true,
       "closed, but --new-identities of the photographs are of identities that only test has"},
      {"stratified", DivideStratified, true, false,
       "photographs; every value of --label has its share in each part"},
      {"group", DivideByGroup, true, false,
       "values of --group (an encounter, a camera) are kept whole; shares are of the photographs"},
      {"stratified-group", DivideStratifiedByGroup, true, false,
       "values of --group are kept whole, those of --label spread as evenly as can be"},
      {"multilabel", DivideMultiLabel, true, false,
       "every value of every column of --labels has its share in each part (Sechidis et al. 2011)"},
      {"time", DivideAtTimes, false, true,
       "before --at is train, from then on test; two of them: train, val, test"},
      {"time-identity", DivideDatesOfIdentities, false, true,
       "of each identity's days the first ones are train, the later test (time-proportion)"},
  };
  return kKinds;
}

std::vector<std::string> PartNames(const SplitRequest& request) {
  const size_t parts = request.cuts.empty() ? request.shares.size() : request.cuts.size() + 1;
  if (request.folds) {
    std::vector<std::string> names;
    for (size_t fold = 0; fold < parts; ++fold) names.push_back(std::to_string(fold));
    return names;
  }
  if (parts == 2) return {"train", "test"};
  if (parts == 3) return {"train", "val", "test"};
  InvalidArgument(parts, " parts; expected two (train, test), three (train, val, test) or folds");
}

void DivideItems(std::string_view kind, const SplitRequest& request,
                 std::vector<ManifestItem>* items) {
  const SplitKind& row = Find(SplitKinds(), "split", kind);
  if (request.folds && !row.makes_folds)
    InvalidArgument("'", kind, "' is about train and test and makes no folds");
  CheckShares(request);
  const std::vector<std::string> names = PartNames(request);
  const std::vector<int> parts = row.divide(*items, request);
  std::vector<int64_t> photos(names.size(), 0);
  for (size_t i = 0; i < items->size(); ++i) {
    ManifestItem& item = (*items)[i];
    item.split = parts[i] == kNoPart ? "" : names[parts[i]];
    if (parts[i] != kNoPart) ++photos[parts[i]];
    if (!row.train_is_gallery) continue;
    item.is_gallery = parts[i] == 0;
    item.is_query = parts[i] > 0;
  }
  for (size_t part = 0; part < names.size(); ++part) {
    const bool wanted = !request.cuts.empty() || request.shares[part] > 0;
    if (photos[part] > 0 || !wanted) continue;
    InvalidArgument("nothing is left for '", names[part], "' of ", items->size(),
                    " photographs by '", kind, "'");
  }
}

void MarkQueries(std::string_view part, int64_t per_identity, std::optional<uint64_t> seed,
                 std::vector<ManifestItem>* items) {
  std::map<std::string, std::vector<size_t>> photos_of;
  for (size_t i : ItemsInOrder(*items, seed)) {
    const ManifestItem& item = (*items)[i];
    if (item.split == part && !item.identity.empty()) photos_of[item.identity].push_back(i);
  }
  for (const auto& [identity, photos] : photos_of) {
    for (size_t place = 0; place < photos.size(); ++place) {
      ManifestItem& item = (*items)[photos[place]];
      item.is_query = photos.size() > static_cast<size_t>(per_identity) &&
                      place < static_cast<size_t>(per_identity);
      item.is_gallery = !*item.is_query;
    }
  }
}

}  // namespace fluke
