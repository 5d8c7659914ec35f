// Keeps the local evidence of an index in step with its items, as photographs come and go.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "common/item.h"
#include "common/vector_index.h"
#include "index/local/live_local_index.h"

namespace fluke {

// Thread-safe.
class PhotographKeeper {
 public:
  // live: the index in `folder`, whose lock it holds. One without items gets local evidence of
  // nothing, with the default key points, where there is none. Throws as LocalIndex does.
  PhotographKeeper(const LiveIndex& live, const std::filesystem::path& folder);

  std::shared_ptr<const LocalIndex> Current() const { return evidence_.Current(); }

  // photographs: one an item. Puts the key points of those that have an image and takes away those
  // of the other items, of whose vectors they are not; then calls `change`, which changes the index
  // itself. Where that throws, the local evidence is as before. Throws InvalidArgument, naming the
  // item, for an image that cannot be read.
  void Change(const std::vector<Item>& items, std::span<const QueryPhotograph> photographs,
              const std::function<void()>& change);

  // After a change of the index that has happened: where the local evidence cannot follow (a full
  // disk), the log says so. Items that are gone are then background still.
  void Remove(const std::vector<std::string>& ids);
  void Update(const std::vector<Item>& items);
  void Compact();

 private:
  void Follow(std::string_view what, const std::function<void()>& work) const;

  const std::filesystem::path folder_;
  LiveLocalIndex evidence_;
  std::mutex mutex_;  // one change at a time
};

}  // namespace fluke
