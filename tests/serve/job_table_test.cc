// The table of jobs: what it keeps, which changes it allows, which files it refuses.
#include "serve/jobs/job_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "tests/common/scratch.h"
#include "tests/serve/job_scripts.h"

namespace fluke::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::vector<std::string> NamesOf(const std::vector<JobRecord>& jobs) {
  std::vector<std::string> names;
  for (const JobRecord& job : jobs) names.push_back(job.name);
  return names;
}

TEST(JobTable, KeepsEverythingOfAJobWhenItIsOpenedAgain) {
  const Scratch scratch;
  std::string id;
  {
    JobTable table(scratch / "jobs.sqlite");
    NewJob job = SomeJob("humpbacks ' \" \xc3\xa9");
    job.max_steps = 7;
    job.publish.set_alias("whales");
    job.publish.set_gallery("all.csv");
    job.publish.set_index_type("IVF64,Flat");
    job.gallery = "/data/all.csv";
    id = table.Add(job, 10).id;
    table.Start(id, "mark");
    table.Fail(id, "no such loss");
  }
  const JobTable table(scratch / "jobs.sqlite");
  const JobRecord job = table.Get(id);
  EXPECT_EQ(job.name, "humpbacks ' \" \xc3\xa9");
  EXPECT_EQ(job.state, v1::Job::FAILED);
  EXPECT_EQ(job.error, "no such loss");
  EXPECT_EQ(job.config_yaml, "shown");
  EXPECT_EQ(job.manifest, "/nowhere/flukes.csv");
  EXPECT_EQ(job.epochs, 2);
  EXPECT_EQ(job.max_steps, 7);
  EXPECT_EQ(job.publish.alias(), "whales");
  EXPECT_EQ(job.publish.gallery(), "all.csv");
  EXPECT_EQ(job.publish.index_type(), "IVF64,Flat");
  EXPECT_EQ(job.gallery, "/data/all.csv");
  EXPECT_EQ(job.attempts, 1);
  EXPECT_EQ(job.mark, "mark");
  EXPECT_LE(job.submitted_ms, job.started_ms);
  EXPECT_LE(job.started_ms, job.ended_ms);
}

TEST(JobTable, HasWhatAServerWroteThatWasKilledRightAfter) {
  const Scratch scratch;
  const pid_t child = fork();
  if (child == 0) {
    JobTable table(scratch / "jobs.sqlite");
    table.Add(SomeJob("last words"), 10);
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(NamesOf(JobTable(scratch / "jobs.sqlite").InState(v1::Job::WAITING)),
              ElementsAre("last words"));
}

TEST(JobTable, GivesIdsThatSortInTheOrderOfSubmission) {
  const Scratch scratch;
  JobTable table(scratch / "jobs.sqlite");
  std::string before;
  for (int i = 0; i < 12; ++i) {
    const std::string id = table.Add(SomeJob(), 100).id;
    EXPECT_THAT(id, MatchesRegex("[0-9]{8}-[0-9]{6}-[0-9]{4}"));
    EXPECT_LT(before, id);
    before = id;
  }
}

TEST(JobTable, TakesNoMoreJobsThanMayWait) {
  const Scratch scratch;
  JobTable table(scratch / "jobs.sqlite");
  const std::string first = table.Add(SomeJob(), 2).id;
  table.Add(SomeJob(), 2);
  EXPECT_EQ(ErrorOf([&] { table.Add(SomeJob(), 2); }).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(table.List(0, 10).size(), 2u);
  table.Start(first, "");
  EXPECT_NO_THROW(table.Add(SomeJob(), 2));
}

TEST(JobTable, LeavesAJobAsItIsWhenAChangeMayNotBeginFromItsState) {
  const Scratch scratch;
  JobTable table(scratch / "jobs.sqlite");
  const std::string id = table.Add(SomeJob(), 10).id;
  const auto refuses = [&](const std::function<void()>& change) {
    const JobRecord before = table.Get(id);
    const Error error = ErrorOf(change);
    EXPECT_EQ(error.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(error.what(), HasSubstr(v1::Job::State_Name(before.state)));
    EXPECT_EQ(table.Get(id).state, before.state);
    EXPECT_EQ(table.Get(id).revision, before.revision);
  };
  refuses([&] { table.Succeed(id); });
  refuses([&] { table.Fail(id, "why"); });
  refuses([&] { table.RequestPublication(id, {}, ""); });
  table.Start(id, "");
  refuses([&] { table.Start(id, ""); });
  table.Succeed(id);
  refuses([&] { table.RequestCancel(id); });
  refuses([&] { table.RunAgain(id, 0); });
  refuses([&] { table.Publish(id, "collection"); });
}

TEST(JobTable, CancelsAWaitingJobAtOnceAndNotesTheWishForARunningOne) {
  const Scratch scratch;
  JobTable table(scratch / "jobs.sqlite");
  EXPECT_EQ(table.RequestCancel(table.Add(SomeJob(), 10).id).state, v1::Job::CANCELLED);
  const std::string running = table.Add(SomeJob(), 10).id;
  table.Start(running, "");
  const JobRecord asked = table.RequestCancel(running);
  EXPECT_EQ(asked.state, v1::Job::RUNNING);
  EXPECT_TRUE(asked.cancel_requested);
  table.MarkCancelled(running);
  EXPECT_EQ(table.Get(running).state, v1::Job::CANCELLED);
}

TEST(JobTable, GoesBackToWhereAFailedPublicationBegan) {
  const Scratch scratch;
  JobTable table(scratch / "jobs.sqlite");
  const std::string id = table.Add(SomeJob(), 10).id;
  table.Start(id, "");
  table.SucceedAndPublish(id);
  EXPECT_EQ(table.Get(id).state, v1::Job::PUBLISHING);
  table.FailPublication(id, "no room");
  EXPECT_EQ(table.Get(id).state, v1::Job::SUCCEEDED);
  EXPECT_EQ(table.Get(id).error, "no room");
  v1::PublishTarget target;
  target.set_alias("whales");
  EXPECT_EQ(table.RequestPublication(id, target, "").error, "");
  EXPECT_EQ(table.BeginPublication(id).publications, 1);
  table.Publish(id, "whales-1");
  EXPECT_EQ(table.Get(id).state, v1::Job::PUBLISHED);
  table.RequestPublication(id, target, "");
  EXPECT_EQ(table.BeginPublication(id).publications, 2);
  table.FailPublication(id, "no room");
  EXPECT_EQ(table.Get(id).state, v1::Job::PUBLISHED);
  EXPECT_EQ(table.Get(id).collection, "whales-1");
}

TEST(JobTable, ListsTheNewestFirstPageByPage) {
  const Scratch scratch;
  JobTable table(scratch / "jobs.sqlite");
  for (const char* name : {"a", "b", "c"}) table.Add(SomeJob(name), 10);
  const auto page = table.List(0, 2);
  EXPECT_THAT(NamesOf(page), ElementsAre("c", "b"));
  EXPECT_THAT(NamesOf(table.List(page.back().sequence, 2)), ElementsAre("a"));
  EXPECT_THAT(NamesOf(table.InState(v1::Job::WAITING)), ElementsAre("a", "b", "c"));
}

TEST(JobTable, SaysWhichJobIsNotThere) {
  const Scratch scratch;
  const JobTable table(scratch / "jobs.sqlite");
  const Error error = ErrorOf([&] { table.Get("x' OR '1'='1"); });
  EXPECT_EQ(error.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr("x' OR '1'='1"));
}

TEST(JobTable, RefusesAFileThatIsNoDatabase) {
  const Scratch scratch;
  const std::filesystem::path file = scratch / "jobs.sqlite";
  std::ofstream(file) << std::string(4096, 'x');
  const Error error = ErrorOf([&] { JobTable table(file); });
  EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(error.what(), HasSubstr(file.string()));
}

TEST(JobTable, RefusesADamagedFile) {
  const Scratch scratch;
  const std::filesystem::path file = scratch / "jobs.sqlite";
  {
    JobTable table(file);
    for (int i = 0; i < 200; ++i) table.Add(SomeJob(std::string(100, 'n')), 1000);
  }
  // All pages but the first, which names the tables.
  const auto size = std::filesystem::file_size(file);
  ASSERT_GT(size, 16384u);
  std::fstream damaged(file, std::ios::in | std::ios::out | std::ios::binary);
  damaged.seekp(4096);
  damaged << std::string(size - 4096, '\x7f');
  damaged.close();
  const Error error = ErrorOf([&] { JobTable table(file); });
  EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(error.what(), HasSubstr(file.string()));
}

TEST(JobTable, RefusesAnotherProgramsDatabaseAndANewerVersion) {
  const Scratch scratch;
  SqliteDatabase(scratch / "other.sqlite").ExecuteScript("CREATE TABLE jobs (id TEXT)");
  EXPECT_THAT(ErrorOf([&] { JobTable table(scratch / "other.sqlite"); }).what(),
              HasSubstr("no table of fluke's jobs"));
  { JobTable table(scratch / "newer.sqlite"); }
  SqliteDatabase(scratch / "newer.sqlite").ExecuteScript("PRAGMA user_version = 2");
  const Error error = ErrorOf([&] { JobTable table(scratch / "newer.sqlite"); });
  EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(error.what(), HasSubstr("version 2"));
}

TEST(JobTable, BelongsToOneServerAtATime) {
  const Scratch scratch;
  const JobTable table(scratch / "jobs.sqlite");
  const Error error = ErrorOf([&] { JobTable second(scratch / "jobs.sqlite"); });
  EXPECT_EQ(error.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), HasSubstr("another process"));
}

}  // namespace
}  // namespace fluke::serve
