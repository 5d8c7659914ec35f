// Look-up in the constant tables of named choices (losses, backbones, transforms, metrics ...). A
// table is a constexpr array of rows that have at least {std::string_view name, std::string_view
// help}; `fluke list` prints it.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace fluke {

// The name in `known` closest to `name` by edit distance, or "" when none is near enough to be a
// typing slip.
std::string ClosestName(std::string_view name, const std::vector<std::string_view>& known);

// "unknown loss 'arcfase'; did you mean 'arcface'? known: arcface, triplet"
std::string UnknownName(std::string_view kind, std::string_view name,
                        const std::vector<std::string_view>& known);

template <typename Table>
std::vector<std::string_view> Names(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& row : table) names.push_back(row.name);
  return names;
}

// The row called `name`. Throws InvalidArgument with a suggestion when there is none; `where`
// (file:line, config path) stands before it.
template <typename Table>
const auto& Find(const Table& table, std::string_view kind, std::string_view name,
                 std::string_view where = "") {
  for (const auto& row : table) {
    if (row.name == name) return row;
  }
  InvalidArgument(where, where.empty() ? "" : ": ", UnknownName(kind, name, Names(table)));
}

}  // namespace fluke
