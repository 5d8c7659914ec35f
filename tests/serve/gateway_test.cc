// Calls as JSON over HTTP: the same answers and the same refusals as over gRPC.
#include <atomic>
#include <future>

#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <gtest/gtest.h>

#include "serve/http/json_gateway.h"
#include "serve/http/own_calls.h"
#include "serve/services.h"
#include "tests/serve/http_server_fixture.h"

namespace fluke::serve {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Base64(const std::string& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      text.push_back(i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=');
    }
  }
  return text;
}

TEST(Gateway, SearchesByVector) {
  HttpRunningServer running;
  const auto answer =
      running.Post("Retrieval/Search", R"({"vector": {"values": [1, 0, 0]}, "k": 2})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->get_header_value("Content-Type"), "application/json");
  const json hits = json::parse(answer->body)["hits"];
  ASSERT_EQ(hits.size(), 2u);
  EXPECT_EQ(hits[0]["id"], "north");
  EXPECT_FLOAT_EQ(hits[0]["score"], 1);
  EXPECT_EQ(hits[0]["path"], "north.jpg");
  EXPECT_EQ(hits[0]["metadata"]["camera"], "c-north");
  EXPECT_EQ(hits[1]["id"], "northeast");
  EXPECT_FLOAT_EQ(hits[1]["score"], .6f);
}

TEST(Gateway, SearchesByPhotograph) {
  HttpRunningServer running;
  const auto answer =
      running.Post("Retrieval/Search", json({{"image", Base64(RedPng())}, {"k", 1}}).dump());
  ASSERT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(json::parse(answer->body)["hits"][0]["id"], "north");
}

TEST(Gateway, WritesNamesAsInTheContractAndFieldsWithoutValue) {
  HttpRunningServer running;
  const json described = json::parse(running.Post("Retrieval/Describe", "{}")->body);
  EXPECT_EQ(described["model_fingerprint"], "f1");
  EXPECT_EQ(described["size"], "4");  // 64-bit numbers are texts
  EXPECT_EQ(described["read_only"], true);
  EXPECT_EQ(described["changed"], "0");
  EXPECT_EQ(json::parse(running.Post("Retrieval/Get", R"({"ids": ["nobody"]})")->body)["entries"],
            json::array());
}

TEST(Gateway, TakesChangesThatSearchesThenFind) {
  const auto live = std::make_shared<FakeLiveIndex>();
  RetrievalServer server(live, nullptr, HttpConfig());
  const auto http = ClientOf(server.http_port());
  const auto post = [&](const std::string& method, const std::string& body) {
    return http->Post("/api/fluke.v1.Retrieval/" + method, body, "application/json");
  };
  const auto upserted = post("Upsert", R"({"items": [
      {"item": {"id": "west", "identity": "W\u00e9s"}, "vector": {"values": [-1, 0, 0]}}]})");
  ASSERT_EQ(upserted->status, 200) << upserted->body;
  EXPECT_EQ(json::parse(upserted->body)["upserted"], "1");
  const auto found = post("Search", R"({"vector": {"values": [-1, 0, 0]}, "k": 1})");
  EXPECT_EQ(json::parse(found->body)["hits"][0]["id"], "west");
  EXPECT_EQ(json::parse(found->body)["hits"][0]["identity"], "W\u00e9s");
}

TEST(Gateway, MapsRefusalsToHttp) {
  HttpRunningServer running;
  const struct {
    const char* method;
    const char* body;
    int status;
    const char* code;
    const char* message;
  } cases[] = {
      {"Search", R"({"item_id": "nobody"})", 404, "NOT_FOUND", "nobody"},
      {"Search", "{}", 400, "INVALID_ARGUMENT", ""},
      {"Search", R"({"vector": {"values": [1]}})", 400, "INVALID_ARGUMENT", "3"},
      {"Search", R"({"vector": {"values": ["NaN", 0, 0]}})", 400, "INVALID_ARGUMENT", "value 0"},
      {"Delete", R"({"ids": ["north"]})", 400, "FAILED_PRECONDITION", "read-only"},
      {"Count", R"({"filter": "camera ="})", 400, "INVALID_ARGUMENT", ""},
      {"Count", R"({"collection": "other"})", 404, "NOT_FOUND", "other"},
  };
  for (const auto& each : cases) {
    const auto answer = running.Post(std::string("Retrieval/") + each.method, each.body);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, each.status) << answer->body;
    const json error = json::parse(answer->body);
    EXPECT_EQ(error["code"], each.code) << answer->body;
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(each.message));
  }
}

// google/rpc/code.proto gives each code its HTTP status in a comment.
TEST(Gateway, KnowsTheHttpStatusOfEveryCode) {
  const int statuses[] = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                          400, 409, 400, 501, 500, 503, 500, 401};
  for (int code = 0; code <= 16; ++code) {
    EXPECT_EQ(HttpStatusOf(static_cast<grpc::StatusCode>(code)), statuses[code]) << code;
  }
}

TEST(Gateway, NamesThePlaceOfBadJson) {
  HttpRunningServer running;
  const auto message = [&](const std::string& body) {
    const auto answer = running.Post("Retrieval/Search", body);
    EXPECT_EQ(answer->status, 400) << answer->body;
    return json::parse(answer->body)["message"].get<std::string>();
  };
  EXPECT_THAT(message(R"({"k": 3, bad})"), HasSubstr("bad"));
  EXPECT_THAT(message(R"({"kk": 3})"), HasSubstr("kk"));
  EXPECT_THAT(message(R"({"vector": {"values": ["x"]}})"), HasSubstr("values"));
  EXPECT_THAT(message(R"({"k": -1})"), HasSubstr("k"));
  message("");
  message("[]");
  message("{\"item_id\": \"\xff\xfe\"}");
  message(std::string(100000, '['));
  message("{\"image\": \"***\"}");
}

TEST(Gateway, OffersTheMethodsThatAnswerOnceAndNoOthers) {
  HttpRunningServer running;
  for (const char* method :
       {"Retrieval/SearchStream", "Retrieval/UpsertStream", "Retrieval/Nothing", "Nothing/Search",
        "Training/WatchJob", "Retrieval", "Retrieval/", "Retrieval/Search/",
        "Retrieval/Search?x"}) {
    const auto answer = running.Post(method, "{}");
    ASSERT_TRUE(answer) << method;
    EXPECT_EQ(answer->status, 404) << method;
    EXPECT_EQ(json::parse(answer->body)["code"], "NOT_FOUND");
  }
  const auto found = FindMethod("fluke.v1.Training/SubmitJob");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->input_type()->full_name(), "fluke.v1.SubmitJobRequest");
}

TEST(Gateway, TakesJsonAlone) {
  HttpRunningServer running;
  const std::string body = R"({"vector": {"values": [1, 0, 0]}})";
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded",
                           "multipart/form-data; boundary=x", "application/jsonp"}) {
    const auto answer = running.http->Post("/api/fluke.v1.Retrieval/Search", body, type);
    ASSERT_TRUE(answer) << type;
    EXPECT_EQ(answer->status, 415) << type;
  }
  EXPECT_EQ(
      running.http->Post("/api/fluke.v1.Retrieval/Search", body, "Application/JSON; charset=utf-8")
          ->status,
      200);
  EXPECT_EQ(running.Post("Retrieval/Search", body, {{"Content-Encoding", "gzip"}})->status, 415);
}

TEST(Gateway, EndsACallAtItsDeadline) {
  HttpRunningServer running;
  running.index->gate.Close();
  const auto late = running.Post("Retrieval/Search", R"({"vector": {"values": [1, 0, 0]}})",
                                 {{"X-Timeout-Ms", "50"}});
  EXPECT_EQ(late->status, 504);
  EXPECT_EQ(json::parse(late->body)["code"], "DEADLINE_EXCEEDED");
  running.index->gate.Open();
  for (const char* timeout : {"0", "-1", "x", "300001", "99999999999999999999"}) {
    EXPECT_EQ(running.Post("Retrieval/Describe", "{}", {{"X-Timeout-Ms", timeout}})->status, 400)
        << timeout;
  }
}

TEST(Gateway, RefusesHeadersThatAreNoMetadata) {
  HttpRunningServer running;
  for (const char* name : {"Authorization", "Api-Key", "X-Request-Id"}) {
    const auto answer = running.Post("Retrieval/Describe", "{}", {{name, "caf\xc3\xa9"}});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 400) << name;
  }
  EXPECT_EQ(running.Post("Retrieval/Describe", "{}")->status, 200);
}

TEST(Gateway, AnswersUnavailableWhileTheServerStops) {
  HttpRunningServer running;
  running.index->gate.Close();
  auto search = std::async(std::launch::async, [&] {
    return running.Search(VectorRequest({1, 0, 0}));
  });
  running.index->gate.AwaitWaiting(1);
  auto stop =
      std::async(std::launch::async, [&] { running.server.Stop(std::chrono::seconds(20)); });
  int status = 200;
  const auto begin = std::chrono::steady_clock::now();
  while (status == 200 && std::chrono::steady_clock::now() - begin < std::chrono::seconds(15)) {
    status = running.Post("Retrieval/Count", "{}")->status;
  }
  EXPECT_EQ(status, 503);
  running.index->gate.Open();
  search.get();
  stop.get();
}

// What a call of our own brings with it, as the server at the other end sees it.
class Witness final : public grpc::CallbackGenericService {
 public:
  std::map<std::string, std::string> metadata;
  std::chrono::system_clock::time_point deadline;
  std::string method;

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    for (const auto& [name, value] : context->client_metadata()) {
      metadata[{name.data(), name.size()}] = {value.data(), value.size()};
    }
    deadline = context->deadline();
    method = context->method();
    context->AddInitialMetadata("x-request-id", "r-7");
    return new Reactor;
  }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor() {
      step_.store(1);
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      step_.fetch_add(1);
      StartWriteAndFinish(&response_, {}, grpc::Status::OK);
    }
    void OnDone() override {
      step_.load();
      delete this;
    }

   private:
    std::atomic<int> step_ = 0;  // gRPC orders them; this says so where ThreadSanitizer can see it
    grpc::ByteBuffer request_;
    grpc::Slice nothing_;
    grpc::ByteBuffer response_{&nothing_, 1};
  };
};

TEST(OwnCalls, BringWhoAsksAndHowLongTheyWait) {
  Witness witness;
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(&witness);
  const auto server = builder.BuildAndStart();
  OwnCalls calls(server->InProcessChannel({}));
  v1::CountResponse response;
  const auto before = std::chrono::system_clock::now();
  const OwnCalls::Result result =
      calls.Call(*FindMethod("fluke.v1.Retrieval/Count"), v1::CountRequest(),
                 {.authorization = "Bearer k",
                  .api_key = "j",
                  .request_id = "mine",
                  .address = "192.0.2.1",
                  .timeout = std::chrono::seconds(9)},
                 &response);
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.request_id, "r-7");
  EXPECT_EQ(witness.method, "/fluke.v1.Retrieval/Count");
  EXPECT_EQ(witness.metadata["authorization"], "Bearer k");
  EXPECT_EQ(witness.metadata["api-key"], "j");
  EXPECT_EQ(witness.metadata["x-request-id"], "mine");
  EXPECT_EQ(witness.metadata["x-forwarded-for"], "192.0.2.1");
  EXPECT_NEAR(std::chrono::duration<double>(witness.deadline - before).count(), 9, 2);
  server->Shutdown();
}

}  // namespace
}  // namespace fluke::serve
