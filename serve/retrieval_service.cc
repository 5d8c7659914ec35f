#include "serve/retrieval_service.h"

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/text.h"
#include "serve/gallery.h"
#include "serve/parts.h"
#include "serve/search_request.h"
#include "serve/task_call.h"

namespace fluke::serve {
namespace {

// Of one call, in the pipeline at once: enough to fill its batches, a part of its queues.
constexpr size_t kImagesAtOnce = 32, kSearchesAtOnce = 128;

absl::Status InPlace(std::string_view what, size_t place, const absl::Status& status) {
  return WithPrefix(StrCat(what, " ", place), status);
}

}  // namespace

// A call that finds its collection and its version once, and keeps both to its end.
class RetrievalService::RetrievalCall : public Call {
 public:
  RetrievalCall(RetrievalService* service, const Method& method, Context* context, Bytes* response)
      : Call(&service->gate_, method, context, response), service_(*service) {}

 protected:
  // Throws NotFound.
  void Choose(std::string_view collection) {
    served_ = service_.catalogue_.Find(collection);
    version_ = served_->Current();
  }

  RetrievalService& service_;
  std::shared_ptr<const ServedIndex> served_;
  std::shared_ptr<const ServedVersion> version_;
};

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
    service_.stages_.pipeline.Submit(std::move(query));
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
    return answer;
  }
};

// A call of several searches or photographs, each a query of its own, some at a time.
class RetrievalService::ManyCall : public RetrievalCall {
 public:
  using RetrievalCall::RetrievalCall;

 protected:
  using Made = absl::StatusOr<std::unique_ptr<Query>>;

  // make(place): its query, but for whom to tell; finish: all have been answered. Where one fails
  // the call fails and names it: "search 3: ...".
  void Run(std::string_view what, size_t count, size_t at_once,
           const std::function<Made(size_t)>& make, const std::function<void()>& finish) {
    what_ = what;
    parts_.emplace(
        count, at_once,
        [this, make](size_t place) {
          Made query = make(place);
          if (!query.ok()) {
            Done(place, query.status());
            return;
          }
          Watch(**query);
          service_.stages_.pipeline.Submit(*std::move(query));
        },
        [this, finish](const absl::Status& status) {
          if (status.ok()) {
            finish();
          } else {
            Fail(status);
          }
        });
    parts_->Start();
  }

  void Done(size_t place, const absl::Status& status) {
    parts_->Done(place, InPlace(what_, NameOf(place), status));
  }

  // As the caller counts.
  virtual size_t NameOf(size_t place) const { return place; }

 private:
  std::string_view what_;
  std::optional<Parts> parts_;
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

// Photographs are embedded first; then all items go into the index as one change.
class RetrievalService::UpsertCall final : public ManyCall {
 public:
  using ManyCall::ManyCall;

  void Start(const Bytes& bytes) {
    if (!Begin(bytes, &request_, [&] { return Check(); })) return;
    Run(
        "item", photographs_.size(), kImagesAtOnce, [this](size_t place) { return MakeOne(place); },
        [this] {
          Submit(service_.stages_.changes,
                 [this] { return UpsertItems(request_, vectors_, *served_); });
        });
  }

 private:
  absl::Status Check() {
    Choose(request_.collection());
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
      if (!status.ok()) return InPlace("item", static_cast<size_t>(i), status);
    }
    return absl::OkStatus();
  }

  void Keep(int item, const float* vector) {
    std::copy_n(vector, dimension_, vectors_.begin() + item * static_cast<int64_t>(dimension_));
  }

  Made MakeOne(size_t place) {
    const int i = photographs_[place];
    Made query = QueryFromPhotograph(request_.items(i).photograph(), version_);
    if (!query.ok()) return query;
    (*query)->embedded = [this, i, place](const absl::StatusOr<std::vector<float>>& vector) {
      if (vector.ok()) Keep(i, vector->data());
      Done(place, vector.status());
    };
    return query;
  }

  size_t NameOf(size_t place) const override { return static_cast<size_t>(photographs_[place]); }

  v1::UpsertRequest request_;
  size_t dimension_ = 0;
  std::vector<float> vectors_;    // items x dimension
  std::vector<int> photographs_;  // items that have one
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
