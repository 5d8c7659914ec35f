// What the catalogue needs of the rooms that it does not know: functions that cli/ hands over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/embedder.h"
#include "common/vector_index.h"

namespace fluke::serve {

// Of an index that begins empty.
struct NewIndex {
  int64_t dimension = 0;
  std::string metric = {};       // cosine, ip or l2
  std::string type = {};         // a preset or factory string; empty = exact
  std::string fingerprint = {};  // of the model that will make its vectors; "" = unknown
};

// Each throws fluke::Error, whose message may name paths.
struct Openers {
  // runs: of the model that is served with the index. Null where the folder cannot be written: it
  // is served read-only then.
  std::function<std::shared_ptr<LiveIndex>(const std::filesystem::path& folder,
                                           const std::vector<std::string>& runs)>
      open_live;
  std::function<std::shared_ptr<const VectorIndex>(const std::filesystem::path& folder,
                                                   const std::vector<std::string>& runs)>
      open_read_only;
  // Durable when it returns. InvalidArgument for what cannot begin empty.
  std::function<void(const std::filesystem::path& folder, const NewIndex& index)> create_index;
  // Of run folders; several = a concatenated meta-embedding.
  std::function<std::shared_ptr<const Embedder>(const std::vector<std::string>& runs)>
      open_embedder;
};

}  // namespace fluke::serve
