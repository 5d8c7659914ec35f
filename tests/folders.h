// Where the tests find what they read.
#pragma once

#include <filesystem>

namespace fluke {

std::filesystem::path SourceFolder();

// Of real data: $FLUKE_DATA, or shared/data beside the sources. Tests skip what is not there.
std::filesystem::path DataFolder();

}  // namespace fluke
