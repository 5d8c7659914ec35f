#include "serve/catalogue.h"

#include "common/error.h"

namespace fluke::serve {

std::shared_ptr<const ServedIndex> Catalogue::Find(std::string_view name) const {
  if (name.empty()) return default_collection_;
  NotFound("no collection '", name.substr(0, 100), "'");
}

}  // namespace fluke::serve
