// The way of every query into the pipeline.
#pragma once

#include <memory>

#include "serve/pipeline/pipeline.h"

namespace fluke::serve {

// As pipeline->Submit, of a query of examples as well: those that are photographs are embedded,
// some at a time, and all become one vector. A query that has its vector and of which no more is
// wanted is answered at once.
void SubmitQuery(std::unique_ptr<Query> query, Pipeline* pipeline);

}  // namespace fluke::serve
