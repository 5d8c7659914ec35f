// What connections may not do to the server.
#include <gtest/gtest.h>

#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

TEST(ConnectionLimits, ACompressedMessageIsRefusedBeforeItIsUnpacked) {
  RunningServer running;
  grpc::ChannelArguments arguments;
  arguments.SetCompressionAlgorithm(GRPC_COMPRESS_GZIP);
  const auto channel = grpc::CreateCustomChannel(running.server.address(),
                                                 grpc::InsecureChannelCredentials(), arguments);
  const auto stub = v1::Retrieval::NewStub(channel);
  v1::SearchRequest request;
  request.set_image(std::string(8 << 20, '\0'));  // less than the server takes; some KB packed
  v1::SearchResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub->Search(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << status.error_message();
  EXPECT_TRUE(running.Search(VectorRequest({1, 0, 0})).status.ok());
}

}  // namespace
}  // namespace fluke::serve
