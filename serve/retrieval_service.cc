#include "serve/retrieval_service.h"

#include <exception>

#include "common/text.h"
#include "serve/search_request.h"
#include "serve/status.h"

namespace fluke::serve {
namespace {

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

}  // namespace

// One Search from its request to the moment when its answer has left; deletes itself then.
class RetrievalService::SearchCall final : public grpc::ServerUnaryReactor {
 public:
  SearchCall(RetrievalService* service, grpc::ByteBuffer* response)
      : service_(*service), version_(service->version_), response_(response) {}

  void Start(const grpc::CallbackServerContext& context, const grpc::ByteBuffer& request) {
    service_.under_way_.fetch_add(1);
    if (service_.refusing_.load()) {
      service_.under_way_.fetch_sub(1);
      is_counted_ = false;
      End(ToGrpcStatus(absl::UnavailableError("the server is stopping")));
      return;
    }
    absl::StatusOr<std::unique_ptr<Query>> query = absl::UnknownError("");
    try {
      query = MakeQuery(request);
    } catch (...) {
      query = StatusOf(std::current_exception(), "reading the request");
    }
    if (!query.ok()) {
      End(ToGrpcStatus(query.status()));
      return;
    }
    (*query)->deadline = context.deadline();
    (*query)->cancelled = [&context] { return context.IsCancelled(); };
    (*query)->done = [this](const absl::StatusOr<Neighbors>& found) { Answer(found); };
    service_.pipeline_->Submit(*std::move(query));
  }

 private:
  absl::StatusOr<std::unique_ptr<Query>> MakeQuery(const grpc::ByteBuffer& request) {
    if (absl::Status status = Parse(request, &request_); !status.ok()) return status;
    return QueryFromRequest(request_, version_, service_.limits_.max_k);
  }

  void Answer(const absl::StatusOr<Neighbors>& found) {
    grpc::Status status = ToGrpcStatus(found.status());
    if (status.ok()) {
      try {
        v1::SearchResponse answer;
        FillResponse(*found, *version_->index, &answer);
        status = Serialize(answer, response_);
      } catch (...) {
        status = ToGrpcStatus(StatusOf(std::current_exception(), "writing the answer"));
      }
    }
    End(status);
  }

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

  RetrievalService& service_;
  const std::shared_ptr<const ServedVersion> version_;
  grpc::ByteBuffer* const response_;
  v1::SearchRequest request_;  // the query views its image
  bool is_counted_ = true;
  std::atomic<bool> ended_ = false;
};

grpc::ServerUnaryReactor* RetrievalService::Search(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request,
                                                   grpc::ByteBuffer* response) {
  auto* call = new SearchCall(this, response);
  call->Start(*context, *request);
  return call;
}

grpc::ServerUnaryReactor* RetrievalService::Describe(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request,
                                                     grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  v1::DescribeRequest parsed;
  if (absl::Status status = Parse(*request, &parsed); !status.ok()) {
    reactor->Finish(ToGrpcStatus(status));
    return reactor;
  }
  const IndexInfo& info = version_->info;
  v1::DescribeResponse answer;
  answer.set_size(info.size);
  answer.set_dimension(static_cast<int32_t>(info.dimension));
  answer.set_metric(info.metric);
  answer.set_index_type(info.factory);
  answer.set_model_fingerprint(info.fingerprint);
  answer.set_snapshot(info.snapshot);
  answer.set_accepts_images(version_->embedder != nullptr);
  reactor->Finish(Serialize(answer, response));
  return reactor;
}

}  // namespace fluke::serve
