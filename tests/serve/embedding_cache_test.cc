// One photograph costs one embedding.
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

v1::ServeConfig CachingConfig() {
  v1::ServeConfig config = LoopbackConfig();
  config.set_embedding_cache_mb(1);
  return config;
}

int Embedded(const RunningServer& server) {
  const auto batches = server.embedder->batches();
  return std::accumulate(batches.begin(), batches.end(), 0);
}

TEST(EmbeddingCache, AnswersManyClientsOfOnePhotographByOneEmbedding) {
  const RunningServer server(CachingConfig());
  server.embedder->gate.Close();
  std::vector<std::jthread> clients;
  for (int i = 0; i < 12; ++i) {
    clients.emplace_back([&] {
      const Answer answer = server.Search(ImageRequest(RedPng()));
      EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
      EXPECT_EQ(answer.ids().front(), "north");
    });
  }
  server.embedder->gate.AwaitWaiting(1);
  server.embedder->gate.Open();
  clients.clear();  // joins
  EXPECT_EQ(Embedded(server), 1);
  // And later ones, whatever else they ask.
  v1::SearchRequest request = ImageRequest(RedPng());
  request.set_k(1);
  request.set_filter("id != \"north\"");
  EXPECT_EQ(server.Search(request).ids(), std::vector<std::string>{"northeast"});
  EXPECT_EQ(Embedded(server), 1);
}

TEST(EmbeddingCache, TellsCropsAndPhotographsApart) {
  const RunningServer server(CachingConfig());
  v1::SearchRequest request = ImageRequest(PngOf({255, 0, 0}, {0, 255, 0}));
  request.set_k(1);
  v1::CropBox& crop = *request.mutable_crop();
  crop.set_w(8);
  crop.set_h(8);
  EXPECT_EQ(server.Search(request).ids(), std::vector<std::string>{"north"});
  crop.set_x(8);
  EXPECT_EQ(server.Search(request).ids(), std::vector<std::string>{"east"});
  request.clear_crop();
  EXPECT_EQ(server.Search(request).ids(), std::vector<std::string>{"northeast"});
  EXPECT_EQ(Embedded(server), 3);
}

TEST(EmbeddingCache, KeepsNoMoreThanItMay) {
  const RunningServer server(CachingConfig());
  // Noise does not compress: each of some hundred kilobytes, so that the first ones must go.
  std::vector<std::string> photographs;
  for (int i = 0; i < 8; ++i) {
    cv::Mat pixels(256, 256, CV_8UC3);
    cv::RNG random(static_cast<uint64_t>(i + 1));
    random.fill(pixels, cv::RNG::UNIFORM, 0, 256);
    std::vector<uchar> bytes;
    cv::imencode(".png", pixels, bytes);
    photographs.emplace_back(bytes.begin(), bytes.end());
  }
  for (const std::string& photograph : photographs) server.Search(ImageRequest(photograph));
  EXPECT_EQ(Embedded(server), 8);
  server.Search(ImageRequest(photographs.back()));
  EXPECT_EQ(Embedded(server), 8);
  server.Search(ImageRequest(photographs.front()));
  EXPECT_EQ(Embedded(server), 9);
}

TEST(EmbeddingCache, LetsOthersTryWhereOneFailed) {
  RunningServer server(CachingConfig());
  std::atomic<int> calls = 0;
  server.embedder->fault = [&](std::span<const cv::Mat>) {
    if (calls.fetch_add(1) == 0) Throw(absl::StatusCode::kInternal, "the first one fails");
  };
  server.embedder->gate.Close();
  std::atomic<int> good = 0;
  std::vector<std::jthread> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back(
        [&] { good += server.Search(ImageRequest(RedPng())).status.ok() ? 1 : 0; });
  }
  server.embedder->gate.AwaitWaiting(1);
  server.embedder->gate.Open();
  clients.clear();  // joins
  EXPECT_EQ(good, 5);
  EXPECT_LE(Embedded(server), 6);
  // A photograph that is none fails for each of those who ask for it.
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(server.Search(ImageRequest("no picture")).status.error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
}

}  // namespace
}  // namespace fluke::serve
