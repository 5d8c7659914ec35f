#include "index/stored_item.h"

namespace fluke {

v1::StoredItem ToStored(const Item& item) {
  v1::StoredItem stored;
  stored.set_id(item.id);
  stored.set_identity(item.identity);
  stored.set_path(item.path);
  for (const auto& [name, value] : item.metadata) {
    if (value.empty()) continue;
    v1::StoredField* field = stored.add_metadata();
    field->set_name(name);
    field->set_value(value);
  }
  return stored;
}

Item FromStored(const v1::StoredItem& stored) {
  Item item{
      .id = stored.id(), .identity = stored.identity(), .path = stored.path(), .metadata = {}};
  for (const v1::StoredField& field : stored.metadata()) {
    item.metadata[field.name()] = field.value();
  }
  return item;
}

}  // namespace fluke
