// What a crash or a failing disk can leave behind, and what must become of it: the last good
// snapshot or a clear error.
#include <vector>

#include <gtest/gtest.h>

#include "common/random.h"
#include "index/layout.h"
#include "index/snapshot_manifest.h"
#include "index/verify.h"
#include "tests/index/fixtures.h"

namespace fluke {
namespace {

using namespace fluke::testing;  // NOLINT: the fixtures of this room
namespace fs = std::filesystem;

// Snapshot 1 holds 200 items, snapshot 2 another 50.
class DamagedIndex : public ::testing::Test {
 protected:
  DamagedIndex() {
    MakeIndex(index_, {.factory = "IVF4,Flat", .dimension = 8, .fingerprint = "model a"},
              RandomVectors(200, 8, 1));
    const auto writer = ContinueIndex(index_);
    writer->Add(NumberedItems(50, 200), RandomVectors(50, 8, 2));
    writer->Commit();
  }

  int64_t OpenedSize() const { return OpenIndex(index_)->Describe().size; }
  fs::path Live(const char* file) const { return layout::SnapshotFolder(index_, 2) / file; }
  int64_t DamagedFiles() const {
    int64_t damaged = 0;
    for (const FileCheck& check : VerifyIndex(index_)) damaged += check.problem.empty() ? 0 : 1;
    return damaged;
  }

  static constexpr const char* kFiles[] = {layout::kManifestFile, layout::kVectorsFile,
                                           layout::kItemsFile, layout::kFaissFile};
  TestFolder folder_;
  fs::path index_ = folder_.path() / "index";
};

TEST_F(DamagedIndex, OpensTheLiveSnapshotWhileAllIsWell) {
  EXPECT_EQ(OpenedSize(), 250);
  EXPECT_EQ(DamagedFiles(), 0);
}

TEST_F(DamagedIndex, OpensTheLastGoodSnapshotWhateverBitOfWhateverFileFlips) {
  Random random(RandomKey({11}));
  for (const char* file : kFiles) {
    const std::string good = ReadBytes(Live(file));
    // The first and last bytes, where headers and ends are, and a sample of the others.
    std::vector<size_t> places;
    for (size_t i = 0; i < std::min<size_t>(good.size(), 200); ++i) places.push_back(i);
    for (int i = 0; i < 100; ++i) places.push_back(random.Below(good.size()));
    places.push_back(good.size() - 1);
    for (const size_t place : places) {
      std::string bad = good;
      bad[place] = static_cast<char>(bad[place] ^ (1 << random.Below(8)));
      WriteBytes(Live(file), bad);
      ASSERT_EQ(OpenedSize(), 200) << file << ", byte " << place;
    }
    EXPECT_GE(DamagedFiles(), 1) << file;
    WriteBytes(Live(file), good);
    EXPECT_EQ(OpenedSize(), 250);
  }
}

TEST_F(DamagedIndex, OpensTheLastGoodSnapshotWhereverAFileIsCut) {
  for (const char* file : kFiles) {
    const std::string good = ReadBytes(Live(file));
    for (size_t size = 0; size < good.size(); size += 1 + good.size() / 40) {
      fs::resize_file(Live(file), size);
      ASSERT_EQ(OpenedSize(), 200) << file << " cut to " << size;
      WriteBytes(Live(file), good);
    }
    WriteBytes(Live(file), good + "more");
    EXPECT_EQ(OpenedSize(), 200) << file;
    fs::remove(Live(file));
    EXPECT_EQ(OpenedSize(), 200) << file;
    WriteBytes(Live(file), good);
  }
}

TEST_F(DamagedIndex, NeverTakesADamagedCurrentForAnotherSnapshot) {
  const std::string good = ReadBytes(layout::CurrentFile(index_));
  for (size_t place = 0; place < good.size(); ++place) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[place] = static_cast<char>(bad[place] ^ (1 << bit));
      WriteBytes(layout::CurrentFile(index_), bad);
      ASSERT_EQ(OpenedSize(), 250) << "byte " << place << ", bit " << bit;
    }
  }
  for (size_t size = 0; size < good.size(); ++size) {
    WriteBytes(layout::CurrentFile(index_), good.substr(0, size));
    ASSERT_EQ(OpenedSize(), 250) << "cut to " << size;
  }
  fs::remove(layout::CurrentFile(index_));
  EXPECT_EQ(OpenedSize(), 250);
  EXPECT_EQ(DamagedFiles(), 1);
}

TEST_F(DamagedIndex, OpensTheLastGoodSnapshotWhenTheLiveOneIsGone) {
  fs::remove_all(layout::SnapshotFolder(index_, 2));
  EXPECT_EQ(OpenedSize(), 200);
  EXPECT_EQ(DamagedFiles(), 1);  // CURRENT, which names it
}

TEST_F(DamagedIndex, NamesTheDamagedFileWhenNoSnapshotIsGood) {
  for (const int64_t number : {1, 2}) {
    fs::resize_file(layout::SnapshotFolder(index_, number) / layout::kVectorsFile, 100);
  }
  ExpectError(absl::StatusCode::kDataLoss,
              {"no good snapshot", Live(layout::kVectorsFile).string()},
              [&] { OpenIndex(index_); });
}

TEST_F(DamagedIndex, IgnoresWhatACrashedWriterLeftAndCleansItUpAtTheNextWrite) {
  // Died while writing: a building folder. Died before CURRENT changed: a whole snapshot that
  // nobody was told of.
  const fs::path building = layout::MakeBuildingFolder(index_);
  WriteBytes(building / layout::kVectorsFile, "half");
  fs::copy(layout::SnapshotFolder(index_, 1), layout::SnapshotFolder(index_, 3));
  EXPECT_EQ(OpenedSize(), 250);
  const auto writer = ContinueIndex(index_);
  EXPECT_FALSE(fs::exists(building));
  EXPECT_EQ(layout::ListSnapshots(index_), (std::vector<int64_t>{1, 2}));
}

TEST_F(DamagedIndex, CanBeWrittenToAgainFromTheLastGoodSnapshot) {
  fs::resize_file(Live(layout::kItemsFile), 10);
  const auto writer = ContinueIndex(index_);
  writer->Add(NumberedItems(5, 900), RandomVectors(5, 8, 3));
  EXPECT_EQ(writer->Commit(), 3);
  EXPECT_EQ(OpenedSize(), 205);
}

TEST_F(DamagedIndex, DoesNotTrustAFaissFileWhoseChecksumsWereForged) {
  const fs::path manifest_path = Live(layout::kManifestFile);
  const std::string good = ReadBytes(Live(layout::kFaissFile));
  SnapshotManifest manifest = ParseSnapshotManifest(ReadBytes(manifest_path), "manifest");
  Random random(RandomKey({12}));
  // The header and the lengths stand at the front; a wrong float further on cannot be told from a
  // right one.
  for (size_t place = 0; place < 60; ++place) {
    std::string bad = good;
    bad[place] = static_cast<char>(bad[place] ^ (1 << random.Below(8)));
    WriteBytes(Live(layout::kFaissFile), bad);
    manifest.files[layout::kFaissFile] = MeasureFile(Live(layout::kFaissFile));
    WriteBytes(manifest_path, SnapshotManifestToJson(manifest));
    const auto index = OpenIndex(index_);
    EXPECT_EQ(index->Search(RandomVectors(1, 8, 4), {.k = 5})[0].size(), 5u) << "byte " << place;
  }
}

TEST(DamagedFolder, IsNoIndex) {
  TestFolder folder;
  ExpectError(absl::StatusCode::kNotFound, {"no index", folder.path().string()},
              [&] { OpenIndex(folder.path()); });
  ExpectError(absl::StatusCode::kNotFound, {"no index"}, [&] { OpenIndex(folder.path() / "x"); });
  ExpectError(absl::StatusCode::kNotFound, {"no index"}, [&] { ContinueIndex(folder.path()); });
  ExpectError(absl::StatusCode::kNotFound, {"no index"}, [&] { VerifyIndex(folder.path()); });
}

TEST(SnapshotManifest, OfANewerFormatIsRefusedByName) {
  std::string json = SnapshotManifestToJson({.dimension = 4});
  EXPECT_EQ(ParseSnapshotManifest(json, "m").dimension, 4);
  const size_t version = json.find("\"format_version\": 1");
  ASSERT_NE(version, std::string::npos);
  json.replace(version, 19, "\"format_version\": 2");
  ExpectError(absl::StatusCode::kDataLoss, {"m", "CRC-32C"},
              [&] { ParseSnapshotManifest(json, "m"); });
}

}  // namespace
}  // namespace fluke
