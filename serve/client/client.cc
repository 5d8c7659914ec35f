#include "serve/client/client.h"

#include <grpcpp/grpcpp.h>

#include "common/error.h"
#include "fluke/v1/collections.grpc.pb.h"
#include "fluke/v1/retrieval.grpc.pb.h"
#include "serve/client/channel.h"

namespace fluke::serve {

struct RetrievalClient::Parts {
  std::string address;
  ClientOptions options;
  std::unique_ptr<v1::Retrieval::Stub> stub;
  std::unique_ptr<v1::Collections::Stub> collections;

  template <typename Request, typename Response>
  Response Call(grpc::Status (v1::Retrieval::Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Response*),
                const Request& request) const {
    return Call(*stub, method, request);
  }
  template <typename Request, typename Response>
  Response Call(grpc::Status (v1::Collections::Stub::*method)(grpc::ClientContext*, const Request&,
                                                              Response*),
                const Request& request) const {
    return Call(*collections, method, request);
  }

  template <typename Stub, typename Request, typename Response>
  Response Call(Stub& of,
                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request) const {
    Response response;
    grpc::ClientContext context;
    PrepareCall(options, &context);
    const grpc::Status status = (of.*method)(&context, request, &response);
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
  const auto channel = OpenChannel(address, options);
  parts_->stub = v1::Retrieval::NewStub(channel);
  parts_->collections = v1::Collections::NewStub(channel);
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
v1::SearchGroupsResponse RetrievalClient::SearchGroups(
    const v1::SearchGroupsRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::SearchGroups, request);
}
v1::IdentifyResponse RetrievalClient::Identify(const v1::IdentifyRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Identify, request);
}
v1::MatchResponse RetrievalClient::Match(const v1::MatchRequest& request) const {
  return parts_->Call(&v1::Retrieval::Stub::Match, request);
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
v1::DescribeResponse RetrievalClient::Describe(const std::string& collection) const {
  v1::DescribeRequest request;
  request.set_collection(collection);
  return parts_->Call(&v1::Retrieval::Stub::Describe, request);
}

v1::Collection RetrievalClient::CreateCollection(const v1::CreateCollectionRequest& request) const {
  return parts_->Call(&v1::Collections::Stub::CreateCollection, request);
}
v1::Collection RetrievalClient::DescribeCollection(const std::string& name) const {
  v1::DescribeCollectionRequest request;
  request.set_name(name);
  return parts_->Call(&v1::Collections::Stub::DescribeCollection, request);
}
v1::ListCollectionsResponse RetrievalClient::ListCollections(
    const v1::ListCollectionsRequest& request) const {
  return parts_->Call(&v1::Collections::Stub::ListCollections, request);
}
void RetrievalClient::DropCollection(const std::string& name) const {
  v1::DropCollectionRequest request;
  request.set_name(name);
  parts_->Call(&v1::Collections::Stub::DropCollection, request);
}
v1::UpdateAliasesResponse RetrievalClient::UpdateAliases(
    const v1::UpdateAliasesRequest& request) const {
  return parts_->Call(&v1::Collections::Stub::UpdateAliases, request);
}
v1::SnapshotCollectionResponse RetrievalClient::SnapshotCollection(const std::string& name) const {
  v1::SnapshotCollectionRequest request;
  request.set_name(name);
  return parts_->Call(&v1::Collections::Stub::SnapshotCollection, request);
}
v1::Collection RetrievalClient::ReloadCollection(const std::string& name) const {
  v1::ReloadCollectionRequest request;
  request.set_name(name);
  return parts_->Call(&v1::Collections::Stub::ReloadCollection, request);
}

}  // namespace fluke::serve
