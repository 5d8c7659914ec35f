#include "serve/retrieval/retrieval_service.h"

#include <exception>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/calls/task_call.h"
#include "serve/retrieval/gallery.h"
#include "serve/retrieval/match.h"
#include "serve/retrieval/pending_upsert.h"
#include "serve/retrieval/retrieval_call.h"
#include "serve/retrieval/search_request.h"
#include "serve/retrieval/submit_query.h"

namespace fluke::serve {

class RetrievalService::SearchCall final : public RetrievalCall {
 public:
  using RetrievalCall::RetrievalCall;

  void Start(const Bytes& bytes) {
    std::unique_ptr<Query> query;
    const bool begun = Begin(bytes, &request_, [&]() -> absl::Status {
      Choose(request_.collection());
      auto made = QueryFromRequest(request_, version_, service_.limits_.max_k);
      if (made.ok()) query = *std::move(made);
      return made.status();
    });
    if (!begun) return;
    Watch(*query);
    query->done = [this](const absl::StatusOr<Neighbors>& found) { Answer(found); };
    SubmitQuery(std::move(query), &service_.stages_.pipeline);
  }

 private:
  void Answer(const absl::StatusOr<Neighbors>& found) {
    if (!found.ok()) {
      Fail(found.status());
      return;
    }
    Send([&] {
      v1::SearchResponse answer;
      FillResponse(*found, *version_->index, &answer);
      return answer;
    });
  }

  v1::SearchRequest request_;  // the query views its image
};

class RetrievalService::DescribeCall final : public RetrievalCall {
 public:
  using RetrievalCall::RetrievalCall;

  void Start(const Bytes& bytes) {
    v1::DescribeRequest request;
    const bool begun = Begin(bytes, &request, [&] {
      Choose(request.collection());
      return absl::OkStatus();
    });
    if (begun) Send([&] { return Answer(); });
  }

 private:
  v1::DescribeResponse Answer() const {
    const IndexInfo& info = version_->info;
    v1::DescribeResponse answer;
    answer.set_size(info.size);
    answer.set_dimension(static_cast<int32_t>(info.dimension));
    answer.set_metric(info.metric);
    answer.set_index_type(info.factory);
    answer.set_model_fingerprint(info.fingerprint);
    answer.set_snapshot(info.snapshot);
    answer.set_accepts_images(version_->embedder != nullptr);
    answer.set_read_only(served_->live() == nullptr);
    answer.set_changed(info.changed);
    answer.set_matches_regions(info.matches_regions);
    return answer;
  }
};

class RetrievalService::SearchBatchCall final : public ManyCall {
 public:
  using ManyCall::ManyCall;

  void Start(const Bytes& bytes) {
    const bool begun = Begin(bytes, &request_, [&] {
      CheckCallSize(request_.searches_size(), "searches");
      for (const v1::SearchRequest& search : request_.searches()) {
        versions_.push_back(service_.catalogue_.Find(search.collection())->Current());
      }
      return absl::OkStatus();
    });
    if (!begun) return;
    for (int i = 0; i < request_.searches_size(); ++i) answer_.add_responses();
    Run(
        "search", static_cast<size_t>(request_.searches_size()), kSearchesAtOnce,
        [this](size_t place) { return MakeOne(place); },
        [this] { Send([&]() -> const v1::SearchBatchResponse& { return answer_; }); });
  }

 private:
  Made MakeOne(size_t place) {
    const int i = static_cast<int>(place);
    Made query = QueryFromRequest(request_.searches(i), versions_[place], service_.limits_.max_k);
    if (!query.ok()) return query;
    (*query)->done = [this, i, place](const absl::StatusOr<Neighbors>& found) {
      absl::Status status = found.status();
      if (status.ok()) {
        try {
          FillResponse(*found, *versions_[place]->index, answer_.mutable_responses(i));
        } catch (...) {
          status = StatusOf(std::current_exception(), "writing the answer");
        }
      }
      Done(place, status);
    };
    return query;
  }

  v1::SearchBatchRequest request_;
  std::vector<std::shared_ptr<const ServedVersion>> versions_;  // each search's
  v1::SearchBatchResponse answer_;
};

class RetrievalService::EmbedCall final : public ManyCall {
 public:
  using ManyCall::ManyCall;

  void Start(const Bytes& bytes) {
    const bool begun = Begin(bytes, &request_, [&] {
      CheckCallSize(request_.photographs_size(), "photographs");
      Choose(request_.collection());
      return absl::OkStatus();
    });
    if (!begun) return;
    for (int i = 0; i < request_.photographs_size(); ++i) answer_.add_vectors();
    Run(
        "photograph", static_cast<size_t>(request_.photographs_size()), kImagesAtOnce,
        [this](size_t place) { return MakeOne(place); },
        [this] { Send([&]() -> const v1::EmbedResponse& { return answer_; }); });
  }

 private:
  Made MakeOne(size_t place) {
    const int i = static_cast<int>(place);
    Made query = QueryFromPhotograph(request_.photographs(i), version_);
    if (!query.ok()) return query;
    (*query)->embedded = [this, i, place](const absl::StatusOr<std::vector<float>>& vector) {
      if (vector.ok()) {
        answer_.mutable_vectors(i)->mutable_values()->Add(vector->begin(), vector->end());
      }
      Done(place, vector.status());
    };
    return query;
  }

  v1::EmbedRequest request_;
  v1::EmbedResponse answer_;
};

class RetrievalService::UpsertCall final : public Call {
 public:
  UpsertCall(RetrievalService* service, const Method& method, Context* context, Bytes* response)
      : Call(&service->gate_, method, context, response),
        upsert_(&request_, &service->catalogue_, &service->stages_.pipeline,
                &service->stages_.changes) {}

  void Start(const Bytes& bytes) {
    if (!Begin(bytes, &request_, [&] { return upsert_.Check(); })) return;
    upsert_.Start([this](Query& query) { Watch(query); },
                  [this](const absl::StatusOr<v1::UpsertResponse>& answer) {
                    if (answer.ok()) {
                      Send([&]() -> const v1::UpsertResponse& { return *answer; });
                    } else {
                      Fail(answer.status());
                    }
                  });
  }

 private:
  v1::UpsertRequest request_;
  PendingUpsert upsert_;
};

// A look-up or a change that needs no model; it finds its collection when its turn comes.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* RetrievalService::LookUp(std::string_view method, Context* context,
                                                   const Bytes& request, Bytes* response,
                                                   Response (*handle)(const Request&,
                                                                      const ServedVersion&)) {
  return TaskCall<Request, Response>::Start(
      &gate_, {method, Right::kRead}, context, request, response, &stages_.look_ups,
      [this, handle](const Request& parsed) {
        return handle(parsed, *catalogue_.Find(parsed.collection())->Current());
      });
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* RetrievalService::Change(std::string_view method, Context* context,
                                                   const Bytes& request, Bytes* response,
                                                   Response (*handle)(const Request&,
                                                                      const ServedIndex&)) {
  return TaskCall<Request, Response>::Start(
      &gate_, {method, Right::kWrite}, context, request, response, &stages_.changes,
      [this, handle](const Request& parsed) {
        return handle(parsed, *catalogue_.Find(parsed.collection()));
      });
}

grpc::ServerUnaryReactor* RetrievalService::Search(Context* context, const Bytes* request,
                                                   Bytes* response) {
  auto* call = new SearchCall(this, {"Retrieval/Search", Right::kRead}, context, response);
  call->Start(*request);
  return call;
}

grpc::ServerUnaryReactor* RetrievalService::SearchBatch(Context* context, const Bytes* request,
                                                        Bytes* response) {
  auto* call =
      new SearchBatchCall(this, {"Retrieval/SearchBatch", Right::kRead}, context, response);
  call->Start(*request);
  return call;
}

grpc::ServerUnaryReactor* RetrievalService::Match(Context* context, const Bytes* request,
                                                  Bytes* response) {
  return TaskCall<v1::MatchRequest, v1::MatchResponse>::Start(
      &gate_, {"Retrieval/Match", Right::kRead}, context, *request, response, &stages_.look_ups,
      [this](const v1::MatchRequest& parsed) {
        return MatchItems(parsed, *catalogue_.Find(parsed.collection())->Current(),
                          stages_.pipeline.max_image_pixels());
      });
}

grpc::ServerUnaryReactor* RetrievalService::Embed(Context* context, const Bytes* request,
                                                  Bytes* response) {
  auto* call = new EmbedCall(this, {"Retrieval/Embed", Right::kRead}, context, response);
  call->Start(*request);
  return call;
}

grpc::ServerUnaryReactor* RetrievalService::Upsert(Context* context, const Bytes* request,
                                                   Bytes* response) {
  auto* call = new UpsertCall(this, {"Retrieval/Upsert", Right::kWrite}, context, response);
  call->Start(*request);
  return call;
}

grpc::ServerUnaryReactor* RetrievalService::Update(Context* context, const Bytes* request,
                                                   Bytes* response) {
  return Change("Retrieval/Update", context, *request, response, UpdateItems);
}

grpc::ServerUnaryReactor* RetrievalService::Delete(Context* context, const Bytes* request,
                                                   Bytes* response) {
  return Change("Retrieval/Delete", context, *request, response, DeleteItems);
}

grpc::ServerUnaryReactor* RetrievalService::Get(Context* context, const Bytes* request,
                                                Bytes* response) {
  return LookUp("Retrieval/Get", context, *request, response, GetItems);
}

grpc::ServerUnaryReactor* RetrievalService::Scroll(Context* context, const Bytes* request,
                                                   Bytes* response) {
  return LookUp("Retrieval/Scroll", context, *request, response, ScrollItems);
}

grpc::ServerUnaryReactor* RetrievalService::Count(Context* context, const Bytes* request,
                                                  Bytes* response) {
  return LookUp("Retrieval/Count", context, *request, response, CountItems);
}

grpc::ServerUnaryReactor* RetrievalService::Facet(Context* context, const Bytes* request,
                                                  Bytes* response) {
  return LookUp("Retrieval/Facet", context, *request, response, FacetItems);
}

grpc::ServerUnaryReactor* RetrievalService::Describe(Context* context, const Bytes* request,
                                                     Bytes* response) {
  auto* call = new DescribeCall(this, {"Retrieval/Describe", Right::kRead}, context, response);
  call->Start(*request);
  return call;
}

}  // namespace fluke::serve
