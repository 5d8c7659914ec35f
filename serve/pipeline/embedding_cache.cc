#include "serve/pipeline/embedding_cache.h"

#include "serve/pipeline/pipeline.h"

namespace fluke::serve {

std::string EmbeddingCache::KeyOf(const Query& query) {
  std::string key = query.version->embedder->fingerprint() + "\n";
  const Box crop = query.crop.value_or(Box());
  const float parts[] = {query.crop ? 1.0f : 0.0f, crop.x, crop.y, crop.w, crop.h};
  key.append(reinterpret_cast<const char*>(parts), sizeof(parts));
  key.append(query.image);
  return key;
}

EmbeddingCache::Found EmbeddingCache::Find(const std::string& key, std::unique_ptr<Query>& query) {
  if (max_bytes_ == 0) return Found::kNothing;
  const std::lock_guard lock(mutex_);
  if (const auto kept = by_key_.find(key); kept != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, kept->second);
    query->vector = kept->second->vector;
    return Found::kVector;
  }
  const auto [making, is_new] = being_made_.try_emplace(key);
  if (is_new) return Found::kNothing;
  making->second.push_back(std::move(query));
  return Found::kWaiting;
}

EmbeddingCache::Queries EmbeddingCache::Made(const std::string& key,
                                             const std::vector<float>& vector) {
  if (max_bytes_ == 0) return {};
  const std::lock_guard lock(mutex_);
  Queries waiting = TakeWaiting(key);
  for (const auto& query : waiting) query->vector = vector;
  if (by_key_.contains(key)) return waiting;
  entries_.push_front({.key = key, .vector = vector});
  by_key_.emplace(entries_.front().key, entries_.begin());
  bytes_ += entries_.front().bytes();
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back().bytes();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return waiting;
}

EmbeddingCache::Queries EmbeddingCache::Failed(const std::string& key) {
  if (max_bytes_ == 0) return {};
  const std::lock_guard lock(mutex_);
  return TakeWaiting(key);
}

EmbeddingCache::Queries EmbeddingCache::TakeWaiting(const std::string& key) {
  const auto making = being_made_.find(key);
  if (making == being_made_.end()) return {};
  Queries waiting = std::move(making->second);
  being_made_.erase(making);
  return waiting;
}

}  // namespace fluke::serve
