// From what a collection is made of to what answers: its index opened, its model opened and warmed
// up, both found to belong together.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serve/collections/openers.h"
#include "serve/collections/served_index.h"

namespace fluke::serve {

// One collection as the catalogue knows it. Never changed, only replaced.
struct Collection {
  std::string name;
  std::string model = {};              // its name; empty: none, or one without a name
  std::vector<std::string> runs = {};  // of the model; none: vectors only
  std::filesystem::path index = {};
  std::string photos = {};  // folder that the items' paths are relative to; empty: none
  bool read_only = false;
  bool from_config = false;
  std::shared_ptr<const ServedIndex> served =
      {};  // null: it could not be opened when the server began
};

// Collections of the same run folders share one model. One caller at a time.
class CollectionOpener {
 public:
  // warm_up_sizes: batches that a model sees before its first query (warm_up.h).
  CollectionOpener(Openers openers, std::vector<int> warm_up_sizes)
      : openers_(std::move(openers)), warm_up_sizes_(std::move(warm_up_sizes)) {}

  // Both throw what the openers throw, and FailedPrecondition where model and index do not belong
  // together.
  std::shared_ptr<const ServedIndex> Open(const Collection& collection);
  // With all that is new on disk. An index that is changed through the server is always of the
  // latest state and stays open; its model is opened anew.
  std::shared_ptr<const ServedIndex> OpenAnew(const Collection& collection);

  // Null for no runs.
  std::shared_ptr<const Embedder> Model(const std::vector<std::string>& runs);

  const Openers& openers() const { return openers_; }

 private:
  std::shared_ptr<const Embedder> NewModel(const std::vector<std::string>& runs) const;
  std::shared_ptr<const ServedIndex> OpenIndex(const Collection& collection,
                                               std::shared_ptr<const Embedder> embedder) const;

  const Openers openers_;
  const std::vector<int> warm_up_sizes_;
  std::map<std::vector<std::string>, std::weak_ptr<const Embedder>> models_;  // by their runs
};

}  // namespace fluke::serve
