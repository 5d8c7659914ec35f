// From listening to stopping: addresses, health, reflection, deadlines, graceful stop.
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <gtest/gtest.h>

#include "tests/serve/fake_openers.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// grpc.health.v1: HealthCheckRequest{string service = 1}, HealthCheckResponse{ServingStatus status
// = 1}, 1 = SERVING, 2 = NOT_SERVING.
constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kHealthWatch[] = "/grpc.health.v1.Health/Watch";
constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";

// A one-field message: `text` as the length-delimited field `number`.
std::string TextField(int number, const std::string& text) {
  return std::string(1, static_cast<char>(number << 3 | 2)) +
         std::string(1, static_cast<char>(text.size())) + text;
}

// A call that streams in both or one direction, of any method, on its own completion queue.
class RawStream {
 public:
  RawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
    grpc::GenericStub generic(channel);
    context_.set_deadline(std::chrono::system_clock::now() + seconds(30));
    call_ = generic.PrepareCall(&context_, method, &queue_);
    call_->StartCall(nullptr);
    Await();
  }
  ~RawStream() {
    context_.TryCancel();
    Finish();
    queue_.Shutdown();
  }
  void Send(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    call_->Write(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions().set_last_message(), nullptr);
    Await();
  }
  // The next message; "" at the end of the stream.
  std::string Receive() {
    grpc::ByteBuffer buffer;
    call_->Read(&buffer, nullptr);
    if (!Await()) return "";
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (buffer.Dump(&slices).ok()) {
      for (const grpc::Slice& slice : slices) {
        bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
    }
    return bytes;
  }
  grpc::Status Finish() {
    if (!finished_) {
      call_->Finish(&status_, nullptr);
      Await();
      finished_ = true;
    }
    return status_;
  }

 private:
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::Status status_;
  bool finished_ = false;
};

TEST(Server, ListensOnAFreePortAndTellsIt) {
  RunningServer running;
  EXPECT_THAT(running.server.address(), StartsWith("127.0.0.1:"));
  EXPECT_GT(running.server.port(), 0);
  EXPECT_THAT(running.server.address(), EndsWith(std::to_string(running.server.port())));
}

TEST(Server, RefusesAnAddressThatIsTaken) {
  RunningServer running;
  v1::ServeConfig config = LoopbackConfig();
  config.set_listen(running.server.address());
  try {
    RetrievalServer second(running.index, nullptr, config);
    FAIL() << "two servers listen on " << second.address();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(error.what(), HasSubstr(running.server.address()));
  }
}

TEST(Server, RefusesTheIndexOfAnotherModel) {
  const auto index = std::make_shared<FakeIndex>();
  const auto embedder = std::make_shared<FakeEmbedder>();
  embedder->fingerprint_ = "f2";
  try {
    RetrievalServer server(index, embedder, LoopbackConfig());
    FAIL() << "served";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(error.what(), HasSubstr("f1"));
    EXPECT_THAT(error.what(), HasSubstr("f2"));
  }
  embedder->dimension_ = 5;
  EXPECT_THROW(RetrievalServer(index, embedder, LoopbackConfig()), Error);
}

TEST(Health, IsServingForTheServerAndForTheServiceByName) {
  RunningServer running;
  for (const std::string service : {"", "fluke.v1.Retrieval"}) {
    std::string response;
    const grpc::Status status =
        running.CallRaw(kHealthCheck, service.empty() ? "" : TextField(1, service), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response, kServing) << service;
  }
}

TEST(Loading, ListensAndSaysNotServingUntilTheCollectionsAreOpen) {
  const ScratchFolder folder;
  FakeOpeners openers;
  FakeOpeners::MakeIndex(folder.path());
  v1::ServeConfig config = LoopbackConfig();
  config.set_index(folder.path().string());
  RetrievalServer server(config);
  const auto channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::Retrieval::NewStub(channel);
  const auto search = [&] {
    grpc::ClientContext context;
    v1::SearchResponse response;
    return stub->Search(&context, VectorRequest({1, 0, 0}), &response);
  };
  openers.opening.Close();
  auto loading = std::async(std::launch::async, [&] { server.Load(openers.Get()); });
  openers.opening.AwaitWaiting(1);
  EXPECT_FALSE(server.is_ready());
  const grpc::Status early = search();
  EXPECT_EQ(early.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(early.error_message(), "the server is loading");
  RawStream watch(channel, kHealthWatch);
  watch.Send("");
  EXPECT_EQ(watch.Receive(), kNotServing);

  openers.opening.Open();
  loading.get();
  EXPECT_TRUE(server.is_ready());
  EXPECT_EQ(watch.Receive(), kServing);
  EXPECT_TRUE(search().ok());
  server.Stop(seconds(1));
  EXPECT_FALSE(server.is_ready());
}

TEST(Loading, ThrowsWhatCannotBeOpenedNamingIt) {
  const ScratchFolder folder;
  FakeOpeners openers;
  v1::ServeConfig config = LoopbackConfig();
  config.set_index(folder.path().string());  // an empty folder
  RetrievalServer server(config);
  try {
    server.Load(openers.Get());
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(error.what(), HasSubstr(folder.path().string()));
  }
  EXPECT_FALSE(server.is_ready());
}

TEST(Loading, RefusesPreferredSizesThatNoBatchCanHave) {
  v1::ServeConfig config = LoopbackConfig();
  config.mutable_batching()->set_max_batch(8);
  config.mutable_batching()->add_preferred_sizes(16);
  EXPECT_THROW(RetrievalServer{config}, Error);
}

TEST(Health, DoesNotKnowOtherServices) {
  RunningServer running;
  EXPECT_EQ(running.CallRaw(kHealthCheck, TextField(1, "fluke.v1.Nothing")).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST(Health, AWatcherSeesNotServingOnceTheServerStops) {
  RunningServer running;
  RawStream watch(running.channel, kHealthWatch);
  watch.Send(TextField(1, "fluke.v1.Retrieval"));
  EXPECT_EQ(watch.Receive(), kServing);

  running.index->gate.Close();
  auto search = std::async([&] { return running.Search(VectorRequest({1, 0, 0})); });
  running.index->gate.AwaitWaiting(1);
  auto stop = std::async([&] { running.server.Stop(seconds(20)); });
  EXPECT_EQ(watch.Receive(), kNotServing);
  running.index->gate.Open();
  EXPECT_TRUE(search.get().status.ok());
  // The watch is still open and must not hold the stop up.
  EXPECT_EQ(stop.wait_for(seconds(10)), std::future_status::ready);
}

// grpc.reflection.v1alpha: ServerReflectionRequest{file_containing_symbol = 4, list_services = 7}.
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

TEST(Reflection, NamesTheServicesAndTheirMessages) {
  RunningServer running;
  {
    RawStream stream(running.channel, kReflection);
    stream.Send(TextField(7, "*"));
    const std::string services = stream.Receive();
    EXPECT_THAT(services, HasSubstr("fluke.v1.Retrieval"));
    EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
  }
  RawStream stream(running.channel, kReflection);
  stream.Send(TextField(4, "fluke.v1.Retrieval"));
  EXPECT_THAT(stream.Receive(), HasSubstr("SearchRequest"));
}

TEST(Reflection, CanBeSwitchedOff) {
  v1::ServeConfig config = LoopbackConfig();
  config.set_reflection(false);
  RunningServer running(config);
  RawStream stream(running.channel, kReflection);
  stream.Send(TextField(7, "*"));
  EXPECT_EQ(stream.Receive(), "");
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(Deadline, EndsACallThatWaitsForItsTurnAndSparesTheSearch) {
  RunningServer running;
  running.index->gate.Close();
  auto first = std::async(std::launch::async, [&] {
    return running.Search(VectorRequest({1, 0, 0}));
  });
  running.index->gate.AwaitWaiting(1);
  const Answer late = running.Search(VectorRequest({0, 1, 0}), milliseconds(50));
  EXPECT_EQ(late.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  // The server counts from when it heard of the call, so that its own deadline is a little later.
  std::this_thread::sleep_for(seconds(1));
  running.index->gate.Open();
  EXPECT_TRUE(first.get().status.ok());
  EXPECT_TRUE(running.Search(VectorRequest({0, 0, 1})).status.ok());
  // The late one was searched neither alone nor with the third.
  EXPECT_THAT(running.index->batches(), ElementsAre(1, 1));
}

TEST(Cancel, OfACallThatWaitsForItsTurnSparesTheSearch) {
  RunningServer running;
  running.index->gate.Close();
  auto first = std::async(std::launch::async, [&] {
    return running.Search(VectorRequest({1, 0, 0}));
  });
  running.index->gate.AwaitWaiting(1);
  grpc::ClientContext context;
  std::jthread canceller([&] {
    std::this_thread::sleep_for(milliseconds(200));
    context.TryCancel();
  });
  v1::SearchResponse response;
  const grpc::Status status = running.stub->Search(&context, VectorRequest({0, 1, 0}), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  std::this_thread::sleep_for(seconds(1));  // the server has heard of it by now
  running.index->gate.Open();
  EXPECT_TRUE(first.get().status.ok());
  EXPECT_TRUE(running.Search(VectorRequest({0, 0, 1})).status.ok());
  EXPECT_THAT(running.index->batches(), ElementsAre(1, 1));
}

TEST(Stop, LetsSearchesUnderWayFinish) {
  RunningServer running;
  running.index->gate.Close();
  std::vector<std::future<Answer>> searches;
  for (int i = 0; i < 8; ++i) {
    searches.push_back(std::async(std::launch::async, [&running, i] {
      return running.Search(i % 2 == 0 ? VectorRequest({1, 0, 0}) : ImageRequest(RedPng()));
    }));
  }
  running.index->gate.AwaitWaiting(1);
  std::this_thread::sleep_for(seconds(1));  // the others wait in the queues by now
  auto stop = std::async(std::launch::async, [&] { running.server.Stop(seconds(20)); });
  EXPECT_EQ(stop.wait_for(milliseconds(200)), std::future_status::timeout);
  running.index->gate.Open();
  for (auto& search : searches) {
    const Answer answer = search.get();
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  }
  EXPECT_EQ(stop.wait_for(seconds(10)), std::future_status::ready);
  EXPECT_EQ(running.Search(VectorRequest({1, 0, 0})).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST(Stop, RefusesNewSearchesWhileOldOnesFinish) {
  RunningServer running;
  running.index->gate.Close();
  auto old_search = std::async(std::launch::async, [&] {
    return running.Search(VectorRequest({1, 0, 0}));
  });
  running.index->gate.AwaitWaiting(1);
  auto stop = std::async(std::launch::async, [&] { running.server.Stop(seconds(20)); });
  while (running.server.is_ready()) std::this_thread::sleep_for(milliseconds(1));
  std::this_thread::sleep_for(milliseconds(100));  // what Stop does next is to refuse calls
  const Answer late = running.Search(VectorRequest({1, 0, 0}));
  EXPECT_EQ(late.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(late.status.error_message(), "the server is stopping");
  running.index->gate.Open();
  EXPECT_TRUE(old_search.get().status.ok());
  EXPECT_EQ(stop.wait_for(seconds(10)), std::future_status::ready);
}

TEST(Stop, UnderLoadEveryCallEndsWithAnAnswerOrARefusal) {
  RunningServer running;
  std::atomic<int> answered = 0;
  std::vector<std::jthread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      for (;;) {
        const grpc::Status status = running.Search(VectorRequest({1, 0, 0})).status;
        if (status.ok()) {
          ++answered;
          continue;
        }
        // CANCELLED is gRPC's word for a call that reached it after it was shut down.
        EXPECT_THAT(status.error_code(),
                    testing::AnyOf(grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::CANCELLED))
            << status.error_message();
        return;
      }
    });
  }
  while (answered < 200) std::this_thread::sleep_for(milliseconds(1));
  running.server.Stop(seconds(20));
}

TEST(Stop, CancelsWhatOutlastsTheDrainTimeout) {
  RunningServer running;
  running.index->gate.Close();
  auto search = std::async(std::launch::async, [&] {
    return running.Search(VectorRequest({1, 0, 0}));
  });
  running.index->gate.AwaitWaiting(1);
  auto stop = std::async(std::launch::async, [&] { running.server.Stop(milliseconds(50)); });
  EXPECT_FALSE(search.get().status.ok());  // while the index is still at it
  running.index->gate.Open();
  EXPECT_EQ(stop.wait_for(seconds(10)), std::future_status::ready);
}

TEST(Stop, MayBeCalledTwice) {
  RunningServer running;
  running.server.Stop(seconds(1));
  running.server.Stop(seconds(1));
}

}  // namespace
}  // namespace fluke::serve
