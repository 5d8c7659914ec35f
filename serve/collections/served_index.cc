#include "serve/collections/served_index.h"

#include <utility>

namespace fluke::serve {

ServedIndex::ServedIndex(std::shared_ptr<const VectorIndex> index,
                         std::shared_ptr<const Embedder> embedder)
    : version_(MakeServedVersion(std::move(index), std::move(embedder))) {}

ServedIndex::ServedIndex(std::shared_ptr<LiveIndex> live, std::shared_ptr<const Embedder> embedder)
    : live_(std::move(live)), version_(MakeServedVersion(live_->Current(), std::move(embedder))) {}

std::shared_ptr<const ServedIndex> ServedIndex::WithModel(
    std::shared_ptr<const Embedder> embedder) const {
  if (live_ != nullptr) return std::make_shared<const ServedIndex>(live_, std::move(embedder));
  return std::make_shared<const ServedIndex>(Current()->index, std::move(embedder));
}

std::shared_ptr<const ServedVersion> ServedIndex::Current() const {
  const std::lock_guard lock(mutex_);
  if (live_ == nullptr) return version_;
  std::shared_ptr<const VectorIndex> index = live_->Current();
  if (index != version_->index) {
    auto next = std::make_shared<ServedVersion>(*version_);
    next->info = index->Describe();
    next->index = std::move(index);
    version_ = std::move(next);
  }
  return version_;
}

}  // namespace fluke::serve
