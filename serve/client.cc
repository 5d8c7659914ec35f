#include "serve/client.h"

#include <grpcpp/grpcpp.h>

#include "common/error.h"
#include "fluke/v1/retrieval.grpc.pb.h"
#include "serve/channel.h"

namespace fluke::serve {

struct RetrievalClient::Parts {
  std::string address;
  ClientOptions options;
  std::unique_ptr<v1::Retrieval::Stub> stub;

  template <typename Request, typename Response>
  Response Call(grpc::Status (v1::Retrieval::Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Response*),
                const Request& request) const {
    Response response;
    grpc::ClientContext context;
    PrepareCall(options, &context);
    const grpc::Status status = (stub.get()->*method)(&context, request, &response);
    if (status.ok()) return response;
    const auto code = static_cast<absl::StatusCode>(status.error_code());
    if (code == absl::StatusCode::kUnavailable) {
      Throw(code, "server ", address, ": ", status.error_message());
    }
    Throw(code, status.error_message());
  }
};

RetrievalClient::RetrievalClient(const std::string& address, const ClientOptions& options)
    : parts_(std::make_unique<Parts>()) {
  parts_->address = address;
  parts_->options = options;
  parts_->stub = v1::Retrieval::NewStub(OpenChannel(address, options));
}

RetrievalClient::RetrievalClient(const std::string& address, std::chrono::milliseconds timeout)
    : RetrievalClient(address, ClientOptions{.timeout = timeout}) {}

RetrievalClient::~RetrievalClient() = default;

v1::SearchResponse RetrievalClient::Search(const v1::SearchRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Search, request);
}
v1::SearchBatchResponse RetrievalClient::SearchBatch(const v1::SearchBatchRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::SearchBatch, request);
}
v1::EmbedResponse RetrievalClient::Embed(const v1::EmbedRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Embed, request);
}
v1::UpsertResponse RetrievalClient::Upsert(const v1::UpsertRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Upsert, request);
}
v1::UpdateResponse RetrievalClient::Update(const v1::UpdateRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Update, request);
}
v1::DeleteResponse RetrievalClient::Delete(const v1::DeleteRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Delete, request);
}
v1::GetResponse RetrievalClient::Get(const v1::GetRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Get, request);
}
v1::ScrollResponse RetrievalClient::Scroll(const v1::ScrollRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Scroll, request);
}
v1::CountResponse RetrievalClient::Count(const v1::CountRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Count, request);
}
v1::FacetResponse RetrievalClient::Facet(const v1::FacetRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Facet, request);
}
v1::DescribeResponse RetrievalClient::Describe() const {
  return parts_->Call(&v1::Retrieval::Stub::Describe, v1::DescribeRequest());
}

}  // namespace fluke::serve
