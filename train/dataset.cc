#include "train/dataset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/split.h"

namespace fluke::train {
namespace {

constexpr size_t kMaxNamed = 8;

std::map<std::string, int64_t> CountPhotos(const Manifest& manifest,
                                           const std::vector<bool>& keep) {
  std::map<std::string, int64_t> counts;
  for (size_t i = 0; i < manifest.items.size(); ++i) {
    if (keep[i] && !manifest.items[i].identity.empty()) ++counts[manifest.items[i].identity];
  }
  return counts;
}

std::vector<std::string> KeysOf(const std::map<std::string, int64_t>& counts) {
  std::vector<std::string> keys;
  for (const auto& [key, count] : counts) keys.push_back(key);
  return keys;
}

LabelledPhotos Label(const Manifest& manifest, const std::vector<bool>& keep) {
  LabelledPhotos photos{.manifest = Select(manifest, keep),
                        .labels = {},
                        .identities = KeysOf(CountPhotos(manifest, keep)),
                        .weights = {}};
  for (const ManifestItem& item : photos.manifest.items) {
    const auto at =
        std::lower_bound(photos.identities.begin(), photos.identities.end(), item.identity);
    photos.labels.push_back(at - photos.identities.begin());
  }
  return photos;
}

// Of the column that the config names; 1 where it has no value.
std::vector<float> WeightsOf(const Manifest& manifest, const std::string& column,
                             const std::string& where) {
  std::vector<float> weights;
  bool is_there = false;
  for (const ManifestItem& item : manifest.items) {
    float& weight = weights.emplace_back(1.f);
    const auto found = item.metadata.find(column);
    if (found == item.metadata.end()) continue;
    is_there = true;
    if (!absl::SimpleAtof(found->second, &weight) || !(weight > 0) || !std::isfinite(weight)) {
      InvalidArgument(manifest.name, ":", item.line, ": ", column, " is '", found->second,
                      "', expected a weight above 0");
    }
  }
  if (!is_there) {
    InvalidArgument(where, ": ", manifest.name, " has no column '", column,
                    "' in the rows that are trained on");
  }
  return weights;
}

std::string NameSome(std::vector<std::string> names) {
  const size_t count = names.size();
  if (count > kMaxNamed) names.resize(kMaxNamed);
  return StrCat(absl::StrJoin(names, ", "), count > kMaxNamed ? ", ..." : "");
}

}  // namespace

TrainingData DivideManifest(const Manifest& manifest, const fluke::v1::Data& config,
                            const ConfigSource& source) {
  const size_t n = manifest.items.size();
  TrainingData data;
  const std::set<std::string> dropped(config.drop_identities().begin(),
                                      config.drop_identities().end());
  bool has_split = false;
  size_t unknown = 0;
  for (const ManifestItem& item : manifest.items) has_split |= !item.split.empty();

  std::vector<bool> train(n), val(n);
  bool has_val_split = false;
  for (size_t i = 0; i < n; ++i) {
    const ManifestItem& item = manifest.items[i];
    if (dropped.contains(item.identity)) continue;
    if (item.identity.empty()) {
      ++unknown;
      continue;
    }
    train[i] = !has_split || item.split == config.train_split();
    val[i] = has_split && item.split == config.val_split();
    has_val_split |= val[i];
  }
  if (unknown > 0)
    data.notes.push_back(StrCat(unknown, " photographs without an identity are not used"));

  if (!has_val_split && config.val_fraction() > 0) {
    const auto held_out = HeldOut(KeysOf(CountPhotos(manifest, train)), config.val_fraction());
    const std::set<std::string> names(held_out.begin(), held_out.end());
    for (size_t i = 0; i < n; ++i) {
      if (!train[i] || !names.contains(manifest.items[i].identity)) continue;
      train[i] = false;
      val[i] = true;
    }
  }

  std::vector<std::string> few;
  const auto counts = CountPhotos(manifest, train);
  for (const auto& [identity, count] : counts) {
    if (count < config.min_photos()) few.push_back(identity);
  }
  if (!few.empty()) {
    data.notes.push_back(StrCat(few.size(), " identities with fewer than ", config.min_photos(),
                                " photographs are not trained on: ", NameSome(few)));
    for (size_t i = 0; i < n; ++i) {
      if (train[i] && counts.at(manifest.items[i].identity) < config.min_photos()) train[i] = false;
    }
  }

  data.train = Label(manifest, train);
  if (!config.weight_column().empty()) {
    data.train.weights =
        WeightsOf(data.train.manifest, config.weight_column(), source.Where("data.weight_column"));
  }
  data.val = Label(manifest, val);
  if (data.train.identities.size() < 2) {
    InvalidArgument(source.Where("data"), ": ", manifest.name, " leaves ",
                    data.train.identities.size(), " identities to train on (of ", n,
                    " photographs; train_split '", config.train_split(), "', min_photos ",
                    config.min_photos(), "); at least 2 are needed");
  }
  return data;
}

}  // namespace fluke::train
