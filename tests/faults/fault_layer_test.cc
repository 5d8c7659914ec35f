// The layer itself: it sees what changes files, and loses what a power failure may lose.
#include "tests/faults/fault_layer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files.h"
#include "tests/common/scratch.h"
#include "tests/faults/child.h"

namespace fluke::faults {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;

std::vector<std::string> Names(const std::vector<Operation>& operations) {
  std::vector<std::string> names;
  for (const Operation& operation : operations) names.push_back(operation.name);
  return names;
}

class FaultLayer : public ::testing::Test {
 protected:
  void Begin(Fault fault, int64_t at = 0) const {
    BeginFaults({.folder = watched_, .fault = fault, .at = at});
  }
  // Does `work` and dies as `fault` says at the end of it.
  ChildOutcome DieAfter(Fault fault, const std::function<void()>& work) const {
    Begin(Fault::kNone);
    const ChildOutcome count = InChild([&](const Say& say) {
      work();
      say(std::to_string(Operations().size()));
    });
    fs::remove_all(watched_);
    Prepare();
    return InChild([&](const Say&) {
      Begin(fault, std::stoll(count.said) + 1);
      work();
      ReachTheEnd();
    });
  }
  void Prepare() const {
    EndFaults();
    fs::create_directories(watched_ / "sub");
    std::ofstream(watched_ / "old") << "old";
  }
  FaultLayer() { Prepare(); }
  ~FaultLayer() override { EndFaults(); }

  const Scratch scratch_;
  const fs::path watched_ = fs::canonical(scratch_.folder()) / "watched";
};

TEST_F(FaultLayer, SeesEveryChangeOfTheStandardLibraryAndOfOursButNoReading) {
  Begin(Fault::kNone);
  std::ofstream(watched_ / "a") << "text";
  std::ofstream(watched_ / "a", std::ios::app) << "more";
  std::ofstream(scratch_ / "elsewhere") << "text";
  EXPECT_EQ(ReadFile(watched_ / "a"), "textmore");
  fs::create_directory(watched_ / "b");
  fs::rename(watched_ / "a", watched_ / "b" / "a");
  fs::create_hard_link(watched_ / "b" / "a", watched_ / "c");
  fs::copy_file(watched_ / "c", watched_ / "d");
  fs::resize_file(watched_ / "d", 1);
  fs::remove(watched_ / "c");
  fs::remove_all(watched_ / "b");
  EXPECT_THAT(Names(Operations()),
              ElementsAre("create", "write", "open", "write", "mkdir", "rename", "link", "create",
                          "write", "open", "truncate", "remove", "remove", "remove"));
  Begin(Fault::kNone);
  WriteFileAtomically(watched_ / "a", "text");
  EXPECT_THAT(Names(Operations()), ElementsAre("create", "write", "fsync", "rename", "fsync"));
}

TEST_F(FaultLayer, LosesContentsSinceTheLastFsync) {
  const auto work = [&] {
    const int fd = open((watched_ / "old").c_str(), O_RDWR | O_APPEND);
    ASSERT_EQ(write(fd, " kept", 5), 5);
    ASSERT_EQ(fsync(fd), 0);
    ASSERT_EQ(write(fd, " lost", 5), 5);
    ASSERT_EQ(ftruncate(fd, 2), 0);
    const int again = open((watched_ / "old").c_str(), O_RDWR);
    ASSERT_EQ(pwrite(again, "xxx", 3, 1), 3);
  };
  for (const Fault fault : {Fault::kLost, Fault::kLostData}) {
    EXPECT_TRUE(DieAfter(fault, work).killed());
    EXPECT_EQ(ReadFile(watched_ / "old"), "old kept");
  }
  EXPECT_TRUE(DieAfter(Fault::kBefore, work).killed());
  EXPECT_EQ(ReadFile(watched_ / "old"), "oxxx");
}

TEST_F(FaultLayer, LosesSecondHalvesWhereWritesAreTorn) {
  const auto work = [&] {
    const int fd = open((watched_ / "old").c_str(), O_RDWR | O_APPEND);
    ASSERT_EQ(write(fd, "1234", 4), 4);
    ASSERT_EQ(fsync(fd), 0);
    ASSERT_EQ(write(fd, "5678", 4), 4);
    ASSERT_EQ(write(fd, std::string(1200, 'x').data(), 1200), 1200);
  };
  EXPECT_TRUE(DieAfter(Fault::kTorn, work).killed());
  // The small write lies in one sector, of the large one the first ends at 512.
  EXPECT_EQ(ReadFile(watched_ / "old"), "old1234" + std::string(4, '\0') +
                                            std::string(512 - 11, 'x') +
                                            std::string(11 + 1200 - 512, '\0'));
}

TEST_F(FaultLayer, LosesNamesSinceTheLastFsyncOfTheirFolder) {
  const auto work = [&] {
    fs::create_directory(watched_ / "kept");
    SyncDirectory(watched_);
    std::ofstream(watched_ / "kept" / "lost") << "x";
    std::ofstream(watched_ / "new") << "x";
    fs::rename(watched_ / "new", watched_ / "old");
    fs::rename(watched_ / "old", watched_ / "older");
    fs::remove(watched_ / "sub");
  };
  EXPECT_TRUE(DieAfter(Fault::kLost, work).killed());
  EXPECT_EQ(ReadFile(watched_ / "old"), "old");
  EXPECT_TRUE(fs::is_empty(watched_ / "kept"));
  EXPECT_TRUE(fs::is_empty(watched_ / "sub"));
  EXPECT_EQ(std::distance(fs::directory_iterator(watched_), {}), 3);

  EXPECT_TRUE(DieAfter(Fault::kLostData, work).killed());
  EXPECT_EQ(ReadFile(watched_ / "older"), "");
  EXPECT_EQ(std::distance(fs::directory_iterator(watched_), {}), 2);
}

TEST_F(FaultLayer, WritesHalfBeforeItKillsInAWriteOrTheDiskIsFull) {
  const ChildOutcome killed = InChild([&](const Say&) {
    Begin(Fault::kIn, 2);
    std::ofstream(watched_ / "a") << "123456";
  });
  EXPECT_TRUE(killed.killed());
  EXPECT_EQ(ReadFile(watched_ / "a"), "123");

  BeginFaults({.folder = watched_, .fault = Fault::kError, .at = 2, .error = ENOSPC});
  std::ofstream full(watched_ / "b");
  full << "123456";
  full.close();
  EXPECT_FALSE(full.good());
  EXPECT_EQ(ReadFile(watched_ / "b"), "123");
}

TEST_F(FaultLayer, StopsAnyProgramThatItIsPreloadedTo) {
  const std::string command =
      StrCat("FAULT_FOLDER=", watched_.string(),
             " FAULT_KIND=before FAULT_AT=1 LD_PRELOAD=", FLUKE_FAULT_LAYER, " mv ",
             (watched_ / "old").string(), " ", (watched_ / "new").string());
  EXPECT_EQ(WEXITSTATUS(system(command.c_str())), 128 + SIGKILL);
  EXPECT_TRUE(fs::exists(watched_ / "old"));
}

}  // namespace
}  // namespace fluke::faults
