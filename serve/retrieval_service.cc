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
#include "serve/status.h"

namespace fluke::serve {
namespace {

// Of one call, in the pipeline at once: enough to fill its batches, a part of its queues.
constexpr size_t kImagesAtOnce = 32, kSearchesAtOnce = 128;

// INVALID_ARGUMENT when the bytes are no `Message`.
template <typename Message>
absl::Status Parse(const grpc::ByteBuffer& bytes, Message* message) {
  grpc::ByteBuffer shared = bytes;  // the reader wants a mutable one; the slices are not copied
  if (grpc::SerializationTraits<Message>::Deserialize(&shared, message).ok()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      StrCat("the request is no valid ", Message::descriptor()->full_name()));
}

template <typename Message>
grpc::Status Serialize(const Message& message, grpc::ByteBuffer* bytes) {
  bool own_buffer = false;
  return grpc::SerializationTraits<Message>::Serialize(message, bytes, &own_buffer);
}

absl::Status InPlace(std::string_view what, size_t place, const absl::Status& status) {
  if (status.ok()) return status;
  return {status.code(), StrCat(what, " ", place, ": ", status.message())};
}

}  // namespace

// One call from its request to the moment when its answer has left; deletes itself then.
class RetrievalService::Call : public grpc::ServerUnaryReactor {
 public:
  Call(RetrievalService* service, Context* context, Bytes* response)
      : service_(*service), context_(*context), response_(*response) {}

 protected:
  // Parses and checks, by `check`, which throws or returns what is wrong. False when the call has
  // been answered instead.
  template <typename Request, typename Check>
  bool Begin(const Bytes& bytes, Request* request, const Check& check) {
    service_.under_way_.fetch_add(1);
    if (service_.refusing_.load()) {
      service_.under_way_.fetch_sub(1);
      is_counted_ = false;
      Fail(absl::UnavailableError("the server is stopping"));
      return false;
    }
    absl::Status status = Parse(bytes, request);
    if (status.ok()) {
      try {
        status = check();
      } catch (...) {
        status = StatusOf(std::current_exception(), "reading the request");
      }
    }
    if (!status.ok()) Fail(status);
    return status.ok();
  }

  // What the call waits for in the pipeline ends with it.
  void Watch(Query& query) const {
    query.deadline = context_.deadline();
    query.cancelled = [&context = context_] { return context.IsCancelled(); };
  }

  // False when the call has been answered instead.
  bool IsWanted() {
    if (context_.IsCancelled()) {
      Fail(absl::CancelledError("cancelled while it waited"));
    } else if (std::chrono::system_clock::now() >= context_.deadline()) {
      Fail(absl::DeadlineExceededError("deadline exceeded while it waited"));
    } else {
      return true;
    }
    return false;
  }

  // A task of its own for the rest of the call: `answer` makes it or throws.
  template <typename MakeAnswer>
  void Submit(TaskLane& lane, const MakeAnswer& make_answer) {
    const bool taken = lane.TrySubmit([this, make_answer] {
      if (IsWanted()) Send(make_answer);
    });
    if (!taken) Fail(absl::ResourceExhaustedError("too many calls are waiting; try again later"));
  }

  template <typename MakeAnswer>
  void Send(const MakeAnswer& make_answer) {
    grpc::Status status;
    try {
      status = Serialize(make_answer(), &response_);
    } catch (...) {
      status = ToGrpcStatus(StatusOf(std::current_exception(), "the call"));
    }
    End(status);
  }

  void Fail(const absl::Status& status) { End(ToGrpcStatus(status)); }

  RetrievalService& service_;

 private:
  // The last thing that is done to a call. gRPC orders it before OnDone with locks of its own;
  // `ended_` says so where ThreadSanitizer can see it.
  void End(const grpc::Status& status) {
    ended_.store(true, std::memory_order_release);
    Finish(status);
  }
  void OnDone() override {
    ended_.load(std::memory_order_acquire);
    if (is_counted_) service_.under_way_.fetch_sub(1);
    delete this;
  }

  Context& context_;
  Bytes& response_;
  bool is_counted_ = true;
  std::atomic<bool> ended_ = false;
};

class RetrievalService::SearchCall final : public Call {
 public:
  using Call::Call;

  void Start(const Bytes& bytes) {
    std::unique_ptr<Query> query;
    const bool begun = Begin(bytes, &request_, [&]() -> absl::Status {
      version_ = service_.served_.Current();
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

  std::shared_ptr<const ServedVersion> version_;
  v1::SearchRequest request_;  // the query views its image
};

// A call of several searches or photographs, each a query of its own, some at a time.
class RetrievalService::ManyCall : public Call {
 public:
  using Call::Call;

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

  std::shared_ptr<const ServedVersion> version_;

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
      return absl::OkStatus();
    });
    if (!begun) return;
    version_ = service_.served_.Current();
    for (int i = 0; i < request_.searches_size(); ++i) answer_.add_responses();
    Run(
        "search", static_cast<size_t>(request_.searches_size()), kSearchesAtOnce,
        [this](size_t place) { return MakeOne(place); },
        [this] { Send([&]() -> const v1::SearchBatchResponse& { return answer_; }); });
  }

 private:
  Made MakeOne(size_t place) {
    const int i = static_cast<int>(place);
    Made query = QueryFromRequest(request_.searches(i), version_, service_.limits_.max_k);
    if (!query.ok()) return query;
    (*query)->done = [this, i, place](const absl::StatusOr<Neighbors>& found) {
      absl::Status status = found.status();
      if (status.ok()) {
        try {
          FillResponse(*found, *version_->index, answer_.mutable_responses(i));
        } catch (...) {
          status = StatusOf(std::current_exception(), "writing the answer");
        }
      }
      Done(place, status);
    };
    return query;
  }

  v1::SearchBatchRequest request_;
  v1::SearchBatchResponse answer_;
};

class RetrievalService::EmbedCall final : public ManyCall {
 public:
  using ManyCall::ManyCall;

  void Start(const Bytes& bytes) {
    const bool begun = Begin(bytes, &request_, [&] {
      CheckCallSize(request_.photographs_size(), "photographs");
      return absl::OkStatus();
    });
    if (!begun) return;
    version_ = service_.served_.Current();
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
                 [this] { return UpsertItems(request_, vectors_, service_.served_); });
        });
  }

 private:
  absl::Status Check() {
    Changeable(service_.served_);
    CheckCallSize(request_.items_size(), "items");
    version_ = service_.served_.Current();
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

// A look-up or a change that needs no model.
template <typename Request, typename Response>
class RetrievalService::TaskCall final : public Call {
 public:
  using Call::Call;

  void Start(const Bytes& bytes, TaskLane& lane, std::function<Response(const Request&)> handle) {
    if (!Begin(bytes, &request_, [] { return absl::OkStatus(); })) return;
    Submit(lane, [this, handle = std::move(handle)] { return handle(request_); });
  }

  static grpc::ServerUnaryReactor* LookUp(RetrievalService* service, Context* context,
                                          const Bytes& request, Bytes* response,
                                          Response (*handle)(const Request&,
                                                             const ServedVersion&)) {
    auto* call = new TaskCall(service, context, response);
    call->Start(request, service->stages_.look_ups, [service, handle](const Request& parsed) {
      return handle(parsed, *service->served_.Current());
    });
    return call;
  }

  static grpc::ServerUnaryReactor* Change(RetrievalService* service, Context* context,
                                          const Bytes& request, Bytes* response,
                                          Response (*handle)(const Request&, const ServedIndex&)) {
    auto* call = new TaskCall(service, context, response);
    call->Start(request, service->stages_.changes, [service, handle](const Request& parsed) {
      return handle(parsed, service->served_);
    });
    return call;
  }

 private:
  Request request_;
};

grpc::ServerUnaryReactor* RetrievalService::Search(Context* context, const Bytes* request,
                                                   Bytes* response) {
  auto* call = new SearchCall(this, context, response);
  call->Start(*request);
  return call;
}

grpc::ServerUnaryReactor* RetrievalService::SearchBatch(Context* context, const Bytes* request,
                                                        Bytes* response) {
  auto* call = new SearchBatchCall(this, context, response);
  call->Start(*request);
  return call;
}

grpc::ServerUnaryReactor* RetrievalService::Embed(Context* context, const Bytes* request,
                                                  Bytes* response) {
  auto* call = new EmbedCall(this, context, response);
  call->Start(*request);
  return call;
}

grpc::ServerUnaryReactor* RetrievalService::Upsert(Context* context, const Bytes* request,
                                                   Bytes* response) {
  auto* call = new UpsertCall(this, context, response);
  call->Start(*request);
  return call;
}

grpc::ServerUnaryReactor* RetrievalService::Update(Context* context, const Bytes* request,
                                                   Bytes* response) {
  return TaskCall<v1::UpdateRequest, v1::UpdateResponse>::Change(this, context, *request, response,
                                                                 UpdateItems);
}

grpc::ServerUnaryReactor* RetrievalService::Delete(Context* context, const Bytes* request,
                                                   Bytes* response) {
  return TaskCall<v1::DeleteRequest, v1::DeleteResponse>::Change(this, context, *request, response,
                                                                 DeleteItems);
}

grpc::ServerUnaryReactor* RetrievalService::Get(Context* context, const Bytes* request,
                                                Bytes* response) {
  return TaskCall<v1::GetRequest, v1::GetResponse>::LookUp(this, context, *request, response,
                                                           GetItems);
}

grpc::ServerUnaryReactor* RetrievalService::Scroll(Context* context, const Bytes* request,
                                                   Bytes* response) {
  return TaskCall<v1::ScrollRequest, v1::ScrollResponse>::LookUp(this, context, *request, response,
                                                                 ScrollItems);
}

grpc::ServerUnaryReactor* RetrievalService::Count(Context* context, const Bytes* request,
                                                  Bytes* response) {
  return TaskCall<v1::CountRequest, v1::CountResponse>::LookUp(this, context, *request, response,
                                                               CountItems);
}

grpc::ServerUnaryReactor* RetrievalService::Facet(Context* context, const Bytes* request,
                                                  Bytes* response) {
  return TaskCall<v1::FacetRequest, v1::FacetResponse>::LookUp(this, context, *request, response,
                                                               FacetItems);
}

grpc::ServerUnaryReactor* RetrievalService::Describe(Context* context, const Bytes* request,
                                                     Bytes* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  v1::DescribeRequest parsed;
  if (absl::Status status = Parse(*request, &parsed); !status.ok()) {
    reactor->Finish(ToGrpcStatus(status));
    return reactor;
  }
  const auto version = served_.Current();
  const IndexInfo& info = version->info;
  v1::DescribeResponse answer;
  answer.set_size(info.size);
  answer.set_dimension(static_cast<int32_t>(info.dimension));
  answer.set_metric(info.metric);
  answer.set_index_type(info.factory);
  answer.set_model_fingerprint(info.fingerprint);
  answer.set_snapshot(info.snapshot);
  answer.set_accepts_images(version->embedder != nullptr);
  answer.set_read_only(served_.live() == nullptr);
  answer.set_changed(info.changed);
  reactor->Finish(Serialize(answer, response));
  return reactor;
}

}  // namespace fluke::serve
