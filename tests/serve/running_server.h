// A server on a free port of 127.0.0.1 with the fakes behind it, and ways to call it.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "fluke/v1/retrieval.grpc.pb.h"
#include "serve/server.h"
#include "tests/serve/fakes.h"

namespace fluke::serve {

inline v1::ServeConfig LoopbackConfig() {
  v1::ServeConfig config;
  config.set_listen("127.0.0.1:0");
  config.set_threads(2);
  config.set_embedding_cache_mb(0);  // tests count embeddings
  return config;
}

struct Answer {
  grpc::Status status;
  v1::SearchResponse response;

  std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    for (const v1::Hit& hit : response.hits()) ids.push_back(hit.id());
    return ids;
  }
};

struct RunningServer {
  explicit RunningServer(const v1::ServeConfig& config = LoopbackConfig(), bool with_model = true,
                         std::shared_ptr<FakeIndex> gallery = std::make_shared<FakeIndex>())
      : index(std::move(gallery)),
        server(index, with_model ? embedder : nullptr, config),
        channel(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials())),
        stub(v1::Retrieval::NewStub(channel)) {}
  ~RunningServer() {
    index->gate.Open();
    embedder->gate.Open();
  }

  Answer Search(const v1::SearchRequest& request,
                std::chrono::milliseconds timeout = std::chrono::seconds(30)) const {
    Answer answer;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    answer.status = stub->Search(&context, request, &answer.response);
    return answer;
  }

  // Any bytes to any method.
  grpc::Status CallRaw(const std::string& method, const std::string& bytes,
                       std::string* response_bytes = nullptr) const {
    grpc::GenericStub generic(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> status;
    generic.UnaryCall(&context, method, grpc::StubOptions(), &request, &response,
                      [&](const grpc::Status& result) { status.set_value(result); });
    const grpc::Status result = status.get_future().get();
    if (response_bytes != nullptr) {
      std::vector<grpc::Slice> slices;
      if (response.Dump(&slices).ok()) {
        for (const grpc::Slice& part : slices) {
          response_bytes->append(reinterpret_cast<const char*>(part.begin()), part.size());
        }
      }
    }
    return result;
  }

  std::shared_ptr<FakeIndex> index;
  std::shared_ptr<FakeEmbedder> embedder = std::make_shared<FakeEmbedder>();
  RetrievalServer server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Retrieval::Stub> stub;
};

inline v1::SearchRequest VectorRequest(const std::vector<float>& vector) {
  v1::SearchRequest request;
  request.mutable_vector()->mutable_values()->Add(vector.begin(), vector.end());
  return request;
}

inline v1::SearchRequest ImageRequest(const std::string& bytes) {
  v1::SearchRequest request;
  request.set_image(bytes);
  return request;
}

inline v1::SearchRequest ItemRequest(const std::string& id) {
  v1::SearchRequest request;
  request.set_item_id(id);
  return request;
}

}  // namespace fluke::serve
