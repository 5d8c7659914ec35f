// Jobs as processes: their limits, their ends, and what becomes of them when the server ends.
#include "serve/jobs/job_runner.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <optional>

#include "common/files.h"
#include "tests/common/scratch.h"
#include "tests/serve/job_scripts.h"

namespace fluke::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// What was asked to be published.
struct Published {
  void operator()(const std::string& collection, const std::filesystem::path& index,
                  const std::vector<std::string>& runs, const std::string& alias) {
    std::lock_guard lock(mutex);
    collections.push_back(collection);
    had_index = std::filesystem::is_directory(index);
    last_runs = runs;
    aliases.push_back(alias);
    if (fails) Throw(absl::StatusCode::kResourceExhausted, index, ": no room");
  }

  std::mutex mutex;
  bool fails = false;
  std::vector<std::string> collections, aliases, last_runs;
  bool had_index = false;
};

class JobRunnerTest : public ::testing::Test {
 protected:
  JobRunnerTest() {
    options.jobs = scratch / "jobs";
    options.hidden_roots = {scratch.folder().string()};
  }

  void Run(const Scripts& scripts) {
    runner.emplace(
        &table, scripts.Commands(), [this](const auto&... arguments) { published(arguments...); },
        options);
  }
  std::string Add(const NewJob& job = SomeJob()) {
    const std::string id = table.Add(job, 100).id;
    if (runner) runner->Wake();
    return id;
  }
  v1::Job::State StateOf(const std::string& id) { return table.Get(id).state; }
  ::testing::AssertionResult Becomes(const std::string& id, v1::Job::State state) {
    if (Eventually([&] { return StateOf(id) == state; })) return ::testing::AssertionSuccess();
    const JobRecord job = table.Get(id);
    return ::testing::AssertionFailure()
           << v1::Job::State_Name(job.state) << " " << job.error << "\n"
           << LogOf(id);
  }
  JobFolder FolderOf(const std::string& id) const { return {options.jobs / id}; }
  std::string LogOf(const std::string& id) const { return TextOf(FolderOf(id).log()); }
  void Cancel(const std::string& id) {
    table.RequestCancel(id);
    runner->Wake();
  }

  Scratch scratch;
  JobRunnerOptions options;
  Published published;
  JobTable table{scratch / "jobs.sqlite"};
  std::optional<JobRunner> runner;  // ends first
};

TEST_F(JobRunnerTest, RunsAWaitingJobWithItsConfig) {
  Run({.train = "cat $1"});
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::SUCCEEDED));
  EXPECT_EQ(table.Get(id).attempts, 1);
  EXPECT_THAT(LogOf(id), HasSubstr("manifest: /nowhere/flukes.csv"));
}

TEST_F(JobRunnerTest, KeepsAProcessWithinItsLimits) {
  options.max_memory_mb = 512;
  options.niceness = 3;
  const int here = getpriority(PRIO_PROCESS, 0);
  Run({.train = "echo data $(ulimit -d); echo core $(ulimit -c); echo nice $(nice); cat; pwd"});
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::SUCCEEDED));
  EXPECT_THAT(LogOf(id), HasSubstr("data 524288\n"));  // 512 MiB in KiB
  EXPECT_THAT(LogOf(id), HasSubstr("core 0\n"));
  EXPECT_THAT(LogOf(id), HasSubstr(StrCat("nice ", std::min(19, here + 3), "\n")));
}

TEST_F(JobRunnerTest, HandsNoFileOfTheServerToAProcess) {
  const int file = open("/dev/null", O_RDONLY);
  const FileDescriptor inheritable(fcntl(file, F_DUPFD, 50));
  close(file);
  Run({.train =
           StrCat("[ -e /proc/self/fd/", inheritable.get(), " ] && echo open || echo closed")});
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::SUCCEEDED));
  EXPECT_THAT(LogOf(id), HasSubstr("closed\n"));
}

TEST_F(JobRunnerTest, SaysWhyAJobFailedWithoutPathsOfTheMachine) {
  Run({.train = "echo some words; echo fluke: /srv/secret/a.yaml:3: bad $2 >&2; exit 2"});
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::FAILED));
  const std::string error = table.Get(id).error;
  EXPECT_THAT(error, HasSubstr("exit code 2"));
  EXPECT_THAT(error, HasSubstr(StrCat("fluke: .../a.yaml:3: bad jobs/", id, "/run")));
}

TEST_F(JobRunnerTest, FailsAJobWhoseProgramIsMissing) {
  JobCommands commands;
  commands.train = [](const auto&...) { return JobCommands::Words{"/no/such/program"}; };
  runner.emplace(&table, commands, nullptr, options);
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::FAILED));
  EXPECT_THAT(table.Get(id).error, HasSubstr("No such file"));
  EXPECT_THAT(table.Get(id).error, Not(HasSubstr("/no/such")));
}

TEST_F(JobRunnerTest, RunsOneJobAfterTheOtherWhereOneMayRun) {
  const std::filesystem::path go = scratch / "go";
  Run({.train = StrCat("until [ -e ", go.string(), " ]; do sleep .02; done")});
  const std::string first = Add(), second = Add();
  ASSERT_TRUE(Becomes(first, v1::Job::RUNNING));
  runner->Wake();
  EXPECT_EQ(StateOf(second), v1::Job::WAITING);
  Touch(go);
  EXPECT_TRUE(Becomes(first, v1::Job::SUCCEEDED));
  EXPECT_TRUE(Becomes(second, v1::Job::SUCCEEDED));
  EXPECT_LE(table.Get(first).ended_ms, table.Get(second).started_ms);
}

constexpr char kSavesAndStops[] =
    "trap 'echo saved; exit 130' TERM; echo up; while :; do sleep .02; done";

TEST_F(JobRunnerTest, LetsACancelledJobSaveWhatItHas) {
  Run({.train = kSavesAndStops});
  const std::string id = Add();
  ASSERT_TRUE(Eventually([&] { return LogOf(id).find("up") != std::string::npos; }));
  Cancel(id);
  ASSERT_TRUE(Becomes(id, v1::Job::CANCELLED));
  EXPECT_THAT(LogOf(id), HasSubstr("saved"));
}

TEST_F(JobRunnerTest, KillsAJobThatDoesNotStop) {
  options.kill_grace = std::chrono::milliseconds(50);
  Run({.train = "trap '' TERM; echo up; while :; do sleep .02; done"});
  const std::string id = Add();
  ASSERT_TRUE(Eventually([&] { return LogOf(id).find("up") != std::string::npos; }));
  Cancel(id);
  EXPECT_TRUE(Becomes(id, v1::Job::CANCELLED));
}

TEST_F(JobRunnerTest, StopsAJobAtItsLimitOfTime) {
  options.max_seconds = 1;
  Run({.train = kSavesAndStops});
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::FAILED));
  EXPECT_THAT(LogOf(id), HasSubstr("saved"));
  EXPECT_THAT(table.Get(id).error, HasSubstr("after 1 s"));
}

TEST_F(JobRunnerTest, PutsARunningJobBackWhenTheServerStops) {
  Run({.train = kSavesAndStops});
  const std::string id = Add();
  ASSERT_TRUE(Eventually([&] { return LogOf(id).find("up") != std::string::npos; }));
  runner.reset();
  EXPECT_EQ(StateOf(id), v1::Job::WAITING);
  EXPECT_THAT(LogOf(id), HasSubstr("saved"));
  Run({.train = "exit 0"});
  ASSERT_TRUE(Becomes(id, v1::Job::SUCCEEDED));
  EXPECT_EQ(table.Get(id).attempts, 2);
}

TEST_F(JobRunnerTest, GoesOnWithAJobThatRanWhenTheServerWasKilled) {
  const std::string id = Add(), cancelled = Add();
  table.Start(id, "");
  table.Start(cancelled, "");
  table.RequestCancel(cancelled);
  Run({});
  ASSERT_TRUE(Becomes(id, v1::Job::SUCCEEDED));
  EXPECT_EQ(table.Get(id).attempts, 2);
  EXPECT_EQ(StateOf(cancelled), v1::Job::CANCELLED);
}

TEST_F(JobRunnerTest, DoesNotRunAJobBesideItsProcessesOfAnEarlierServer) {
  const std::string held = Add();
  MakeFolder(FolderOf(held).root);
  std::optional<FileDescriptor> lock = TryLock(FolderOf(held).lock());
  ASSERT_TRUE(lock);
  Run({});
  // One that comes later passes it by.
  EXPECT_TRUE(Becomes(Add(), v1::Job::SUCCEEDED));
  EXPECT_EQ(StateOf(held), v1::Job::WAITING);
  lock.reset();
  EXPECT_TRUE(Becomes(held, v1::Job::SUCCEEDED));
}

TEST_F(JobRunnerTest, GivesUpAfterThreeCrashesWithoutProgress) {
  Run({.train = "kill -9 $$"});
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::FAILED));
  EXPECT_EQ(table.Get(id).attempts, 3);
  EXPECT_THAT(table.Get(id).error, HasSubstr("signal 9"));
}

TEST_F(JobRunnerTest, RunsAJobAgainAsLongAsItComesFurther) {
  Run({.train = "mkdir -p $2; echo row >> $2/metrics.csv; "
                "[ $(wc -l < $2/metrics.csv) -ge 5 ] || kill -9 $$"});
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::SUCCEEDED));
  EXPECT_EQ(table.Get(id).attempts, 5);
}

TEST_F(JobRunnerTest, KeepsTheEndOfALongLog) {
  options.max_log_bytes = 20000;
  Run({.train = "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done"});
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::SUCCEEDED));
  const std::string before = TextOf(FolderOf(id).log_before());
  EXPECT_LE(LogOf(id).size(), 10000u);
  EXPECT_EQ(before.size(), 10000u);
  EXPECT_THAT(before + LogOf(id), HasSubstr("line 4000\n"));
  EXPECT_THAT(LogOf(id), HasSubstr("line 4999\n"));
}

NewJob JobToPublish() {
  NewJob job = SomeJob();
  job.publish.set_alias("whales");
  job.publish.set_index_type("HNSW32");
  return job;
}

TEST_F(JobRunnerTest, PublishesAJobThatSucceeded) {
  Run({.embed = "echo embed $2; mkdir -p $3", .index = "echo index $1 $2; mkdir -p $3"});
  const std::string id = Add(JobToPublish());
  ASSERT_TRUE(Becomes(id, v1::Job::PUBLISHED));
  EXPECT_EQ(table.Get(id).collection, "whales-" + id);
  EXPECT_THAT(published.collections, ElementsAre("whales-" + id));
  EXPECT_THAT(published.aliases, ElementsAre("whales"));
  EXPECT_THAT(published.last_runs, ElementsAre(FolderOf(id).run().string()));
  EXPECT_TRUE(published.had_index);
  EXPECT_THAT(LogOf(id), HasSubstr("embed /nowhere/flukes.csv"));
  EXPECT_THAT(LogOf(id), HasSubstr("embeddings HNSW32\n"));
}

TEST_F(JobRunnerTest, PublishesAnotherGalleryOnRequest) {
  Run({.embed = "echo embed $2; mkdir -p $3"});
  const std::string id = Add();
  ASSERT_TRUE(Becomes(id, v1::Job::SUCCEEDED));
  EXPECT_THAT(published.collections, ElementsAre());
  table.RequestPublication(id, JobToPublish().publish, "/data/others.csv");
  runner->Wake();
  ASSERT_TRUE(Becomes(id, v1::Job::PUBLISHED));
  EXPECT_THAT(LogOf(id), HasSubstr("embed /data/others.csv"));
}

TEST_F(JobRunnerTest, PublishesNothingWhenAStepFails) {
  Run({.embed = "echo fluke: no memory; exit 1"});
  const std::string id = Add(JobToPublish());
  ASSERT_TRUE(Eventually([&] { return !table.Get(id).error.empty(); }));
  EXPECT_EQ(StateOf(id), v1::Job::SUCCEEDED);
  EXPECT_THAT(table.Get(id).error, HasSubstr("embedding the gallery"));
  EXPECT_THAT(table.Get(id).error, HasSubstr("no memory"));
  EXPECT_THAT(published.collections, ElementsAre());
}

TEST_F(JobRunnerTest, SaysWhyNothingWasPublishedWithoutPathsOfTheMachine) {
  published.fails = true;
  Run({});
  const std::string id = Add(JobToPublish());
  ASSERT_TRUE(Eventually([&] { return !table.Get(id).error.empty(); }));
  EXPECT_EQ(StateOf(id), v1::Job::SUCCEEDED);
  EXPECT_EQ(table.Get(id).error, StrCat("jobs/", id, "/publication-1/index: no room"));
}

TEST_F(JobRunnerTest, BeginsAPublicationAnewUnderAnotherNameWhenTheServerWasKilled) {
  const std::string id = Add(JobToPublish());
  table.Start(id, "");
  table.SucceedAndPublish(id);
  table.BeginPublication(id);
  Run({});
  ASSERT_TRUE(Becomes(id, v1::Job::PUBLISHED));
  EXPECT_THAT(published.collections, ElementsAre("whales-" + id + "-2"));
}

TEST_F(JobRunnerTest, CancelsAPublication) {
  Run({.embed = kSavesAndStops});
  const std::string id = Add(JobToPublish());
  ASSERT_TRUE(Eventually([&] { return LogOf(id).find("up") != std::string::npos; }));
  Cancel(id);
  ASSERT_TRUE(Becomes(id, v1::Job::SUCCEEDED));
  EXPECT_THAT(table.Get(id).error, HasSubstr("cancelled"));
  EXPECT_THAT(published.collections, ElementsAre());
}

}  // namespace
}  // namespace fluke::serve
