#include "common/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <thread>

#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::UnorderedElementsAre;

std::vector<std::string> Names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
  const Scratch scratch;
  AtomicFile file(scratch / "a");
  file.Append("hello ");
  file.Append("world");
  file.WriteAt(0, "J");
  EXPECT_EQ(file.size(), 11u);
  EXPECT_FALSE(std::filesystem::exists(scratch / "a"));
  file.Commit();
  EXPECT_EQ(ReadFile(scratch / "a"), "Jello world");
  EXPECT_THAT(Names(scratch.folder()), ElementsAre("a"));
}

TEST(AtomicFile, DroppedBeforeCommitLeavesTheOldFileAndNothingElse) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "a", "old");
  {
    AtomicFile file(scratch / "a");
    file.Append("new");
  }
  EXPECT_EQ(ReadFile(scratch / "a"), "old");
  EXPECT_THAT(Names(scratch.folder()), ElementsAre("a"));
}

TEST(AtomicFile, WritersOfOneNameDoNotDisturbEachOther) {
  const Scratch scratch;
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'a' + 8; ++c) {
    threads.emplace_back([&, c] {
      for (int i = 0; i < 20; ++i) WriteFileAtomically(scratch / "x", std::string(10000, c));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string bytes = ReadFile(scratch / "x");
  EXPECT_EQ(bytes, std::string(10000, bytes[0]));
  EXPECT_THAT(Names(scratch.folder()), ElementsAre("x"));
}

TEST(AtomicFile, KeepsThePermissionsOfTheFileItReplaces) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "a", "old");
  std::filesystem::permissions(scratch / "a", std::filesystem::perms(0600));
  WriteFileAtomically(scratch / "a", "new");
  EXPECT_EQ(std::filesystem::status(scratch / "a").permissions(), std::filesystem::perms(0600));
}

TEST(AtomicFile, RefusesFoldersMissingFoldersAndUseAfterCommit) {
  const Scratch scratch;
  EXPECT_EQ(ErrorOf([&] { AtomicFile file(scratch.folder()); }).code(),
            absl::StatusCode::kInvalidArgument);
  const Error missing = ErrorOf([&] { AtomicFile file(scratch / "no/such/file"); });
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.what(), AllOf(HasSubstr("no/such/file"), HasSubstr("there is no folder")));
  AtomicFile file(scratch / "a");
  file.Append("abc");
  EXPECT_EQ(ErrorOf([&] { file.WriteAt(2, "xy"); }).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ErrorOf([&] { file.WriteAt(~uint64_t{0}, "xy"); }).code(),
            absl::StatusCode::kOutOfRange);
  file.Commit();
  EXPECT_EQ(ErrorOf([&] { file.Append("d"); }).code(), absl::StatusCode::kFailedPrecondition);
}

// A file-size limit stands in for a full disk wherever the tests run.
class TightDisk {
 public:
  TightDisk() {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit tight = before_;
    tight.rlim_cur = 4096;
    setrlimit(RLIMIT_FSIZE, &tight);
  }
  ~TightDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, SIG_DFL);
  }

 private:
  rlimit before_{};
};

TEST(AtomicFile, AFullDiskIsResourceExhaustedAndReplacesNothing) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "a", "old");
  const Error error = ErrorOf([&] {
    const TightDisk tight;
    WriteFileAtomically(scratch / "a", std::string(10000, 'x'));
  });
  EXPECT_EQ(error.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr((scratch / "a").string()), HasSubstr("nothing was replaced")));
  EXPECT_EQ(ReadFile(scratch / "a"), "old");
  EXPECT_THAT(Names(scratch.folder()), ElementsAre("a"));
}

// In a child with a mount namespace of its own: 0 good, 1 wrong, 77 when such a namespace is not
// allowed here.
int WriteOnFullDisk(const std::filesystem::path& folder) {
  if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0) return 77;
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
  if (mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") != 0) return 77;
  WriteFileAtomically(folder / "a", "old");
  try {
    WriteFileAtomically(folder / "a", std::string(1 << 20, 'x'));
    return 1;
  } catch (const Error& error) {
    const bool clear = std::string_view(error.what()).find("No space left") != std::string::npos;
    return error.code() == absl::StatusCode::kResourceExhausted && clear &&
                   ReadFile(folder / "a") == "old" && Names(folder).size() == 1
               ? 0
               : 1;
  }
}

TEST(AtomicFile, OnARealFullDiskToo) {
  const Scratch scratch;
  const pid_t child = fork();
  if (child == 0) _exit(WriteOnFullDisk(scratch.folder()));
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mount namespaces here";
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(AtomicFile, WhatAKilledWriterLeftIsRemovedAndNothingElse) {
  const Scratch scratch;
  const pid_t child = fork();
  if (child == 0) {
    AtomicFile file(scratch / "a");
    _exit(0);  // as if killed: nothing is cleaned up
  }
  waitpid(child, nullptr, 0);
  WriteFileAtomically(scratch / "a", "whole");
  WriteFileAtomically(scratch / ".ab.1.0.tmp", "another's");
  EXPECT_THAT(Names(scratch.folder()), SizeIs(3));
  RemoveAbandoned(scratch / "a");
  EXPECT_THAT(Names(scratch.folder()), UnorderedElementsAre("a", ".ab.1.0.tmp"));
  RemoveAbandoned(scratch / "no/such/file");
}

TEST(MakeFolder, MakesThoseAboveItToo) {
  const Scratch scratch;
  for (int twice = 0; twice < 2; ++twice) {
    MakeFolder(scratch / "x/y/z/");
    EXPECT_TRUE(std::filesystem::is_directory(scratch / "x/y/z"));
  }
  WriteFileAtomically(scratch / "file", "");
  for (const char* name : {"file", "file/deep/er"}) {
    EXPECT_THAT(ErrorOf([&] { MakeFolder(scratch / name); }).what(),
                HasSubstr((scratch / "file").string()));
  }
}

TEST(AtomicFolder, AppearsOnlyWhenCommitted) {
  const Scratch scratch;
  {
    AtomicFolder folder(scratch / "deep" / "a/");
    WriteFileAtomically(folder.path() / "x", "new");
    EXPECT_FALSE(std::filesystem::exists(scratch / "deep" / "a"));
    folder.Commit();
    EXPECT_THROW(folder.Commit(), Error);
  }
  EXPECT_EQ(ReadFile(scratch / "deep" / "a" / "x"), "new");
  EXPECT_THAT(Names(scratch / "deep"), ElementsAre("a"));
}

TEST(AtomicFolder, DroppedBeforeCommitLeavesTheOldFolderAndNothingElse) {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "a");
  WriteFileAtomically(scratch / "a" / "x", "old");
  {
    AtomicFolder folder(scratch / "a");
    WriteFileAtomically(folder.path() / "x", "new");
  }
  EXPECT_EQ(ReadFile(scratch / "a" / "x"), "old");
  EXPECT_THAT(Names(scratch / ""), ElementsAre("a"));
}

TEST(AtomicFolder, ReplacesItsFilesTogetherAndKeepsStrangers) {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "a");
  WriteFileAtomically(scratch / "a" / "x", "old");
  WriteFileAtomically(scratch / "a" / "notes.txt", "the user's");
  {
    AtomicFolder folder(scratch / "a");
    WriteFileAtomically(folder.path() / "x", "new");
    WriteFileAtomically(folder.path() / "y", "new");
    folder.Commit();
  }
  EXPECT_EQ(ReadFile(scratch / "a" / "x"), "new");
  EXPECT_EQ(ReadFile(scratch / "a" / "notes.txt"), "the user's");
  EXPECT_THAT(Names(scratch / "a"), ElementsAre("notes.txt", "x", "y"));
  EXPECT_THAT(Names(scratch / ""), ElementsAre("a"));
}

TEST(AtomicFolder, RefusesAFileInItsPlace) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "a", "a file");
  EXPECT_THROW(AtomicFolder(scratch / "a"), Error);
  EXPECT_EQ(ReadFile(scratch / "a"), "a file");
}

TEST(ReadFile, ReadsWholeFilesOfAnySizeAndPipes) {
  const Scratch scratch;
  for (size_t size :
       {size_t{0}, size_t{1}, size_t{65535}, size_t{65536}, size_t{65537}, size_t{1} << 20}) {
    const std::string bytes(size, 'z');
    WriteFileAtomically(scratch / "a", bytes);
    EXPECT_EQ(ReadFile(scratch / "a"), bytes);
  }
  ASSERT_EQ(mkfifo((scratch / "pipe").c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(scratch / "pipe") << std::string(200000, 'p'); });
  EXPECT_EQ(ReadFile(scratch / "pipe"), std::string(200000, 'p'));
  writer.join();
  EXPECT_FALSE(ReadFile("/proc/self/status").empty());  // says it has 0 bytes
}

TEST(ReadFile, SaysWhatIsWrong) {
  const Scratch scratch;
  const Error missing = ErrorOf([&] { ReadFile(scratch / "none"); });
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.what(), HasSubstr((scratch / "none").string()));
  EXPECT_EQ(ErrorOf([&] { ReadFile(scratch.folder()); }).code(),
            absl::StatusCode::kInvalidArgument);
  WriteFileAtomically(scratch / "a", "12345");
  EXPECT_EQ(ReadFile(scratch / "a", 5), "12345");
  EXPECT_THAT(ErrorOf([&] { ReadFile(scratch / "a", 4); }).what(),
              HasSubstr("5 bytes, expected at most 4"));
  EXPECT_EQ(ErrorOf([&] { ReadFile(scratch / "a/b"); }).code(), absl::StatusCode::kNotFound);
}

TEST(MappedFile, ShowsTheBytesAndOutlivesMoves) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "a", "some bytes");
  MappedFile first(scratch / "a");
  const char* where = first.text().data();
  MappedFile second(std::move(first));
  EXPECT_EQ(second.text(), "some bytes");
  EXPECT_EQ(second.text().data(), where);
  EXPECT_TRUE(first.bytes().empty());  // NOLINT: what a moved-from map holds is promised
  WriteFileAtomically(scratch / "b", "others");
  MappedFile third(scratch / "b");
  third = std::move(second);
  EXPECT_EQ(third.text(), "some bytes");
}

TEST(MappedFile, AnEmptyFileHasNoBytes) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "a", "");
  EXPECT_TRUE(MappedFile(scratch / "a").bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const Scratch scratch;
  EXPECT_EQ(ErrorOf([&] { MappedFile file(scratch.folder()); }).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorOf([] { MappedFile file("/dev/null"); }).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorOf([&] { MappedFile file(scratch / "none"); }).code(),
            absl::StatusCode::kNotFound);
}

// Bytes of files that are mapped into this process's memory.
int64_t MappedResidentBytes() {
  const std::string status = ReadFile("/proc/self/status");
  return 1024 * std::stoll(status.substr(status.find("RssFile:") + 8));
}

TEST(MappedFile, GivesReleasedPagesBackAndHasTheirBytesWhenTheyAreUsedAgain) {
  const Scratch scratch;
  constexpr int64_t kBytes = 64 << 20;
  std::string bytes(kBytes, 'x');
  bytes[kBytes / 2] = 'y';
  WriteFileAtomically(scratch / "a", bytes);
  const MappedFile file(scratch / "a");
  const int64_t before = MappedResidentBytes();
  EXPECT_TRUE(file.text() == bytes);
  const int64_t used = MappedResidentBytes();
  EXPECT_GT(used - before, kBytes * 9 / 10);
  file.Release(file.bytes().subspan(1, kBytes / 2));  // not at the borders of pages
  EXPECT_LT(MappedResidentBytes() - before, kBytes * 6 / 10);
  file.Release();
  EXPECT_LT(MappedResidentBytes() - before, kBytes / 10);
  EXPECT_TRUE(file.text() == bytes);
}

TEST(ScratchFile, HasNoNameAndShowsWhatWasWritten) {
  const Scratch scratch;
  ScratchFile file(scratch / "a");
  EXPECT_THAT(Names(scratch.folder()), ElementsAre());
  EXPECT_TRUE(file.Map().bytes().empty());
  file.WriteAt(0, "some", 4);
  MappedFile first = file.Map();
  file.WriteAt(4, " bytes", 6);
  file.WriteAt(0, "S", 1);
  ScratchFile moved = std::move(file);
  EXPECT_EQ(moved.Map().text(), "Some bytes");
  EXPECT_EQ(first.text().size(), 4u);
  moved = ScratchFile(scratch / "b");
  EXPECT_TRUE(moved.Map().bytes().empty());
}

TEST(ScratchFile, SaysWhereTheDiskIsFull) {
  const Scratch scratch;
  ScratchFile file(scratch / "a");
  file.WriteAt(0, "kept", 4);
  const Error error = ErrorOf([&] {
    const TightDisk tight;
    file.WriteAt(4, std::string(10000, 'x').data(), 10000);
  });
  EXPECT_EQ(error.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(error.what(), HasSubstr((scratch / "a").string()));
  EXPECT_EQ(file.Map().text(), "kept");
  EXPECT_EQ(ErrorOf([&] { ScratchFile none(scratch / "no/such/file"); }).code(),
            absl::StatusCode::kNotFound);
}

TEST(SyncTree, GoesThroughFoldersAndPassesLinksBy) {
  const Scratch scratch;
  std::filesystem::create_directories(scratch / "a/b");
  WriteFileAtomically(scratch / "a/b/c", "x");
  std::filesystem::create_symlink("/no/such/place", scratch / "a/dangling");
  SyncTree(scratch.folder());
  EXPECT_EQ(ErrorOf([&] { SyncTree(scratch / "none"); }).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorOf([&] { SyncDirectory(scratch / "none"); }).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fluke
