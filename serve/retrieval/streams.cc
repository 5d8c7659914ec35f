// SearchStream and UpsertStream.
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "serve/calls/stream_call.h"
#include "serve/retrieval/pending_upsert.h"
#include "serve/retrieval/retrieval_service.h"
#include "serve/retrieval/search_request.h"
#include "serve/retrieval/submit_query.h"
#include "serve/status.h"

namespace fluke::serve {
namespace {

// Of one stream: enough to fill batches, a part of the pipeline's queues.
constexpr size_t kStreamSearchesAtOnce = 32;

// A message that is part of an answer has to be UTF-8, which a file's name in it or a text that was
// cut need not be.
std::string AsciiOf(std::string text) {
  for (char& c : text) {
    if (!absl::ascii_isascii(static_cast<unsigned char>(c))) c = '?';
  }
  return text;
}

}  // namespace

class RetrievalService::SearchStreamCall final : public StreamCall {
 public:
  SearchStreamCall(RetrievalService* service, Context* context)
      : StreamCall(&service->gate_, &service->open_streams_,
                   {"Retrieval/SearchStream", Right::kRead}, context, kStreamSearchesAtOnce),
        service_(*service) {}

 private:
  struct OneSearch {
    v1::SearchStreamRequest request;  // the query views its images
    std::shared_ptr<const ServedVersion> version;
  };

  void Handle(const grpc::ByteBuffer& bytes) override {
    auto search = std::make_unique<OneSearch>();
    const absl::Status counted = CountRequest();
    auto query = QueryOf(bytes, search.get());
    if (!counted.ok()) query = counted;
    if (!query.ok()) {
      AnswerWith(search->request.number(), query.status(), {});
      return;
    }
    Watch(**query);
    // `done` is called exactly once, but must be able to be copied.
    (*query)->done = [this, taken = search.release()](const absl::StatusOr<Neighbors>& found) {
      const std::unique_ptr<OneSearch> owned(taken);
      Found(*owned, found);
    };
    SubmitQuery(*std::move(query), &service_.stages_.pipeline);
  }

  absl::StatusOr<std::unique_ptr<Query>> QueryOf(const grpc::ByteBuffer& bytes,
                                                 OneSearch* search) const {
    absl::Status status = Parse(bytes, &search->request);
    if (!status.ok()) return status;
    const v1::SearchRequest& request = search->request.search();
    try {
      search->version = service_.catalogue_.Find(request.collection())->Current();
      return QueryFromRequest(request, search->version, service_.limits_.max_k);
    } catch (...) {
      return StatusOf(std::current_exception(), "reading the request");
    }
  }

  void Found(const OneSearch& search, const absl::StatusOr<Neighbors>& found) {
    absl::Status status = found.status();
    v1::SearchResponse response;
    if (status.ok()) {
      try {
        FillResponse(*found, *search.version->index, &response);
      } catch (...) {
        status = StatusOf(std::current_exception(), "writing the answer");
      }
    }
    AnswerWith(search.request.number(), status, std::move(response));
  }

  void AnswerWith(uint64_t number, const absl::Status& status, v1::SearchResponse response) {
    v1::SearchStreamResponse answer;
    answer.set_number(number);
    if (status.ok()) {
      *answer.mutable_response() = std::move(response);
    } else {
      const grpc::Status shown = Shown(status);
      answer.set_code(shown.error_code());
      answer.set_message(AsciiOf(shown.error_message()));
    }
    grpc::ByteBuffer bytes;
    const grpc::Status serialized = Serialize(answer, &bytes);
    if (serialized.ok()) {
      Answer(bytes);
    } else {
      Break(absl::InternalError(serialized.error_message()));
    }
  }

  RetrievalService& service_;
};

class RetrievalService::UpsertStreamCall final : public StreamCall {
 public:
  UpsertStreamCall(RetrievalService* service, Context* context)
      : StreamCall(&service->gate_, &service->open_streams_,
                   {"Retrieval/UpsertStream", Right::kWrite}, context, /*at_once=*/1),
        service_(*service) {}

 private:
  // One after the other: what a later message says of an item holds.
  void Handle(const grpc::ByteBuffer& bytes) override {
    request_.Clear();
    upsert_ = std::make_unique<PendingUpsert>(
        &request_, &service_.catalogue_, &service_.stages_.pipeline, &service_.stages_.changes);
    absl::Status status = CountRequest();
    if (status.ok()) status = Parse(bytes, &request_);
    if (status.ok()) {
      try {
        status = upsert_->Check();
      } catch (...) {
        status = StatusOf(std::current_exception(), "reading the request");
      }
    }
    if (!status.ok()) {
      Break(status);
      return;
    }
    upsert_->Start([this](Query& query) { Watch(query); },
                   [this](const absl::StatusOr<v1::UpsertResponse>& upserted) {
                     grpc::ByteBuffer answer;
                     if (!upserted.ok()) {
                       Break(upserted.status());
                     } else if (Serialize(*upserted, &answer).ok()) {
                       Answer(answer);
                     } else {
                       Break(absl::InternalError("the answer cannot be written"));
                     }
                   });
  }

  RetrievalService& service_;
  v1::UpsertRequest request_;
  std::unique_ptr<PendingUpsert> upsert_;  // of `request_`
};

RetrievalService::Stream* RetrievalService::SearchStream(Context* context) {
  auto* call = new SearchStreamCall(this, context);
  call->Start();
  return call;
}

RetrievalService::Stream* RetrievalService::UpsertStream(Context* context) {
  auto* call = new UpsertStreamCall(this, context);
  call->Start();
  return call;
}

}  // namespace fluke::serve
