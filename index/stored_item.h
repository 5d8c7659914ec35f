// Items as logs hold them (proto/fluke/v1/storage.proto).
#pragma once

#include "common/item.h"
#include "fluke/v1/storage.pb.h"

namespace fluke {

v1::StoredItem ToStored(const Item& item);
Item FromStored(const v1::StoredItem& stored);

}  // namespace fluke
