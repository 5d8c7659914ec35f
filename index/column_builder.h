// Makes a column, row by row.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "index/column.h"
#include "index/string_arena.h"

namespace fluke {

// Not thread-safe.
class ColumnBuilder {
 public:
  // kAlways: values get codes even where most rows differ. kUnlessMostDiffer: while the values are
  // many and most rows differ, they are kept a row each, without a hash over them.
  enum class Dictionary { kUnlessMostDiffer, kAlways };
  explicit ColumnBuilder(Dictionary dictionary) : dictionary_(dictionary) {}

  // Rows in ascending order; those left out, and those whose value is "", have none.
  void Set(int64_t row, std::string_view value);
  bool empty() const { return values_.size() == 0; }
  Column Finish(int64_t rows) &&;

 private:
  bool MostRowsDiffer(int64_t rows) const;
  // From a dictionary to a value a row.
  void LayOut();
  Column FinishDictionary(int64_t rows) &&;
  Column FinishLaidOut(int64_t rows) &&;

  Dictionary dictionary_;
  bool laid_out_ = false;
  StringArena values_;           // distinct, in the order of their coming; or laid out: one a row
  StringIndex number_of_value_;  // into values_; empty when laid out
  std::vector<uint32_t> codes_;  // as Column's; empty when laid out
};

}  // namespace fluke
