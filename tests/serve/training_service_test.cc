// fluke.v1.Training over gRPC, with shell scripts as trainers.
#include "serve/jobs/training_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "serve/server.h"
#include "tests/common/scratch.h"
#include "tests/serve/job_scripts.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kConfig[] =
    "data: {manifest: flukes.csv}\n"
    "train: {epochs: 2}\n";

// A server whose clients' photographs lie in `photos`.
class TrainingTest : public ::testing::Test {
 protected:
  TrainingTest() {
    std::filesystem::create_directories(scratch / "photos");
    std::ofstream(scratch / "photos/flukes.csv") << "path,identity\n";
    config = LoopbackConfig();
    config.set_data(scratch / "data");
    config.mutable_jobs()->set_data(scratch / "photos");
  }
  ~TrainingTest() override { Touch(go); }

  void Serve(const Scripts& scripts = {}) {
    ServerSeams seams;
    seams.training.commands = scripts.Commands();
    seams.training.check_config = check;
    if (can_publish) seams.training.publish = [](const auto&...) {};
    server.emplace(std::make_shared<FakeIndex>(), nullptr, config, seams);
    channel = grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials());
    stub = v1::Training::NewStub(channel);
  }

  static v1::SubmitJobRequest Request(const std::string& yaml = kConfig) {
    v1::SubmitJobRequest request;
    request.set_name("humpbacks");
    request.set_config_yaml(yaml);
    return request;
  }
  grpc::Status Submit(const v1::SubmitJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return stub->SubmitJob(&context, request, job);
  }
  v1::Job Submitted(const v1::SubmitJobRequest& request = Request()) {
    v1::Job job;
    const grpc::Status status = Submit(request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  grpc::Status Get(const std::string& id, v1::Job* job) {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_id(id);
    return stub->GetJob(&context, request, job);
  }
  grpc::Status Cancel(const std::string& id, v1::Job* job) {
    grpc::ClientContext context;
    v1::CancelJobRequest request;
    request.set_id(id);
    return stub->CancelJob(&context, request, job);
  }
  // All that a watcher is told, and how its call ends. `seen` looks at each.
  grpc::Status Watch(const std::string& id, std::vector<v1::Job>* told,
                     const std::function<void(const v1::Job&)>& seen = {}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    v1::WatchJobRequest request;
    request.set_id(id);
    const auto stream = stub->WatchJob(&context, request);
    v1::Job job;
    while (stream->Read(&job)) {
      told->push_back(job);
      if (seen) seen(job);
    }
    return stream->Finish();
  }
  void ExpectRefused(const std::string& yaml, const std::string& message) {
    v1::Job job;
    const grpc::Status status = Submit(Request(yaml), &job);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << yaml;
    EXPECT_THAT(status.error_message(), HasSubstr(message));
    EXPECT_THAT(status.error_message(), Not(HasSubstr(scratch.folder().string())));
  }
  std::string UntilGo() const {
    return StrCat("until [ -e ", go.string(), " ]; do sleep .02; done");
  }

  Scratch scratch;
  const std::filesystem::path go = scratch / "go";
  v1::ServeConfig config;
  CheckTrainConfig check;
  bool can_publish = false;
  std::optional<RetrievalServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Training::Stub> stub;
};

TEST_F(TrainingTest, WatchesAJobFromSubmissionToItsEnd) {
  Serve({.train = kTwoEpochs});
  const v1::Job job = Submitted();
  EXPECT_EQ(job.name(), "humpbacks");
  EXPECT_GT(job.submitted_ms(), 0);
  std::vector<v1::Job> told;
  EXPECT_TRUE(Watch(job.id(), &told).ok());
  ASSERT_FALSE(told.empty());
  const v1::Job& last = told.back();
  EXPECT_EQ(last.state(), v1::Job::SUCCEEDED);
  EXPECT_EQ(last.progress(), 1);
  EXPECT_EQ(last.attempts(), 1);
  // Two rows of lr, loss and recall@1.
  ASSERT_EQ(last.metrics_size(), 6);
  EXPECT_EQ(last.metrics(1).name(), "loss");
  EXPECT_EQ(last.metrics(1).step(), 10);
  EXPECT_EQ(last.metrics(1).epoch(), 1);
  EXPECT_EQ(last.metrics(1).value(), 2.5);
  EXPECT_EQ(last.metrics(5).name(), "recall@1");
  EXPECT_EQ(last.metrics(5).value(), 0.75);
}

TEST_F(TrainingTest, TellsWatchersHowFarAJobIs) {
  Serve(
      {.train = StrCat("mkdir -p $2; printf 'epoch,step,lr,loss\\n1,10,.5,2\\n' > $2/metrics.csv; ",
                       UntilGo())});
  std::vector<v1::Job> told;
  bool has_seen_half = false;
  EXPECT_TRUE(Watch(Submitted().id(), &told, [&](const v1::Job& job) {
                if (job.state() != v1::Job::RUNNING || job.progress() != 0.5) return;
                has_seen_half = true;
                Touch(go);
              }).ok());
  EXPECT_TRUE(has_seen_half);
  EXPECT_EQ(told.back().state(), v1::Job::SUCCEEDED);
}

TEST_F(TrainingTest, EndsWatchersWhenTheServerStopsAndRunsTheJobAgainLater) {
  Serve({.train = "trap 'exit 130' TERM; " + UntilGo()});
  const std::string id = Submitted().id();
  std::vector<v1::Job> told;
  std::thread stopper;
  const grpc::Status status = Watch(id, &told, [&](const v1::Job& job) {
    if (job.state() != v1::Job::RUNNING || stopper.joinable()) return;
    stopper = std::thread([&] { server->Stop(std::chrono::seconds(20)); });
  });
  stopper.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  server.reset();
  Serve({.train = kTwoEpochs});
  told.clear();
  EXPECT_TRUE(Watch(id, &told).ok());
  EXPECT_EQ(told.back().state(), v1::Job::SUCCEEDED);
}

TEST_F(TrainingTest, TakesNoMoreWatchersThanItsBound) {
  Serve({.train = UntilGo()});
  const std::string id = Submitted().id();
  v1::WatchJobRequest request;
  request.set_id(id);
  struct Watcher {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::Job>> stream;
  };
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 64; ++i) {
    auto& watcher = watchers.emplace_back(std::make_unique<Watcher>());
    watcher->stream = stub->WatchJob(&watcher->context, request);
    v1::Job job;
    ASSERT_TRUE(watcher->stream->Read(&job)) << i;
  }
  std::vector<v1::Job> told;
  EXPECT_EQ(Watch(id, &told).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // Those that go away make room.
  for (auto& watcher : watchers) watcher->context.TryCancel();
  Touch(go);
  EXPECT_TRUE(Eventually([&] { return Watch(id, &told).ok(); }));
  for (auto& watcher : watchers) watcher->stream->Finish();
}

TEST_F(TrainingTest, GivesTheTrainerAbsolutePathsAndItsClientsRelativeOnes) {
  Serve({.train = "cat $1; echo run in $2"});
  v1::SubmitJobRequest request = Request();
  request.add_set("train.epochs=5");
  const v1::Job job = Submitted(request);
  EXPECT_THAT(job.config_yaml(), HasSubstr("manifest: flukes.csv"));
  EXPECT_THAT(job.config_yaml(), HasSubstr("epochs: 5"));
  std::vector<v1::Job> told;
  EXPECT_TRUE(Watch(job.id(), &told).ok());
  const v1::Job& last = told.back();
  EXPECT_THAT(last.log_tail(), HasSubstr(StrCat("run in jobs/", job.id(), "/run")));
  EXPECT_THAT(last.ShortDebugString(), Not(HasSubstr(scratch.folder().string())));
  const JobFolder folder{scratch.folder() / "data" / "jobs" / job.id()};
  EXPECT_THAT(TextOf(folder.config()), HasSubstr((scratch / "photos/flukes.csv").string()));
}

TEST_F(TrainingTest, RefusesManifestsThatAreNotInItsFolder) {
  std::ofstream(scratch / "outside.csv") << "path,identity\n";
  std::filesystem::create_symlink(scratch / "outside.csv", scratch / "photos/link.csv");
  Serve();
  for (const std::string& path :
       {std::string("../outside.csv"), (scratch / "photos/flukes.csv").string(),
        std::string("link.csv"), std::string("missing.csv"), std::string("a/../../outside.csv"),
        std::string("''"), std::string("/dev/null")}) {
    v1::Job job;
    const grpc::Status status = Submit(Request(StrCat("data: {manifest: ", path, "}\n")), &job);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << path;
  }
  ExpectRefused("data: {manifest: ../outside.csv}\n", "config:1: data.manifest");
  ExpectRefused("data: {manifest: link.csv}\n", "config:1: data.manifest");
}

TEST_F(TrainingTest, RefusesAConfigThatTrainWouldRefuseNamingLineAndKey) {
  check = [this](const v1::TrainConfig& given, const ConfigSource& source) {
    EXPECT_EQ(given.data().manifest(), (scratch / "photos/flukes.csv").string());
    NotFound(source.Where("model.backbone"), ": unknown backbone, as ", given.data().manifest(),
             " and /usr/lib/x say");
  };
  Serve();
  ExpectRefused("data: {manifest: flukes.csv}\ntrain:\n  epoch: 3\n", "config:3: train.epoch");
  ExpectRefused("data: {manifest: flukes.csv}\nmodel:\n  backbone: resnet19\n",
                "config:3: model.backbone: unknown backbone, as flukes.csv and .../x say");
}

TEST_F(TrainingTest, BeginsWithTheModelOfAJobBeforeButWithNoOtherFile) {
  Serve({.train = "mkdir -p $2; touch $2/model.safetensors; grep init_from $1 || :"});
  const v1::Job first = Submitted();
  std::vector<v1::Job> told;
  EXPECT_TRUE(Watch(first.id(), &told).ok());
  const auto with_origin = [](const std::string& origin) {
    return StrCat(kConfig, "model: {init_from: '", origin, "'}\n");
  };
  const v1::Job second = Submitted(Request(with_origin("job:" + first.id())));
  EXPECT_TRUE(Watch(second.id(), &told).ok());
  EXPECT_THAT(told.back().log_tail(), HasSubstr(StrCat("init_from: jobs/", first.id(), "/run")));
  EXPECT_THAT(second.config_yaml(), HasSubstr("job:" + first.id()));
  ExpectRefused(with_origin("/etc/passwd"), "model.init_from");
  ExpectRefused(with_origin("job:../../x"), "model.init_from");
  ExpectRefused(with_origin("job:nobody"), "no job 'nobody'");
}

TEST_F(TrainingTest, CancelsAJobOnce) {
  Serve({.train = "trap 'exit 130' TERM; " + UntilGo()});
  const std::string id = Submitted().id();
  v1::Job job;
  EXPECT_TRUE(Cancel(id, &job).ok());
  std::vector<v1::Job> told;
  EXPECT_TRUE(Watch(id, &told).ok());
  EXPECT_EQ(told.back().state(), v1::Job::CANCELLED);
  EXPECT_EQ(Cancel(id, &job).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(TrainingTest, TakesNoMoreThanMayWait) {
  config.mutable_jobs()->set_max_waiting(1);
  Serve({.train = UntilGo()});
  const std::string running = Submitted().id();
  v1::Job job;
  ASSERT_TRUE(
      Eventually([&] { return Get(running, &job).ok() && job.state() == v1::Job::RUNNING; }));
  Submitted();
  EXPECT_EQ(Submit(Request(), &job).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(TrainingTest, ListsTheNewestFirstPageByPage) {
  Serve({.train = "mkdir -p $2; echo a log"});
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(Submitted().id());
    std::vector<v1::Job> told;
    EXPECT_TRUE(Watch(ids.back(), &told).ok());
  }
  v1::ListJobsRequest request;
  request.set_page_size(2);
  v1::ListJobsResponse page;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub->ListJobs(&context, request, &page).ok());
  }
  ASSERT_EQ(page.jobs_size(), 2);
  EXPECT_EQ(page.jobs(0).id(), ids[2]);
  EXPECT_EQ(page.jobs(1).id(), ids[1]);
  EXPECT_THAT(page.jobs(0).log_tail(), IsEmpty());
  EXPECT_THAT(page.jobs(0).config_yaml(), IsEmpty());
  request.set_page_token(page.next_page_token());
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub->ListJobs(&context, request, &page).ok());
  }
  ASSERT_EQ(page.jobs_size(), 1);
  EXPECT_EQ(page.jobs(0).id(), ids[0]);
  EXPECT_THAT(page.next_page_token(), IsEmpty());
  request.set_page_token("first");
  grpc::ClientContext context;
  EXPECT_EQ(stub->ListJobs(&context, request, &page).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(TrainingTest, PublishesWhatSucceeded) {
  can_publish = true;
  Serve();
  v1::SubmitJobRequest request = Request();
  request.mutable_publish()->set_alias("whales");
  const std::string id = Submitted(request).id();
  std::vector<v1::Job> told;
  EXPECT_TRUE(Watch(id, &told).ok());
  EXPECT_EQ(told.back().state(), v1::Job::PUBLISHED);
  EXPECT_EQ(told.back().collection(), "whales-" + id);
  EXPECT_EQ(told.back().publish().alias(), "whales");
}

TEST_F(TrainingTest, RefusesToPublishUnderNamesThatAreNone) {
  can_publish = true;
  Serve();
  const std::string id = Submitted().id();
  std::vector<v1::Job> told;
  EXPECT_TRUE(Watch(id, &told).ok());
  for (const std::string alias : {"", "../x", "a b", "caf\xc3\xa9"}) {
    v1::PublishJobRequest request;
    request.set_id(id);
    request.mutable_target()->set_alias(alias);
    v1::Job job;
    grpc::ClientContext context;
    EXPECT_EQ(stub->PublishJob(&context, request, &job).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT)
        << alias;
  }
}

TEST_F(TrainingTest, SaysWhichJobItDoesNotKnow) {
  Serve();
  v1::Job job;
  EXPECT_EQ(Get("x", &job).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Cancel("x", &job).error_code(), grpc::StatusCode::NOT_FOUND);
  std::vector<v1::Job> told;
  const grpc::Status status = Watch("x", &told);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("'x'"));
}

TEST_F(TrainingTest, RunsNoJobsWithoutAFolder) {
  config.clear_data();
  Serve();
  v1::Job job;
  const grpc::Status status = Submit(Request(), &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("`data`"));
  EXPECT_EQ(Get("x", &job).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  std::vector<v1::Job> told;
  EXPECT_EQ(Watch("x", &told).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(TrainingTest, RefusesAFolderOfDataThatIsNotThere) {
  config.mutable_jobs()->set_data(scratch / "missing");
  const Error error = ErrorOf([&] { Serve(); });
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(error.what(), HasSubstr("jobs.data"));
}

}  // namespace
}  // namespace fluke::serve
