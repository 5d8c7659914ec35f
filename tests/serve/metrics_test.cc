// /metrics: what was counted is what was done, and gauges say what is.
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/metrics.h"
#include "tests/serve/http_server_fixture.h"

namespace fluke::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, CountCallsByMethodAndCode) {
  HttpRunningServer running;
  for (int i = 0; i < 3; ++i) running.Search(VectorRequest({1, 0, 0}));
  for (int i = 0; i < 2; ++i) running.Search(VectorRequest({1, 0}));
  running.Search(ItemRequest("nobody"));
  running.Post("Retrieval/Count", "{}");
  const auto calls = [&](const std::string& method, const std::string& code) {
    return running.Metric("fluke_requests_total{code=\"" + code + "\",method=\"" + method + "\"}");
  };
  EXPECT_EQ(calls("Retrieval/Search", "OK"), 3);
  EXPECT_EQ(calls("Retrieval/Search", "INVALID_ARGUMENT"), 2);
  EXPECT_EQ(calls("Retrieval/Search", "NOT_FOUND"), 1);
  EXPECT_EQ(calls("Retrieval/Count", "OK"), 1);
  EXPECT_EQ(calls("Retrieval/Scroll", "OK"), -1);
  EXPECT_EQ(running.Metric("fluke_request_seconds_count{method=\"Retrieval/Search\"}"), 6);
  EXPECT_EQ(running.Metric("fluke_request_seconds_bucket{method=\"Retrieval/Search\",le=\"+Inf\"}"),
            6);
}

TEST(Metrics, TimeCallsByTheClock) {
  HttpRunningServer running;
  running.index->gate.Close();
  const auto begin = MetricClock::now();
  auto search = std::async(std::launch::async, [&] {
    return running.Search(VectorRequest({1, 0, 0}));
  });
  running.index->gate.AwaitWaiting(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));  // what is to be measured
  running.index->gate.Open();
  search.get();
  const double all = std::chrono::duration<double>(MetricClock::now() - begin).count();
  for (const char* sum : {"fluke_request_seconds_sum{method=\"Retrieval/Search\"}",
                          "fluke_stage_seconds_sum{stage=\"search\"}"}) {
    EXPECT_GE(running.Metric(sum), .03) << sum;
    EXPECT_LE(running.Metric(sum), all) << sum;
  }
  EXPECT_EQ(
      running.Metric("fluke_request_seconds_bucket{method=\"Retrieval/Search\",le=\"0.025\"}"), 0);
}

TEST(Metrics, CountWhatEveryStageDid) {
  v1::ServeConfig config = HttpConfig();
  config.set_embedding_cache_mb(1);
  HttpRunningServer running(config);
  for (int i = 0; i < 3; ++i) running.Search(ImageRequest(RedPng()));  // one embedding, two hits
  running.Search(ImageRequest(PngOf({0, 255, 0}, {0, 255, 0})));
  running.Search(VectorRequest({1, 0, 0}));
  running.Search(ImageRequest("no image"));
  const auto is = [&](const std::string& series, double value) {
    EXPECT_EQ(running.Metric(series), value) << series;
  };
  is("fluke_stage_seconds_count{stage=\"decode\"}", 2);
  is("fluke_stage_seconds_count{stage=\"embed\"}", 2);
  is("fluke_stage_seconds_count{stage=\"search\"}", 5);
  is("fluke_wait_seconds_count{queue=\"decode\"}", 5);
  is("fluke_wait_seconds_count{queue=\"embed\"}", 2);
  is("fluke_wait_seconds_count{queue=\"search\"}", 5);
  is("fluke_batch_size_sum{stage=\"embed\"}", 2);
  is("fluke_batch_size_count{stage=\"embed\"}", 2);
  is("fluke_batch_size_sum{stage=\"search\"}", 5);
  is("fluke_batch_size_bucket{stage=\"search\",le=\"1\"}", 5);
  is("fluke_embedding_cache_hits_total", 2);
  is("fluke_embedding_cache_misses_total", 3);  // two photographs, and what is none
  // The keys hold the photographs themselves.
  EXPECT_GT(running.Metric("fluke_embedding_cache_bytes"), 2 * RedPng().size());
  EXPECT_LT(running.Metric("fluke_embedding_cache_bytes"), 1000);
}

TEST(Metrics, TimeTheLanes) {
  const auto live = std::make_shared<FakeLiveIndex>();
  RetrievalServer server(live, nullptr, HttpConfig());
  const auto http = ClientOf(server.http_port());
  const auto post = [&](const char* method, const char* body) {
    return http->Post(std::string("/api/fluke.v1.Retrieval/") + method, body, "application/json")
        ->status;
  };
  EXPECT_EQ(post("Count", "{}"), 200);
  EXPECT_EQ(post("Get", R"({"ids": ["north"]})"), 200);
  EXPECT_EQ(post("Delete", R"({"ids": ["north"]})"), 200);
  const std::string text = http->Get("/metrics")->body;
  EXPECT_THAT(text, HasSubstr("fluke_wait_seconds_count{queue=\"look_ups\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("fluke_wait_seconds_count{queue=\"changes\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("fluke_index_items{collection=\"default\"} 3\n"));
}

TEST(Metrics, SayWhatIsServed) {
  HttpRunningServer running;
  EXPECT_EQ(running.Metric("fluke_index_items{collection=\"default\"}"), 4);
  EXPECT_EQ(running.Metric("fluke_index_snapshot{collection=\"default\"}"), 7);
  EXPECT_EQ(running.Metric("fluke_index_disk_bytes{collection=\"default\"}"), 48);
  EXPECT_EQ(running.Metric("fluke_index_memory_bytes{collection=\"default\"}"), 0);
  EXPECT_EQ(running.Metric("fluke_index_changed_items{collection=\"default\"}"), 0);
  EXPECT_EQ(running.Metric("fluke_model_info{collection=\"default\",fingerprint=\"f1\"}"), 1);
}

TEST(Metrics, ShowQueuesAndCallsUnderWay) {
  HttpRunningServer running;
  EXPECT_EQ(running.Metric("fluke_calls_under_way"), 0);
  running.index->gate.Close();
  std::vector<std::future<Answer>> searches;
  const auto search = [&] {
    searches.push_back(std::async(std::launch::async, [&] {
      return running.Search(VectorRequest({1, 0, 0}));
    }));
  };
  search();
  running.index->gate.AwaitWaiting(1);  // it has left the queue
  for (int i = 0; i < 3; ++i) search();
  double waiting = 0;
  for (int i = 0; i < 2000 && waiting < 3; ++i) {
    waiting = running.Metric("fluke_queue_depth{queue=\"search\"}");
  }
  EXPECT_EQ(waiting, 3);
  EXPECT_EQ(running.Metric("fluke_calls_under_way"), 4);
  for (const char* queue : {"decode", "embed", "look_ups", "changes"}) {
    EXPECT_EQ(running.Metric("fluke_queue_depth{queue=\"" + std::string(queue) + "\"}"), 0);
  }
  running.index->gate.Open();
  for (auto& each : searches) EXPECT_TRUE(each.get().status.ok());
}

TEST(Metrics, SayWhatTheProcessTakes) {
  HttpRunningServer running;
  EXPECT_GT(running.Metric("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(running.Metric("process_cpu_seconds_total"), 0);
  const double start = running.Metric("process_start_time_seconds");
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LT(start, now + 2);
  EXPECT_GT(start, now - 3600);
}

TEST(Metrics, DoNotGrowWithNamesThatClientsMakeUp) {
  Metrics metrics;
  metrics.CountCall("Retrieval/Search", grpc::StatusCode::OK, MetricClock::now());
  const std::string before = metrics.Expose({});
  metrics.CountCall("Retrieval/Sear", grpc::StatusCode::OK, MetricClock::now());
  metrics.CountCall("", grpc::StatusCode::OK, MetricClock::now());
  metrics.CountCall("Retrieval/Count", static_cast<grpc::StatusCode>(99), MetricClock::now());
  const std::string after = metrics.Expose({});
  EXPECT_THAT(after, Not(HasSubstr("\"Retrieval/Sear\"")));
  EXPECT_THAT(after, HasSubstr("{code=\"UNKNOWN\",method=\"Retrieval/Count\"} 1"));
  EXPECT_THAT(before, Not(HasSubstr("Retrieval/Count")));
}

TEST(Metrics, AreInPrometheusTextFormat) {
  HttpRunningServer running;
  running.Search(VectorRequest({1, 0, 0}));  // series that nothing was counted in are not shown
  const auto answer = running.http->Get("/metrics");
  EXPECT_EQ(answer->get_header_value("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(answer->body, HasSubstr("# TYPE fluke_requests_total counter\n"));
  EXPECT_THAT(answer->body, HasSubstr("# TYPE fluke_request_seconds histogram\n"));
  EXPECT_THAT(answer->body, HasSubstr("# TYPE fluke_index_items gauge\n"));
  EXPECT_THAT(answer->body, HasSubstr("# TYPE process_cpu_seconds_total counter\n"));
}

}  // namespace
}  // namespace fluke::serve
