#include "serve/collections/collection_opener.h"

#include <utility>

#include "serve/collections/warm_up.h"

namespace fluke::serve {

std::shared_ptr<const ServedIndex> CollectionOpener::Open(const Collection& collection) {
  return OpenIndex(collection, Model(collection.runs));
}

std::shared_ptr<const ServedIndex> CollectionOpener::OpenAnew(const Collection& collection) {
  const std::shared_ptr<const Embedder> embedder = NewModel(collection.runs);
  const std::shared_ptr<const ServedIndex>& before = collection.served;
  const bool is_live = before != nullptr && before->live() != nullptr;
  auto served = is_live ? before->WithModel(embedder) : OpenIndex(collection, embedder);
  if (embedder != nullptr) models_[collection.runs] = embedder;
  return served;
}

std::shared_ptr<const ServedIndex> CollectionOpener::OpenIndex(
    const Collection& collection, std::shared_ptr<const Embedder> embedder) const {
  std::shared_ptr<const ServedIndex> served;
  std::shared_ptr<LiveIndex> live;
  if (!collection.read_only) live = openers_.open_live(collection.index, collection.runs);
  if (live != nullptr) {
    served = std::make_shared<const ServedIndex>(std::move(live), std::move(embedder));
  } else {
    served = std::make_shared<const ServedIndex>(
        openers_.open_read_only(collection.index, collection.runs), std::move(embedder));
  }
  Touch(*served);
  return served;
}

std::shared_ptr<const Embedder> CollectionOpener::Model(const std::vector<std::string>& runs) {
  if (runs.empty()) return nullptr;
  if (const auto known = models_.find(runs); known != models_.end()) {
    if (auto embedder = known->second.lock()) return embedder;
  }
  std::shared_ptr<const Embedder> embedder = NewModel(runs);
  models_[runs] = embedder;
  return embedder;
}

// The one that is there where nothing about it has changed: it needs no second place in memory.
std::shared_ptr<const Embedder> CollectionOpener::NewModel(
    const std::vector<std::string>& runs) const {
  if (runs.empty()) return nullptr;
  std::shared_ptr<const Embedder> embedder = openers_.open_embedder(runs);
  if (const auto known = models_.find(runs); known != models_.end()) {
    auto before = known->second.lock();
    if (before != nullptr && before->fingerprint() == embedder->fingerprint()) return before;
  }
  WarmUp(*embedder, warm_up_sizes_);
  return embedder;
}

}  // namespace fluke::serve
