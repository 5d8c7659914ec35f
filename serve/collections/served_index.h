// The index that a server answers from: one version for good, or the latest of an index that is
// changed through it.
#pragma once

#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "serve/collections/served_version.h"

namespace fluke::serve {

// Thread-safe.
class ServedIndex {
 public:
  // `embedder` may be null. Both throw as MakeServedVersion.
  ServedIndex(std::shared_ptr<const VectorIndex> index, std::shared_ptr<const Embedder> embedder);
  ServedIndex(std::shared_ptr<LiveIndex> live, std::shared_ptr<const Embedder> embedder);

  // With every change that was acknowledged so far.
  std::shared_ptr<const ServedVersion> Current() const;
  // The same index with that model. Throws as MakeServedVersion.
  std::shared_ptr<const ServedIndex> WithModel(std::shared_ptr<const Embedder> embedder) const;

  // Null: read-only.
  LiveIndex* live() const { return live_.get(); }

 private:
  const std::shared_ptr<LiveIndex> live_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const ServedVersion> version_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fluke::serve
