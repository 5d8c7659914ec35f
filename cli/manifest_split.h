// The part of a manifest that a command line names.
#pragma once

#include <string>

#include "common/manifest.h"

namespace fluke::cli {

// Items of that split; all where it is "". Throws InvalidArgument where there are none.
Manifest SplitOf(Manifest manifest, const std::string& split);

}  // namespace fluke::cli
