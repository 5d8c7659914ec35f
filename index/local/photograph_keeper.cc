#include "index/local/photograph_keeper.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "common/error.h"
#include "common/local/extract_manifest.h"
#include "common/parallel.h"
#include "index/local/local_files.h"

namespace fluke {
namespace {

const std::filesystem::path& WithEvidence(const LiveIndex& live,
                                          const std::filesystem::path& folder) {
  if (!layout::HoldsLocal(folder) && live.Current()->Describe().size == 0) {
    LocalWriter(folder, {}).Commit();
  }
  return folder;
}

std::vector<LocalFeatures> ExtractAll(const std::vector<Item>& items,
                                      std::span<const QueryPhotograph> photographs,
                                      const KeyPointOptions& options) {
  std::vector<LocalFeatures> features(items.size());
  ParallelFor(static_cast<int64_t>(items.size()), HardwareThreads(), [&](int64_t i, int) {
    const auto number = static_cast<size_t>(i);
    const QueryPhotograph& photograph = photographs[number];
    if (photograph.image.empty()) return;
    try {
      features[number] = ExtractEncoded(photograph.image, photograph.crop, options);
    } catch (const Error& error) {
      Throw(error.code(), "item '", items[number].id, "': ", error.what());
    }
  });
  return features;
}

// What is known of some items: enough to say it again.
struct Evidence {
  std::vector<Item> items = {};
  std::vector<LocalFeatures> features = {};
  std::vector<std::string> unknown = {};  // ids without
};

Evidence EvidenceOf(const LocalIndex& local, const std::vector<Item>& items) {
  Evidence evidence;
  for (const Item& item : items) {
    if (const auto photo = local.FindPhoto(item.id)) {
      evidence.items.push_back(local.item(*photo));
      evidence.features.push_back(local.features(*photo));
    } else {
      evidence.unknown.push_back(item.id);
    }
  }
  return evidence;
}

}  // namespace

PhotographKeeper::PhotographKeeper(const LiveIndex& live, const std::filesystem::path& folder)
    : folder_(folder), evidence_(WithEvidence(live, folder)) {}

void PhotographKeeper::Change(const std::vector<Item>& items,
                              std::span<const QueryPhotograph> photographs,
                              const std::function<void()>& change) {
  if (photographs.size() != items.size()) {
    InvalidArgument(photographs.size(), " photographs for ", items.size(), " items");
  }
  std::vector<LocalFeatures> features =
      ExtractAll(items, photographs, Current()->manifest().key_points);
  Evidence now;
  for (size_t i = 0; i < items.size(); ++i) {
    if (photographs[i].image.empty()) {
      now.unknown.push_back(items[i].id);
    } else {
      now.items.push_back(items[i]);
      now.features.push_back(std::move(features[i]));
    }
  }
  const auto put = [&](const Evidence& evidence) {
    evidence_.Remove(evidence.unknown);
    evidence_.Put(evidence.items, evidence.features);
  };
  const std::lock_guard lock(mutex_);
  const Evidence before = EvidenceOf(*Current(), items);
  try {
    put(now);
    change();
  } catch (...) {
    Follow("what was refused stays in the local evidence", [&] { put(before); });
    throw;
  }
}

void PhotographKeeper::Remove(const std::vector<std::string>& ids) {
  const std::lock_guard lock(mutex_);
  Follow("what was removed stays in the local evidence", [&] { evidence_.Remove(ids); });
}

void PhotographKeeper::Update(const std::vector<Item>& items) {
  const std::lock_guard lock(mutex_);
  Follow("what was updated keeps its old names in the local evidence",
         [&] { evidence_.Update(items); });
}

void PhotographKeeper::Compact() {
  const std::lock_guard lock(mutex_);
  Follow("the local evidence stays in its log", [&] { evidence_.Fold(); });
}

void PhotographKeeper::Follow(std::string_view what, const std::function<void()>& work) const {
  try {
    work();
  } catch (const Error& error) {
    spdlog::warn("{}: {}: {}", folder_.string(), what, error.what());
  }
}

}  // namespace fluke
