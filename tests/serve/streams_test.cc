// SearchStream and UpsertStream.
#include <future>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + seconds(30));
}

v1::SearchStreamRequest Numbered(uint64_t number, const v1::SearchRequest& search) {
  v1::SearchStreamRequest request;
  request.set_number(number);
  *request.mutable_search() = search;
  return request;
}

// One stream and what came back on it, by its numbers.
struct OpenSearchStream {
  explicit OpenSearchStream(const RunningServer& running) {
    SetDeadline(&context);
    stream = running.stub->SearchStream(&context);
  }
  void Read(int count) {
    for (int i = 0; i < count; ++i) {
      v1::SearchStreamResponse answer;
      ASSERT_TRUE(stream->Read(&answer)) << "answer " << i;
      answers[answer.number()] = answer;
    }
  }
  // The stream's end, after `count` further answers.
  grpc::Status Finish(int count) {
    stream->WritesDone();
    Read(count);
    v1::SearchStreamResponse more;
    EXPECT_FALSE(stream->Read(&more)) << more.ShortDebugString();
    return stream->Finish();
  }

  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SearchStreamRequest, v1::SearchStreamResponse>>
      stream;
  std::map<uint64_t, v1::SearchStreamResponse> answers;
};

TEST(SearchStream, AnswersEverySearchWithItsNumber) {
  RunningServer running;
  OpenSearchStream stream(running);
  v1::SearchRequest combined;
  combined.add_like()->set_item_id("up");
  combined.add_like()->set_image(PngOf({0, 255, 0}, {0, 255, 0}));
  stream.stream->Write(Numbered(7, VectorRequest({1, 0, 0})));
  stream.stream->Write(Numbered(3, ImageRequest(PngOf({0, 0, 255}, {0, 0, 255}))));
  stream.stream->Write(Numbered(90, combined));
  ASSERT_TRUE(stream.Finish(3).ok());
  EXPECT_EQ(stream.answers[7].response().hits(0).id(), "north");
  EXPECT_EQ(stream.answers[3].response().hits(0).id(), "up");
  EXPECT_EQ(stream.answers[90].response().hits(0).id(), "east");
  EXPECT_EQ(stream.answers[90].code(), 0);
}

TEST(SearchStream, AnswersWhileTheCallerGoesOnAsking) {
  RunningServer running;
  OpenSearchStream stream(running);
  for (uint64_t number = 0; number < 20; ++number) {
    stream.stream->Write(Numbered(number, VectorRequest({1, 0, 0})));
    stream.Read(1);  // before the next is asked
  }
  EXPECT_TRUE(stream.Finish(0).ok());
  EXPECT_EQ(stream.answers.size(), 20u);
}

TEST(SearchStream, ABadRequestIsAnsweredAndDoesNotEndTheStream) {
  RunningServer running;
  OpenSearchStream stream(running);
  v1::SearchRequest elsewhere = VectorRequest({1, 0, 0});
  elsewhere.set_collection("elsewhere");
  stream.stream->Write(Numbered(1, ItemRequest("south")));
  stream.stream->Write(Numbered(2, VectorRequest({1, 0})));
  stream.stream->Write(Numbered(3, ImageRequest("no pixels")));
  stream.stream->Write(Numbered(4, elsewhere));
  // No UTF-8: of this the server can read the number alone.
  stream.stream->Write(Numbered(5, ItemRequest("\xc3\x28")));
  stream.stream->Write(Numbered(6, VectorRequest({0, 1, 0})));
  ASSERT_TRUE(stream.Finish(6).ok());
  EXPECT_EQ(stream.answers[1].code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(stream.answers[1].message(), "no item has the item_id 'south'");
  EXPECT_EQ(stream.answers[2].code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(stream.answers[3].code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(stream.answers[4].code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(stream.answers[5].code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(stream.answers[5].message(), HasSubstr("no valid fluke.v1.SearchStreamRequest"));
  EXPECT_EQ(stream.answers[6].response().hits(0).id(), "east");
}

TEST(SearchStream, AMessageWithHalfACharacterInItStillArrives) {
  RunningServer running;
  OpenSearchStream stream(running);
  // The id is cut after 200 bytes, in the middle of its 100th two-byte letter but one.
  std::string id = "x";
  for (int i = 0; i < 300; ++i) id += "\xc3\xa9";
  stream.stream->Write(Numbered(1, ItemRequest(id)));
  ASSERT_TRUE(stream.Finish(1).ok());
  EXPECT_EQ(stream.answers[1].code(), grpc::StatusCode::NOT_FOUND);
}

TEST(SearchStream, HasNoMoreThanSoManySearchesUnderWay) {
  RunningServer running;
  running.index->gate.Close();
  OpenSearchStream stream(running);
  for (uint64_t number = 0; number < 200; ++number) {
    stream.stream->Write(Numbered(number, VectorRequest({1, 0, 0})));
  }
  running.index->gate.AwaitWaiting(1);
  std::this_thread::sleep_for(milliseconds(300));  // time to read on, if it did
  running.index->gate.Open();
  EXPECT_TRUE(stream.Finish(200).ok());
  EXPECT_EQ(stream.answers.size(), 200u);
  // The pipeline searches 64 together where it has so many.
  EXPECT_THAT(running.index->batches(), Each(Le(32)));
}

TEST(SearchStream, ACallerWhoGoesAwayLeavesNothingBehind) {
  RunningServer running;
  running.index->gate.Close();
  {
    OpenSearchStream stream(running);
    for (uint64_t number = 0; number < 100; ++number) {
      stream.stream->Write(Numbered(number, VectorRequest({1, 0, 0})));
    }
    running.index->gate.AwaitWaiting(1);
    stream.context.TryCancel();
    EXPECT_EQ(stream.stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  running.index->gate.Open();
  EXPECT_TRUE(running.Search(VectorRequest({1, 0, 0})).status.ok());
  // Stop waits for calls under way: there are none.
  auto stop = std::async(std::launch::async, [&] { running.server.Stop(seconds(30)); });
  EXPECT_EQ(stop.wait_for(seconds(10)), std::future_status::ready);
}

TEST(SearchStream, EndsWhenTheServerStopsAfterWhatItHasTakenIn) {
  RunningServer running;
  OpenSearchStream idle(running);
  idle.stream->Write(Numbered(1, VectorRequest({1, 0, 0})));
  idle.Read(1);
  running.index->gate.Close();
  OpenSearchStream busy(running);
  busy.stream->Write(Numbered(2, VectorRequest({1, 0, 0})));
  running.index->gate.AwaitWaiting(1);
  auto stop = std::async(std::launch::async, [&] { running.server.Stop(seconds(30)); });
  v1::SearchStreamResponse none;
  EXPECT_FALSE(idle.stream->Read(&none));
  const grpc::Status idle_end = idle.stream->Finish();
  EXPECT_EQ(idle_end.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(idle_end.error_message(), "the server is stopping");
  running.index->gate.Open();
  busy.Read(1);
  EXPECT_EQ(busy.answers[2].response().hits(0).id(), "north");
  EXPECT_FALSE(busy.stream->Read(&none));
  EXPECT_EQ(busy.stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(stop.wait_for(seconds(10)), std::future_status::ready);
}

class UpsertStream : public ::testing::Test {
 protected:
  UpsertStream() {
    SetDeadline(&context_);
    stream_ = stub_->UpsertStream(&context_);
  }
  ~UpsertStream() override {
    live_->gate.Open();
    context_.TryCancel();
  }

  static v1::UpsertRequest OneItem(const std::string& id, const std::vector<float>& vector) {
    v1::UpsertRequest request;
    v1::NewItem& item = *request.add_items();
    item.mutable_item()->set_id(id);
    item.mutable_vector()->mutable_values()->Add(vector.begin(), vector.end());
    return request;
  }
  static v1::UpsertRequest OnePhotograph(const std::string& id) {
    v1::UpsertRequest request;
    v1::NewItem& item = *request.add_items();
    item.mutable_item()->set_id(id);
    item.mutable_photograph()->set_image(RedPng());
    return request;
  }
  bool IsThere(const std::string& id) const { return live_->Current()->FindItem(id).has_value(); }

  std::shared_ptr<FakeLiveIndex> live_ = std::make_shared<FakeLiveIndex>();
  RetrievalServer server_{live_, std::make_shared<FakeEmbedder>(), LoopbackConfig()};
  std::unique_ptr<v1::Retrieval::Stub> stub_ = v1::Retrieval::NewStub(
      grpc::CreateChannel(server_.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::UpsertRequest, v1::UpsertResponse>> stream_;
};

TEST_F(UpsertStream, AnswersEachWhenItIsThere) {
  v1::UpsertResponse answer;
  stream_->Write(OneItem("a", {1, 0, 0}));
  ASSERT_TRUE(stream_->Read(&answer));
  EXPECT_EQ(answer.upserted(), 1);
  EXPECT_TRUE(IsThere("a"));
  v1::UpsertRequest two = OneItem("b", {0, 1, 0});
  *two.add_items() = OnePhotograph("c").items(0);
  stream_->Write(two);
  stream_->Write(OnePhotograph("d"));
  stream_->WritesDone();
  ASSERT_TRUE(stream_->Read(&answer));
  EXPECT_EQ(answer.upserted(), 2);
  ASSERT_TRUE(stream_->Read(&answer));
  EXPECT_EQ(answer.upserted(), 1);
  EXPECT_FALSE(stream_->Read(&answer));
  EXPECT_TRUE(stream_->Finish().ok());
  EXPECT_TRUE(IsThere("b") && IsThere("c") && IsThere("d"));
}

TEST_F(UpsertStream, ALaterMessageTakesTheItemsOfAnEarlierOne) {
  for (int i = 1; i <= 50; ++i) {
    const auto value = static_cast<float>(i);
    stream_->Write(OneItem("same", {value, 0, 0}));
  }
  stream_->WritesDone();
  v1::UpsertResponse answer;
  int answers = 0;
  while (stream_->Read(&answer)) ++answers;
  EXPECT_TRUE(stream_->Finish().ok());
  EXPECT_EQ(answers, 50);
  const auto index = live_->Current();
  EXPECT_EQ(index->vector(*index->FindItem("same"))[0], 50);
}

TEST_F(UpsertStream, EndsWithTheFirstFailureAndKeepsWhatCameBefore) {
  stream_->Write(OneItem("good", {1, 0, 0}));
  stream_->Write(OneItem("bad", {1, 0}));
  stream_->Write(OneItem("late", {1, 0, 0}));
  v1::UpsertResponse answer;
  EXPECT_TRUE(stream_->Read(&answer));
  EXPECT_FALSE(stream_->Read(&answer));
  const grpc::Status status = stream_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("item 0: the vector has 2 values"));
  EXPECT_TRUE(IsThere("good"));
  EXPECT_FALSE(IsThere("late"));
}

TEST_F(UpsertStream, EndsWithAnErrorOfTheIndex) {
  live_->fault = [] { Throw(absl::StatusCode::kResourceExhausted, "no room on the disk"); };
  stream_->Write(OneItem("a", {1, 0, 0}));
  v1::UpsertResponse answer;
  EXPECT_FALSE(stream_->Read(&answer));
  const grpc::Status status = stream_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "no room on the disk");
}

TEST_F(UpsertStream, EndsWhenTheServerStopsAfterTheChangeUnderWay) {
  live_->gate.Close();
  stream_->Write(OneItem("a", {1, 0, 0}));
  live_->gate.AwaitWaiting(1);
  auto stop = std::async(std::launch::async, [&] { server_.Stop(seconds(30)); });
  std::this_thread::sleep_for(milliseconds(50));
  live_->gate.Open();
  v1::UpsertResponse answer;
  EXPECT_TRUE(stream_->Read(&answer));
  EXPECT_FALSE(stream_->Read(&answer));
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(stop.wait_for(seconds(10)), std::future_status::ready);
}

TEST(UpsertStreamOfAReadOnlyServer, IsRefused) {
  RunningServer running;
  grpc::ClientContext context;
  SetDeadline(&context);
  const auto stream = running.stub->UpsertStream(&context);
  v1::UpsertRequest request;
  request.add_items()->mutable_item()->set_id("a");
  stream->Write(request);
  v1::UpsertResponse answer;
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace fluke::serve
