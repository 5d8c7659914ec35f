// Which rows a search may find.
#pragma once

#include <cstdint>
#include <span>

#include "index/row_set.h"

namespace fluke {

// Refers to what its maker owns.
struct SearchScope {
  std::span<const int64_t> exclude_rows = {};  // empty, or one a query; -1 = none
  const RowSet* allowed = nullptr;             // null = all

  int64_t excluded(int64_t query) const {
    return exclude_rows.empty() ? -1 : exclude_rows[static_cast<size_t>(query)];
  }
  bool Allows(int64_t row) const { return allowed == nullptr || allowed->Contains(row); }
  // How many of `rows` rows may be found, a query's excluded one not counted.
  int64_t Count(int64_t rows) const { return allowed == nullptr ? rows : allowed->Count(); }

  // Of queries [begin, begin + count).
  SearchScope Of(int64_t begin, int64_t count) const {
    if (exclude_rows.empty()) return *this;
    return {.exclude_rows =
                exclude_rows.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
            .allowed = allowed};
  }
};

}  // namespace fluke
