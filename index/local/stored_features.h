// Key points of a photograph as the log of local evidence holds them
// (proto/fluke/v1/storage.proto).
#pragma once

#include <string_view>

#include "common/local/key_points.h"
#include "fluke/v1/storage.pb.h"

namespace fluke {

v1::StoredFeatures ToStored(const LocalFeatures& features);
// `name` stands in errors. Throws DataLoss for anything but what ToStored made.
LocalFeatures FromStored(const v1::StoredFeatures& stored, std::string_view name);

}  // namespace fluke
