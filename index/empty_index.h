// An index folder that holds nothing yet, to be filled by changes (live_index.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "index/writer.h"

namespace fluke {

// The factory string of an index that can begin empty and grow by changes: of a preset or of a
// factory string itself; "" = exact. Throws InvalidArgument, naming what can begin empty, for a
// kind that has to learn from vectors first.
std::string FactoryOfEmpty(std::string_view type, int64_t dimension, std::string_view metric);

// Makes it durably; options.factory is a type as above. Throws as CreateIndex does.
void CreateEmptyIndex(const std::filesystem::path& folder, const IndexOptions& options);

}  // namespace fluke
