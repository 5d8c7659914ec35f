// The collections that a server answers from, by name.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "serve/served_index.h"

namespace fluke::serve {

// Thread-safe.
class Catalogue {
 public:
  // With one collection, the default one.
  explicit Catalogue(std::shared_ptr<const ServedIndex> default_collection)
      : default_collection_(std::move(default_collection)) {}

  // The collection of this name or alias; empty = the default one. It may be used as long as it is
  // held. Throws NotFound.
  std::shared_ptr<const ServedIndex> Find(std::string_view name) const;

 private:
  const std::shared_ptr<const ServedIndex> default_collection_;
};

}  // namespace fluke::serve
