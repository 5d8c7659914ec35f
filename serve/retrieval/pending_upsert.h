// One Upsert, from its request to the moment when it is durable.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fluke/v1/retrieval.pb.h"
#include "serve/collections/catalogue.h"
#include "serve/retrieval/many_queries.h"
#include "serve/task_lane.h"

namespace fluke::serve {

// Photographs are embedded first; then all items go into the index as one change. Check, then
// Start; nothing else.
class PendingUpsert {
 public:
  // All of them outlive it; `request` is parsed when Check is called.
  PendingUpsert(const v1::UpsertRequest* request, const Catalogue* catalogue, Pipeline* pipeline,
                TaskLane* changes)
      : request_(*request), catalogue_(*catalogue), pipeline_(*pipeline), changes_(*changes) {}

  // Throws or returns what is wrong with the request.
  absl::Status Check();
  // watch: has a query end with the call. done: called once, from any thread or from this; it must
  // not block and may destroy this.
  void Start(std::function<void(Query&)> watch,
             std::function<void(const absl::StatusOr<v1::UpsertResponse>&)> done);

 private:
  void Keep(int item, const float* vector);
  ManyQueries::Made QueryOf(size_t place);
  void Change();
  void Finish(const absl::StatusOr<v1::UpsertResponse>& answer);

  const v1::UpsertRequest& request_;
  const Catalogue& catalogue_;
  Pipeline& pipeline_;
  TaskLane& changes_;
  std::shared_ptr<const ServedIndex> served_;
  std::shared_ptr<const ServedVersion> version_;
  size_t dimension_ = 0;
  std::vector<float> vectors_;    // items x dimension
  std::vector<int> photographs_;  // items that have one
  std::function<void(Query&)> watch_;
  std::function<void(const absl::StatusOr<v1::UpsertResponse>&)> done_;
  ManyQueries embedding_;
};

}  // namespace fluke::serve
