// Several queries of one call go through the pipeline, some at a time; all succeed, or the whole
// fails.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/text.h"
#include "serve/retrieval/parts.h"
#include "serve/retrieval/submit_query.h"
#include "serve/status.h"

namespace fluke::serve {

// Of one call, in the pipeline at once: enough to fill its batches, a part of its queues.
inline constexpr size_t kImagesAtOnce = 32, kSearchesAtOnce = 128;

// Thread-safe once it was started.
class ManyQueries {
 public:
  using Made = absl::StatusOr<std::unique_ptr<Query>>;

  // make(place): that query, which calls Done when it was answered. name(place): what it is called
  // in an error: "search 3". finished: called once, as Parts does; it may destroy this.
  void Start(size_t count, size_t at_once, Pipeline* pipeline,
             std::function<Made(size_t place)> make, std::function<std::string(size_t place)> name,
             std::function<void(const absl::Status&)> finished) {
    name_ = std::move(name);
    parts_.emplace(
        count, at_once,
        [this, pipeline, make = std::move(make)](size_t place) {
          Made query = make(place);
          if (query.ok()) {
            SubmitQuery(*std::move(query), pipeline);
          } else {
            Done(place, query.status());
          }
        },
        std::move(finished));
    parts_->Start();
  }

  void Done(size_t place, const absl::Status& status) {
    parts_->Done(place, status.ok() ? status : WithPrefix(name_(place), status));
  }

 private:
  std::function<std::string(size_t)> name_;
  std::optional<Parts> parts_;
};

}  // namespace fluke::serve
