// Which queries are measured, how many items are relevant to each, and what each may not find.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "common/metrics/search.h"

namespace fluke {

// Immutable; thread-safe. The labels' arrays must outlive it.
class SearchPlan {
 public:
  struct Query {
    int64_t row = 0;       // of the query table
    int64_t relevant = 0;  // gallery items of its identity that it may find, at least 1
  };

  // Throws InvalidArgument where the labels' sizes do not fit one another.
  explicit SearchPlan(const SearchLabels& labels);

  const std::vector<Query>& queries() const { return queries_; }  // that count, by row
  int64_t dropped() const { return dropped_; }

  // The gallery rows that are left out of a query's ranking, ascending. Any row of the query table.
  void LeftOut(int64_t query_row, std::vector<int64_t>* rows) const;

 private:
  SearchLabels labels_;
  std::vector<Query> queries_;
  int64_t dropped_ = 0;
  // Gallery rows by identity and camera, where cameras are given.
  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> rows_of_camera_;
};

}  // namespace fluke
