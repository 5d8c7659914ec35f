// Items put in, changed, taken out, listed and counted over gRPC.
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/retrieval/parts.h"
#include "serve/task_lane.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A server that takes changes.
class Gallery : public ::testing::Test {
 protected:
  ~Gallery() override {
    live_->gate.Open();
    embedder_->gate.Open();
  }

  template <typename Method, typename Request, typename Response>
  grpc::Status Call(Method method, const Request& request, Response* response) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return (stub_.get()->*method)(&context, request, response);
  }

  std::vector<std::string> Nearest(const std::vector<float>& vector, const std::string& filter = "",
                                   uint32_t k = 20) const {
    v1::SearchRequest request = VectorRequest(vector);
    request.set_filter(filter);
    request.set_k(k);
    Answer answer;
    answer.status = Call(&v1::Retrieval::Stub::Search, request, &answer.response);
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
    return answer.ids();
  }

  int64_t Count(const std::string& filter = "") const {
    v1::CountRequest request;
    request.set_filter(filter);
    v1::CountResponse response;
    EXPECT_TRUE(Call(&v1::Retrieval::Stub::Count, request, &response).ok());
    return response.count();
  }

  std::shared_ptr<FakeLiveIndex> live_ = std::make_shared<FakeLiveIndex>();
  std::shared_ptr<FakeEmbedder> embedder_ = std::make_shared<FakeEmbedder>();
  RetrievalServer server_{live_, embedder_, LoopbackConfig()};
  std::unique_ptr<v1::Retrieval::Stub> stub_ = v1::Retrieval::NewStub(
      grpc::CreateChannel(server_.address(), grpc::InsecureChannelCredentials()));
};

v1::NewItem* AddItem(const std::string& id, const std::string& identity,
                     v1::UpsertRequest* request) {
  v1::NewItem* item = request->add_items();
  item->mutable_item()->set_id(id);
  item->mutable_item()->set_identity(identity);
  return item;
}

TEST_F(Gallery, TakesVectorsAndPhotographsInOneCall) {
  v1::UpsertRequest request;
  v1::Vector& vector = *AddItem("leaning", "Nora", &request)->mutable_vector();
  for (const float value : {0.f, .8f, .6f}) vector.add_values(value);
  AddItem("red", "Rita", &request)->mutable_photograph()->set_image(RedPng());
  (*request.mutable_items(1)->mutable_item()->mutable_metadata())["camera"] = "south";
  v1::UpsertResponse response;
  const grpc::Status status = Call(&v1::Retrieval::Stub::Upsert, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.upserted(), 2);
  // Acknowledged is found by the very next search.
  EXPECT_THAT(Nearest({0, .8f, .6f}, "", 1), ElementsAre("leaning"));
  EXPECT_THAT(Nearest({1, 0, 0}, "camera = \"south\""), ElementsAre("red"));
  EXPECT_EQ(Count(), 6);
}

TEST_F(Gallery, PutsInAllItemsOfACallOrNone) {
  v1::UpsertRequest request;
  AddItem("first", "", &request)->mutable_photograph()->set_image(RedPng());
  AddItem("second", "", &request)->mutable_photograph()->set_image("no picture");
  v1::UpsertResponse response;
  grpc::Status status = Call(&v1::Retrieval::Stub::Upsert, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("item 1"));
  request.mutable_items(1)->mutable_vector()->add_values(1);
  status = Call(&v1::Retrieval::Stub::Upsert, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("item 1"));
  EXPECT_THAT(status.error_message(), HasSubstr("1 values"));
  request.mutable_items(1)->clear_content();
  status = Call(&v1::Retrieval::Stub::Upsert, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("neither a vector nor a photograph"));
  EXPECT_EQ(Count(), 4);
}

TEST_F(Gallery, TakesManyPhotographsInACall) {
  // More than one call may have in the pipeline at once.
  v1::UpsertRequest request;
  for (int i = 0; i < 100; ++i) {
    AddItem("red" + std::to_string(i), "Rita", &request)->mutable_photograph()->set_image(RedPng());
  }
  v1::UpsertResponse response;
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Upsert, request, &response).ok());
  EXPECT_EQ(Count("identity = \"Rita\""), 100);
  for (int i = 0; i < 1000; ++i) AddItem("x", "", &request);
  const grpc::Status status = Call(&v1::Retrieval::Stub::Upsert, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("at most 1024"));
}

TEST_F(Gallery, UpdatesWhatIsKnownOfAnItem) {
  v1::UpdateRequest request;
  v1::GalleryItem& item = *request.add_items();
  item.set_id("up");
  item.set_identity("Ulla");
  v1::UpdateResponse response;
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Update, request, &response).ok());
  EXPECT_THAT(Nearest({0, 0, 1}, "identity = \"Ulla\""), ElementsAre("up"));
  item.set_id("down");
  const grpc::Status status = Call(&v1::Retrieval::Stub::Update, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("down"));
}

TEST_F(Gallery, DeletesByIdsOrByFilter) {
  v1::DeleteRequest request;
  request.add_ids("up");
  request.add_ids("nobody");
  v1::DeleteResponse response;
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Delete, request, &response).ok());
  EXPECT_EQ(response.deleted(), 1);
  request.set_filter("identity = \"Nora\"");
  EXPECT_EQ(Call(&v1::Retrieval::Stub::Delete, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);  // both
  request.clear_ids();
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Delete, request, &response).ok());
  EXPECT_EQ(response.deleted(), 2);
  EXPECT_THAT(Nearest({1, 0, 0}), ElementsAre("east"));
  request.clear_filter();  // neither: never everything
  EXPECT_EQ(Call(&v1::Retrieval::Stub::Delete, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Count(), 1);
}

TEST_F(Gallery, GetsItemsInTheOrderAskedFor) {
  v1::GetRequest request;
  for (const char* id : {"up", "nobody", "northeast"}) request.add_ids(id);
  request.set_with_vectors(true);
  v1::GetResponse response;
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Get, request, &response).ok());
  ASSERT_EQ(response.entries_size(), 2);
  EXPECT_EQ(response.entries(0).item().id(), "up");
  EXPECT_EQ(response.entries(1).item().identity(), "Nora");
  EXPECT_EQ(response.entries(1).item().metadata().at("camera"), "c-northeast");
  EXPECT_THAT(response.entries(1).vector().values(), ElementsAre(.6f, .8f, 0));
}

TEST_F(Gallery, ScrollsByIdWhateverChangesMeanwhile) {
  v1::ScrollRequest request;
  request.set_page_size(2);
  v1::ScrollResponse page;
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Scroll, request, &page).ok());
  ASSERT_EQ(page.entries_size(), 2);
  EXPECT_EQ(page.entries(0).item().id(), "east");
  EXPECT_EQ(page.entries(1).item().id(), "north");
  EXPECT_FALSE(page.entries(0).has_vector());
  // The last item of the page goes; the next page is what it would have been.
  live_->Remove({"north"});
  request.set_page_token(page.next_page_token());
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Scroll, request, &page).ok());
  ASSERT_EQ(page.entries_size(), 2);
  EXPECT_EQ(page.entries(0).item().id(), "northeast");
  EXPECT_EQ(page.entries(1).item().id(), "up");
  EXPECT_EQ(page.next_page_token(), "");
  request.set_page_size(5000);
  EXPECT_EQ(Call(&v1::Retrieval::Stub::Scroll, request, &page).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Gallery, CountsValuesOfAField) {
  v1::FacetRequest request;
  request.set_field("identity");
  request.set_limit(1);
  v1::FacetResponse response;
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Facet, request, &response).ok());
  ASSERT_EQ(response.counts_size(), 1);
  EXPECT_EQ(response.counts(0).value(), "Nora");
  EXPECT_EQ(response.counts(0).count(), 2);
  EXPECT_EQ(response.distinct(), 2);
}

TEST_F(Gallery, NamesTheColumnOfAFilterThatIsNone) {
  v1::CountRequest request;
  request.set_filter("camera = ");
  v1::CountResponse response;
  grpc::Status status = Call(&v1::Retrieval::Stub::Count, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("column"));
  v1::SearchRequest search = VectorRequest({1, 0, 0});
  search.set_filter("camera = ");
  v1::SearchResponse found;
  status = Call(&v1::Retrieval::Stub::Search, search, &found);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("column"));
}

TEST_F(Gallery, AnswersSeveralSearchesInOrder) {
  v1::SearchBatchRequest request;
  *request.add_searches() = VectorRequest({1, 0, 0});
  *request.add_searches() = ImageRequest(PngOf({0, 0, 255}, {0, 0, 255}));
  *request.add_searches() = ItemRequest("east");
  for (auto& search : *request.mutable_searches()) search.set_k(1);
  v1::SearchBatchResponse response;
  const grpc::Status status = Call(&v1::Retrieval::Stub::SearchBatch, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.responses_size(), 3);
  EXPECT_EQ(response.responses(0).hits(0).id(), "north");
  EXPECT_EQ(response.responses(1).hits(0).id(), "up");
  EXPECT_EQ(response.responses(2).hits(0).id(), "east");
  *request.add_searches() = ItemRequest("nobody");
  const grpc::Status failed = Call(&v1::Retrieval::Stub::SearchBatch, request, &response);
  EXPECT_EQ(failed.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(failed.error_message(), HasSubstr("search 3"));
  request.clear_searches();
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::SearchBatch, request, &response).ok());
  EXPECT_EQ(response.responses_size(), 0);
}

TEST_F(Gallery, GivesTheVectorsOfPhotographs) {
  v1::EmbedRequest request;
  request.add_photographs()->set_image(RedPng());
  v1::Photograph& half = *request.add_photographs();
  half.set_image(PngOf({255, 0, 0}, {0, 255, 0}));
  half.mutable_crop()->set_x(8);
  half.mutable_crop()->set_w(8);
  half.mutable_crop()->set_h(8);
  v1::EmbedResponse response;
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Embed, request, &response).ok());
  ASSERT_EQ(response.vectors_size(), 2);
  EXPECT_THAT(response.vectors(0).values(), ElementsAre(1, 0, 0));
  EXPECT_THAT(response.vectors(1).values(), ElementsAre(0, 1, 0));
}

TEST_F(Gallery, SearchesWhileAChangeWaits) {
  live_->gate.Close();
  v1::DeleteRequest request;
  request.add_ids("up");
  std::jthread change([&] {
    v1::DeleteResponse response;
    EXPECT_TRUE(Call(&v1::Retrieval::Stub::Delete, request, &response).ok());
  });
  live_->gate.AwaitWaiting(1);
  EXPECT_THAT(Nearest({0, 0, 1}, "", 1), ElementsAre("up"));
  EXPECT_EQ(Count(), 4);
  live_->gate.Open();
  change.join();
  EXPECT_EQ(Count(), 3);
}

TEST_F(Gallery, MakesNoChangeForAClientThatHasGone) {
  live_->gate.Close();
  v1::DeleteRequest first, second;
  first.add_ids("up");
  second.add_ids("east");
  std::jthread change([&] {
    v1::DeleteResponse response;
    EXPECT_TRUE(Call(&v1::Retrieval::Stub::Delete, first, &response).ok());
  });
  live_->gate.AwaitWaiting(1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  v1::DeleteResponse response;
  EXPECT_EQ(stub_->Delete(&context, second, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  // The server's clock of a call starts a little later than the client's.
  std::this_thread::sleep_for(std::chrono::seconds(1));
  live_->gate.Open();
  change.join();
  // Changes are made one after the other: when this one is answered, the other has had its turn.
  v1::UpdateRequest last;
  last.add_items()->set_id("north");
  v1::UpdateResponse updated;
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Update, last, &updated).ok());
  EXPECT_EQ(Count("id = \"east\""), 1);
  EXPECT_EQ(Count("id = \"up\""), 0);
}

TEST_F(Gallery, SearchesGoOnWhenTheDiskIsFull) {
  live_->fault = [] {
    Throw(absl::StatusCode::kResourceExhausted, "cannot write /srv/gallery/wal/1: No space left");
  };
  v1::UpsertRequest request;
  AddItem("red", "Rita", &request)->mutable_photograph()->set_image(RedPng());
  v1::UpsertResponse response;
  const grpc::Status status = Call(&v1::Retrieval::Stub::Upsert, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message().find("/srv"), std::string::npos) << status.error_message();
  EXPECT_THAT(Nearest({1, 0, 0}, "", 1), ElementsAre("north"));
  EXPECT_EQ(Count(), 4);
}

TEST_F(Gallery, StopsInTheMiddleOfALargeUpsert) {
  embedder_->gate.Close();
  v1::UpsertRequest request;
  for (int i = 0; i < 200; ++i) {
    AddItem("red" + std::to_string(i), "", &request)->mutable_photograph()->set_image(RedPng());
  }
  std::jthread client([&] {
    v1::UpsertResponse response;
    EXPECT_FALSE(Call(&v1::Retrieval::Stub::Upsert, request, &response).ok());
  });
  embedder_->gate.AwaitWaiting(1);
  std::jthread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    embedder_->gate.Open();
  });
  server_.Stop(std::chrono::milliseconds(0));
  client.join();
  EXPECT_EQ(live_->Current()->Count(nullptr), 4);  // none of them
}

TEST(TaskLane, RefusesWhatItHasNoRoomForAndDoesTheRest) {
  Gate gate;
  gate.Close();
  std::atomic<int> done = 0;
  {
    TaskLane lane(1, 2);
    const auto task = [&] {
      gate.Wait();
      ++done;
    };
    ASSERT_TRUE(lane.TrySubmit(task));
    gate.AwaitWaiting(1);  // it is out of the queue
    EXPECT_TRUE(lane.TrySubmit(task));
    EXPECT_TRUE(lane.TrySubmit(task));
    EXPECT_FALSE(lane.TrySubmit(task));
    gate.Open();
  }
  EXPECT_EQ(done, 3);
}

TEST_F(Gallery, SaysWhetherItTakesChanges) {
  v1::DescribeResponse response;
  ASSERT_TRUE(Call(&v1::Retrieval::Stub::Describe, v1::DescribeRequest(), &response).ok());
  EXPECT_FALSE(response.read_only());
  const RunningServer read_only;
  grpc::ClientContext context;
  ASSERT_TRUE(read_only.stub->Describe(&context, v1::DescribeRequest(), &response).ok());
  EXPECT_TRUE(response.read_only());
  v1::UpsertRequest upsert;
  AddItem("a", "", &upsert)->mutable_photograph()->set_image(RedPng());
  v1::UpsertResponse upserted;
  grpc::ClientContext second;
  const grpc::Status status = read_only.stub->Upsert(&second, upsert, &upserted);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("read-only"));
}

TEST(Parts, BeginNoMoreThanMayBeUnderWayAndStopAtAFailure) {
  for (const size_t failing : {size_t{1000}, size_t{40}}) {
    std::mutex mutex;
    std::vector<size_t> begun;
    size_t under_way = 0, most = 0, finished = 0;
    std::atomic<bool> has_failed = false;
    absl::Status result;
    std::vector<std::jthread> threads;
    Parts* parts = nullptr;
    Parts all(
        100, 7,
        [&](size_t place) {
          std::lock_guard lock(mutex);
          begun.push_back(place);
          most = std::max(most, ++under_way);
          threads.emplace_back([&, place] {
            {
              std::lock_guard inner(mutex);
              --under_way;
            }
            if (place > failing) has_failed.wait(false);  // however slow that thread is
            parts->Done(place,
                        place == failing ? absl::AbortedError("that one") : absl::OkStatus());
            if (place == failing) {
              has_failed = true;
              has_failed.notify_all();
            }
          });
        },
        [&](const absl::Status& status) {
          std::lock_guard lock(mutex);
          result = status;
          ++finished;
        });
    parts = &all;
    all.Start();
    for (;;) {
      std::lock_guard lock(mutex);
      if (finished > 0) break;
    }
    threads.clear();  // joins
    EXPECT_EQ(finished, 1u);
    EXPECT_LE(most, 7u);
    EXPECT_EQ(std::set<size_t>(begun.begin(), begun.end()).size(), begun.size());
    if (failing == 1000) {
      EXPECT_TRUE(result.ok());
      EXPECT_EQ(begun.size(), 100u);
    } else {
      EXPECT_EQ(result, absl::AbortedError("that one"));
      EXPECT_LE(begun.size(), 47u);  // up to that one, and six beside it
    }
  }
}

}  // namespace
}  // namespace fluke::serve
