// What fluke evaluate prints and writes of its figures.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/evaluate_outcome.h"
#include "common/metrics/significance.h"

namespace fluke::cli {

struct ComparedMetric {
  std::string name;
  double ours = 0, theirs = 0;  // over the queries of both
  PairedTest test;
};

// Metrics of both outcomes that are means, over the queries that count in both. Throws
// InvalidArgument where they have no query or no metric in common.
std::vector<ComparedMetric> Compare(const Outcome& ours, const Outcome& theirs,
                                    const BootstrapOptions& options);

void Report(const EvaluateArguments& arguments, const Outcome& outcome,
            const std::vector<ComparedMetric>& compared);

}  // namespace fluke::cli
