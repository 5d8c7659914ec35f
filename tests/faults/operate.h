// How the functions of libc come to the layer. Only its own files include this.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "tests/faults/lost_writes.h"

namespace fluke::faults {

using Call = std::function<long()>;  // as a system call: -1 and errno

bool IsWatching();
bool IsWatched(std::string_view path);

// Counts, and does `whole` unless the plan has something else for this operation. `half`: null for
// an operation without bytes.
long Operate(const char* name, const std::string& path, const Call& whole, const Call& half = {});

// To be told of what an operation changes; null where the plan loses nothing.
LostWrites* Lost();

}  // namespace fluke::faults
