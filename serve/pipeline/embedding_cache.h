// Vectors of photographs that were asked for lately, so that one photograph costs one embedding
// however often it is asked for: by several clients at once, again with another filter, and so on.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"

namespace fluke::serve {

struct Query;

// Thread-safe.
class EmbeddingCache {
 public:
  // Of the photographs as they came and their vectors. 0: nothing is kept, and no two queries wait
  // for each other.
  explicit EmbeddingCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  // The model, the crop and the photograph's own bytes: nobody can make two of them collide.
  static std::string KeyOf(const Query& query);

  enum class Found {
    kVector,   // query->vector is filled
    kWaiting,  // another query makes the vector; `query` is taken and comes back from Made or
               // Failed
    kNothing,  // the caller makes the vector and then calls Made or Failed
  };
  Found Find(const std::string& key, std::unique_ptr<Query>& query);

  // Of the photographs and vectors that are kept.
  size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

  // Both give back those that waited; Made fills their vectors.
  using Queries = std::vector<std::unique_ptr<Query>>;
  Queries Made(const std::string& key, const std::vector<float>& vector);
  Queries Failed(const std::string& key);

 private:
  struct Entry {
    std::string key;
    std::vector<float> vector;

    size_t bytes() const { return key.size() + vector.size() * sizeof(float); }
  };
  Queries TakeWaiting(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // the latest used first
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string_view, std::list<Entry>::iterator> by_key_
      ABSL_GUARDED_BY(mutex_);  // views the entries
  absl::flat_hash_map<std::string, Queries> being_made_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fluke::serve
