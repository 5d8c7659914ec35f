#include "serve/retrieval/pending_upsert.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "common/text.h"
#include "serve/retrieval/gallery.h"
#include "serve/retrieval/search_request.h"
#include "serve/status.h"

namespace fluke::serve {

absl::Status PendingUpsert::Check() {
  served_ = catalogue_.Find(request_.collection());
  version_ = served_->Current();
  Changeable(*served_);
  CheckCallSize(request_.items_size(), "items");
  dimension_ = static_cast<size_t>(version_->info.dimension);
  vectors_.resize(static_cast<size_t>(request_.items_size()) * dimension_);
  for (int i = 0; i < request_.items_size(); ++i) {
    const v1::NewItem& item = request_.items(i);
    absl::Status status;
    if (item.has_vector()) {
      status = CheckVector(item.vector(), version_->info);
      if (status.ok()) Keep(i, item.vector().values().data());
    } else if (item.has_photograph()) {
      status = QueryFromPhotograph(item.photograph(), version_).status();
      photographs_.push_back(i);
    } else {
      status = absl::InvalidArgumentError("neither a vector nor a photograph");
    }
    if (!status.ok()) return {status.code(), StrCat("item ", i, ": ", status.message())};
  }
  return absl::OkStatus();
}

void PendingUpsert::Start(std::function<void(Query&)> watch,
                          std::function<void(const absl::StatusOr<v1::UpsertResponse>&)> done) {
  watch_ = std::move(watch);
  done_ = std::move(done);
  embedding_.Start(
      photographs_.size(), kImagesAtOnce, &pipeline_,
      [this](size_t place) { return QueryOf(place); },
      [this](size_t place) { return StrCat("item ", photographs_[place]); },
      [this](const absl::Status& status) {
        if (!status.ok()) {
          Finish(status);
        } else if (!changes_.TrySubmit([this] { Change(); })) {
          Finish(absl::ResourceExhaustedError("too many calls are waiting; try again later"));
        }
      });
}

void PendingUpsert::Keep(int item, const float* vector) {
  std::copy_n(vector, dimension_, vectors_.begin() + item * static_cast<int64_t>(dimension_));
}

ManyQueries::Made PendingUpsert::QueryOf(size_t place) {
  const int i = photographs_[place];
  ManyQueries::Made query = QueryFromPhotograph(request_.items(i).photograph(), version_);
  if (!query.ok()) return query;
  watch_(**query);
  (*query)->embedded = [this, i, place](const absl::StatusOr<std::vector<float>>& vector) {
    if (vector.ok()) Keep(i, vector->data());
    embedding_.Done(place, vector.status());
  };
  return query;
}

void PendingUpsert::Change() {
  Query call;  // whether it is still wanted
  watch_(call);
  absl::StatusOr<v1::UpsertResponse> answer;
  if (call.cancelled()) {
    answer = absl::CancelledError("cancelled while it waited");
  } else if (std::chrono::system_clock::now() >= call.deadline) {
    answer = absl::DeadlineExceededError("deadline exceeded while it waited");
  } else {
    try {
      answer = UpsertItems(request_, vectors_, *served_);
    } catch (...) {
      answer = StatusOf(std::current_exception(), "the call");
    }
  }
  Finish(answer);
}

void PendingUpsert::Finish(const absl::StatusOr<v1::UpsertResponse>& answer) {
  const auto done = std::move(done_);  // outlives this
  done(answer);
}

}  // namespace fluke::serve
