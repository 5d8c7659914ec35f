#include "common/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>
#include <zlib.h>

#include <fstream>
#include <set>
#include <thread>

#include <opencv2/imgcodecs.hpp>

#include "common/files.h"
#include "common/zip_archive.h"
#include "tests/common/scratch.h"
#include "tests/folders.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

void Write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// A picture whose red says x and whose green says y.
cv::Mat Coordinates(int width, int height) {
  cv::Mat bgr(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      bgr.at<cv::Vec3b>(y, x) = cv::Vec3b(0, static_cast<uint8_t>(y), static_cast<uint8_t>(x));
    }
  }
  return bgr;
}

std::string Picture(const std::string& extension = ".png", int width = 40, int height = 30) {
  std::vector<uchar> bytes;
  cv::imencode(extension, Coordinates(width, height), bytes);
  return std::string(bytes.begin(), bytes.end());
}

struct ZipEntry {
  std::string name, bytes;
};

void WriteZip(const fs::path& path, const std::vector<ZipEntry>& entries) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  ASSERT_NE(archive, nullptr);
  for (const ZipEntry& entry : entries) {
    zip_source_t* source = zip_source_buffer(archive, entry.bytes.data(), entry.bytes.size(), 0);
    ASSERT_GE(zip_file_add(archive, entry.name.c_str(), source, 0), 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

std::string Idx(const std::vector<int>& sizes, const std::string& values) {
  std::string bytes = {0, 0, 8, static_cast<char>(sizes.size())};
  for (int size : sizes) {
    for (int shift : {24, 16, 8, 0}) bytes += static_cast<char>(size >> shift & 255);
  }
  return bytes + values;
}

void WriteGz(const fs::path& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
            static_cast<int>(bytes.size()));
  gzclose(file);
}

std::vector<std::string> Paths(const Manifest& manifest) {
  std::vector<std::string> paths;
  for (const ManifestItem& item : manifest.items) paths.push_back(item.path);
  return paths;
}

std::vector<std::string> Identities(const Manifest& manifest) {
  std::vector<std::string> identities;
  for (const ManifestItem& item : manifest.items) identities.push_back(item.identity);
  return identities;
}

std::string ReadMessage(const fs::path& path) {
  return ErrorOf([&] { ReadManifest(path); }).what();
}

TEST(ManifestCsv, ReadsEveryColumnByName) {
  const Scratch scratch;
  Write(scratch / "photos.csv",
        "identity,path,w,h,x,y,split,is_query,is_gallery,camera,timestamp,mask,id,species,\n"
        "Neo,a/1.jpg,30.5,20,1,-2,train,True,0,left,2020-01-02,m.png,n1,humpback,\n"
        ",b.jpg,,,,,3,,,,,,n2,,\n");
  const Manifest manifest = ReadManifest(scratch / "photos.csv");
  ASSERT_EQ(manifest.items.size(), 2u);
  const ManifestItem& first = manifest.items[0];
  EXPECT_EQ(first.path, "a/1.jpg");
  EXPECT_EQ(first.identity, "Neo");
  EXPECT_EQ(first.split, "train");
  ASSERT_TRUE(first.box);
  EXPECT_EQ(first.box->x, 1);
  EXPECT_EQ(first.box->y, -2);
  EXPECT_EQ(first.box->w, 30.5f);
  EXPECT_EQ(first.box->h, 20);
  EXPECT_EQ(first.is_query, true);
  EXPECT_EQ(first.is_gallery, false);
  EXPECT_EQ(first.camera, "left");
  EXPECT_EQ(first.timestamp, "2020-01-02");
  EXPECT_EQ(first.mask, "m.png");
  EXPECT_THAT(first.metadata, ElementsAre(Pair("id", "n1"), Pair("species", "humpback")));
  EXPECT_EQ(first.line, 2);
  const ManifestItem& second = manifest.items[1];
  EXPECT_EQ(second.identity, "");
  EXPECT_EQ(second.split, "3");
  EXPECT_FALSE(second.box);
  EXPECT_FALSE(second.is_query);
  EXPECT_THAT(second.metadata, ElementsAre(Pair("id", "n2")));
}

TEST(ManifestCsv, ReadsTheColumnsOfOpenMetricLearningAndWildlifeDatasets) {
  const Scratch scratch;
  Write(scratch / "oml.csv", "label,path,split,is_query\n7,a.jpg,validation,True\n");
  const Manifest oml = ReadManifest(scratch / "oml.csv");
  EXPECT_EQ(oml.items[0].identity, "7");
  EXPECT_EQ(oml.items[0].split, "val");
  EXPECT_THAT(oml.items[0].metadata, IsEmpty());
  Write(scratch / "wildlife.csv",
        "path,identity,bbox,label\na.jpg,x,\"[1.0, 2.0, 30.0, 4.5]\",left\nb.jpg,x,,\n");
  const Manifest wildlife = ReadManifest(scratch / "wildlife.csv");
  EXPECT_EQ(wildlife.items[0].box->h, 4.5f);
  EXPECT_FALSE(wildlife.items[1].box);
  EXPECT_THAT(wildlife.items[0].metadata, ElementsAre(Pair("label", "left")));
}

TEST(ManifestCsv, NamesTheLineOfABadRow) {
  const Scratch scratch;
  const fs::path path = scratch / "photos.csv";
  const auto message_for = [&](const std::string& row) {
    Write(path, "path,x,y,w,h,split,is_query,id\nok.jpg,,,,,,,0\n" + row + "\n");
    const Error error = ErrorOf([&] { ReadManifest(path); });
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("photos.csv:3: "));
    return std::string(error.what());
  };
  EXPECT_THAT(message_for(",,,,,,,"), HasSubstr("path is empty"));
  EXPECT_THAT(message_for("a.jpg,1,2,nan,4,,,"), HasSubstr("box w is nan"));
  EXPECT_THAT(message_for("a.jpg,1,2,,4,,,"), HasSubstr("box w is ''; expected a number"));
  EXPECT_THAT(message_for("a.jpg,1,2,3px,4,,,"), HasSubstr("box w is '3px'"));
  EXPECT_THAT(message_for("a.jpg,1,2,0,4,,,"), HasSubstr("box is empty"));
  EXPECT_THAT(message_for("a.jpg,,,,,,maybe,"),
              HasSubstr("is_query is 'maybe'; expected true or false"));
  EXPECT_THAT(message_for("a.jpg,,,,,dev,,"), HasSubstr("split is 'dev'"));
  EXPECT_THAT(message_for("ok.jpg,,,,,,,"), HasSubstr("'ok.jpg' stands in line 2 already"));
  EXPECT_THAT(message_for("a.jpg,,,,,,,0"), HasSubstr("id '0' stands in line 2 already"));
}

TEST(ManifestCsv, SkippingBadReportsThemAndKeepsTheRest) {
  const Scratch scratch;
  Write(scratch / "photos.csv", "path,x,y,w,h\na.jpg,1,2,3,4\nb.jpg,1,2,nan,4\n,,,,\nc.jpg,,,,\n");
  std::vector<BadRow> bad;
  const Manifest manifest = ReadManifestSkippingBad(scratch / "photos.csv", &bad);
  EXPECT_THAT(Paths(manifest), ElementsAre("a.jpg", "c.jpg"));
  ASSERT_EQ(bad.size(), 2u);
  EXPECT_EQ(bad[0].path, "b.jpg");
  EXPECT_EQ(bad[0].line, 3);
  EXPECT_THAT(bad[0].reason, HasSubstr("box w"));
  EXPECT_EQ(bad[1].line, 4);
}

TEST(ManifestCsv, ARowWithTooFewFieldsIsABadRow) {
  const Scratch scratch;
  Write(scratch / "photos.csv", "path,identity\na.jpg,x\nb.jpg\nc.jpg,z\n");
  EXPECT_THAT(ReadMessage(scratch / "photos.csv"), HasSubstr("photos.csv:3: 1 fields, expected 2"));
  std::vector<BadRow> bad;
  EXPECT_THAT(Paths(ReadManifestSkippingBad(scratch / "photos.csv", &bad)),
              ElementsAre("a.jpg", "c.jpg"));
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_EQ(bad[0].path, "b.jpg");
}

TEST(ManifestCsv, OnePhotographMayHoldSeveralBoxes) {
  const Scratch scratch;
  Write(scratch / "photos.csv", "path,x,y,w,h\na.jpg,1,2,3,4\na.jpg,5,2,3,4\n");
  EXPECT_EQ(ReadManifest(scratch / "photos.csv").items.size(), 2u);
}

TEST(ManifestCsv, RefusesATableWithoutPathsOrWithHalfABox) {
  const Scratch scratch;
  Write(scratch / "photos.csv", "file,identity\na.jpg,x\n");
  EXPECT_THAT(ReadMessage(scratch / "photos.csv"),
              HasSubstr("photos.csv:1: no column 'path'; found file, identity"));
  Write(scratch / "photos.csv", "path,x,y\na.jpg,1,2\n");
  EXPECT_THAT(ReadMessage(scratch / "photos.csv"),
              HasSubstr("a box needs the columns x, y, w and h"));
}

TEST(ManifestCsv, WritesWhatItReads) {
  const Scratch scratch;
  Write(scratch / "photos.csv",
        "path,identity,split,x,y,w,h,is_query,camera,id,notes\n"
        "\"a, b.jpg\",Neo,test,0.1,2,3.25,1e6,true,left,1,\"says \"\"hi\"\"\"\n"
        "c.jpg,,,,,,,,,2,\n");
  const Manifest read = ReadManifest(scratch / "photos.csv");
  WriteManifestCsv(scratch / "copy.csv", read.items);
  EXPECT_EQ(ReadFile(scratch / "copy.csv"),
            "path,identity,split,x,y,w,h,is_query,camera,id,notes\n"
            "\"a, b.jpg\",Neo,test,0.1,2,3.25,1e+06,true,left,1,\"says \"\"hi\"\"\"\n"
            "c.jpg,,,,,,,,,2,\n");
  const Manifest copy = ReadManifest(scratch / "copy.csv");
  EXPECT_EQ(copy.items[0].box->x, 0.1f);
  EXPECT_EQ(copy.items[0].box->h, 1e6f);
  WriteManifestCsv(scratch / "small.csv", {ManifestItem{.path = "x.jpg"}});
  EXPECT_EQ(ReadFile(scratch / "small.csv"), "path\nx.jpg\n");
}

TEST(ManifestFolder, IdentityIsTheFolderAndOrderIsByName) {
  const Scratch scratch;
  for (const char* path : {"photos/b/2.PNG", "photos/b/1.png", "photos/a/south/9.png"}) {
    Write(scratch / "set" / path, Picture());
  }
  for (const char* path :
       {"photos/b/.hidden.png", "photos/.cache/1.png", "photos/notes.txt", "__MACOSX/x.png"}) {
    Write(scratch / "set" / path, "x");
  }
  const Manifest manifest = ReadManifest(scratch / "set");
  EXPECT_THAT(Paths(manifest),
              ElementsAre("photos/a/south/9.png", "photos/b/1.png", "photos/b/2.PNG"));
  EXPECT_THAT(Identities(manifest), ElementsAre("a/south", "b", "b"));
  EXPECT_EQ(LoadCropped(manifest, manifest.items[2], {}).size(), cv::Size(40, 30));
}

TEST(ManifestFolder, PhotographsInOneFolderHaveNoIdentity) {
  const Scratch scratch;
  Write(scratch / "new/2.jpg", "");
  Write(scratch / "new/1.jpg", "");
  EXPECT_THAT(Identities(ReadManifest(scratch / "new")), ElementsAre("", ""));
}

TEST(ManifestFolder, FoldersNamedAfterSplitsAreSplits) {
  const Scratch scratch;
  for (const char* path : {"train/a/1.jpg", "valid/a/2.jpg", "test/b/3.jpg"})
    Write(scratch / "set" / path, "");
  const Manifest manifest = ReadManifest(scratch / "set");
  EXPECT_THAT(Paths(manifest), ElementsAre("test/b/3.jpg", "train/a/1.jpg", "valid/a/2.jpg"));
  EXPECT_THAT(Identities(manifest), ElementsAre("b", "a", "a"));
  EXPECT_EQ(manifest.items[0].split, "test");
  EXPECT_EQ(manifest.items[2].split, "val");
}

TEST(ManifestFolder, AManifestInTheFolderIsReadInstead) {
  const Scratch scratch;
  Write(scratch / "set/a/1.png", Picture());
  Write(scratch / "set/manifest.csv", "path,identity\na/1.png,Neo\n");
  const Manifest manifest = ReadManifest(scratch / "set");
  EXPECT_THAT(Identities(manifest), ElementsAre("Neo"));
  EXPECT_EQ(manifest.images->Load(manifest.items[0], {}).full_width, 40);
}

TEST(Manifest, NamesWhatIsMissing) {
  const Scratch scratch;
  EXPECT_THAT(ReadMessage(scratch / "nothing.csv"), HasSubstr("nothing.csv: no such manifest"));
  Write(scratch / "a.jpg", Picture(".jpg"));
  EXPECT_THAT(ReadMessage(scratch / "a.jpg"), HasSubstr("not a manifest; expected a .csv"));
  fs::create_directories(scratch / "empty");
  EXPECT_THAT(ReadMessage(scratch / "empty"), HasSubstr("no photographs in this folder"));
  Write(scratch / "m.csv", "path\ngone.jpg\n");
  const Manifest manifest = ReadManifest(scratch / "m.csv");
  EXPECT_THAT(ErrorOf([&] { LoadCropped(manifest, manifest.items[0], {}); }).what(),
              HasSubstr("gone.jpg"));
}

TEST(Manifest, SelectKeepsTheChosenItems) {
  const Scratch scratch;
  for (const char* path : {"a/1.png", "a/2.png", "b/3.png"}) Write(scratch / path, Picture());
  const Manifest manifest = ReadManifest(scratch.folder());
  const Manifest selected = Select(manifest, {true, false, true});
  EXPECT_THAT(Paths(selected), ElementsAre("a/1.png", "b/3.png"));
  EXPECT_EQ(selected.images, manifest.images);
  EXPECT_EQ(selected.items[1].line, 3);
  EXPECT_THAT(ErrorOf([&] { Select(manifest, {true}); }).what(),
              HasSubstr("1 choices for 3 items"));
}

TEST(LoadCropped, CutsTheBoxAndClipsIt) {
  const Scratch scratch;
  Write(scratch / "a.png", Picture(".png", 40, 30));
  Write(scratch / "m.csv",
        "path,x,y,w,h\na.png,10,5,20,15\na.png,-5,-5,15,15\na.png,30,20,1e9,1e9\na.png,39.8,2,.1,."
        "1\n");
  const Manifest manifest = ReadManifest(scratch / "m.csv");
  const cv::Mat inside = LoadCropped(manifest, manifest.items[0], {});
  EXPECT_EQ(inside.size(), cv::Size(20, 15));
  EXPECT_EQ(inside.at<cv::Vec3b>(0, 0), cv::Vec3b(10, 5, 0));
  EXPECT_EQ(inside.at<cv::Vec3b>(14, 19), cv::Vec3b(29, 19, 0));
  const cv::Mat clipped = LoadCropped(manifest, manifest.items[1], {});
  EXPECT_EQ(clipped.size(), cv::Size(10, 10));
  EXPECT_EQ(clipped.at<cv::Vec3b>(9, 9), cv::Vec3b(9, 9, 0));
  EXPECT_EQ(LoadCropped(manifest, manifest.items[2], {}).size(), cv::Size(10, 10));
  EXPECT_EQ(LoadCropped(manifest, manifest.items[3], {}).size(), cv::Size(1, 1));
}

TEST(LoadCropped, ScalesTheBoxWithAReducedJpeg) {
  const Scratch scratch;
  Write(scratch / "a.jpg", Picture(".jpg", 240, 160));
  Write(scratch / "m.csv", "path,x,y,w,h\na.jpg,80,40,120,100\n");
  const Manifest manifest = ReadManifest(scratch / "m.csv");
  EXPECT_EQ(LoadCropped(manifest, manifest.items[0], {.min_side_px = 51}).size(),
            cv::Size(120, 100));
  const cv::Mat half = LoadCropped(manifest, manifest.items[0], {.min_side_px = 50});
  EXPECT_EQ(half.size(), cv::Size(60, 50));
  // Its middle shows what the middle of the box shows: x 140, y 90.
  EXPECT_NEAR(half.at<cv::Vec3b>(25, 30)[0], 140, 3);
  EXPECT_NEAR(half.at<cv::Vec3b>(25, 30)[1], 90, 3);
}

TEST(CheckImages, ReportsMissingBrokenAndMisplaced) {
  const Scratch scratch;
  Write(scratch / "good.jpg", Picture(".jpg"));
  Write(scratch / "cut.jpg", Picture(".jpg").substr(0, 500));
  Write(scratch / "text.jpg", "not a picture");
  Write(scratch / "m.csv",
        "path,x,y,w,h\ngood.jpg,,,,\ncut.jpg,,,,\ngone.jpg,,,,\ngood.jpg,40,0,5,5\ntext.jpg,,,,"
        "\ngood.jpg,39,0,5,5\n");
  const Manifest manifest = ReadManifest(scratch / "m.csv");
  for (int threads : {1, 4}) {
    const std::vector<BadRow> bad = CheckImages(manifest, threads);
    ASSERT_EQ(bad.size(), 4u);
    EXPECT_EQ(bad[0].line, 3);
    EXPECT_THAT(bad[0].reason, HasSubstr("truncated JPEG"));
    EXPECT_EQ(bad[1].line, 4);
    EXPECT_THAT(bad[1].reason, HasSubstr("gone.jpg"));
    EXPECT_EQ(bad[2].line, 5);
    EXPECT_THAT(bad[2].reason, HasSubstr("lies outside the photograph of 40x30"));
    EXPECT_EQ(bad[3].path, "text.jpg");
  }
}

TEST(ManifestIdx, ReadsPicturesAndLabels) {
  const Scratch scratch;
  WriteGz(scratch / "train-images-idx3-ubyte.gz", Idx({2, 2, 3}, "abcdefghijkl"));
  WriteGz(scratch / "train-labels-idx1-ubyte.gz", Idx({2}, {7, 0}));
  Write(scratch / "t10k-images-idx3-ubyte", Idx({1, 2, 3}, "uvwxyz"));
  Write(scratch / "t10k-labels-idx1-ubyte", Idx({1}, {9}));
  const Manifest both = ReadManifest(scratch.folder());
  EXPECT_THAT(Paths(both), ElementsAre("test/00000", "train/00000", "train/00001"));
  EXPECT_THAT(Identities(both), ElementsAre("9", "7", "0"));
  EXPECT_EQ(both.items[0].split, "test");
  EXPECT_EQ(both.items[2].split, "train");
  const cv::Mat rgb = LoadCropped(both, both.items[2], {});
  ASSERT_EQ(rgb.size(), cv::Size(3, 2));
  EXPECT_EQ(rgb.at<cv::Vec3b>(1, 0), cv::Vec3b('j', 'j', 'j'));
  EXPECT_EQ(
      both.images->Load(both.items[0], {.layout = PixelLayout::kGray}).pixels.at<uint8_t>(0, 2),
      'w');
  const Manifest one = ReadManifest(scratch / "train-images-idx3-ubyte.gz");
  EXPECT_THAT(Paths(one), ElementsAre("train/00000", "train/00001"));
  EXPECT_THAT(ErrorOf([&] { one.images->Load({.path = "train/00002"}, {}); }).what(),
              HasSubstr("no such picture"));
}

TEST(ManifestIdx, RefusesDamagedFilesWithoutTrustingTheirSizes) {
  const Scratch scratch;
  const fs::path path = scratch / "train-images-idx3-ubyte.gz";
  const auto message_for = [&](const std::string& bytes) {
    WriteGz(path, bytes);
    const Error error = ErrorOf([&] { ReadManifest(path); });
    EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(error.what(), HasSubstr("train-images-idx3-ubyte.gz: "));
    return std::string(error.what());
  };
  EXPECT_THAT(message_for("hello, world"), HasSubstr("not an idx file"));
  EXPECT_THAT(message_for(std::string("\0\0\x0d\x03", 4)), HasSubstr("type 13; expected 8"));
  EXPECT_THAT(message_for(Idx({2, 2, 3}, "abc")), HasSubstr("truncated idx file"));
  EXPECT_THAT(message_for(Idx({1, 1, 3}, "abcd")), HasSubstr("longer than the 3 values"));
  EXPECT_THAT(message_for(Idx({60000, 100, 100}, "abc")), HasSubstr("more than its"));
  EXPECT_THAT(message_for(Idx({2147483647, 2147483647, 2147483647}, "")),
              HasSubstr("claims more than"));
  EXPECT_THAT(message_for(Idx({3}, "abc")), HasSubstr("expected pictures x height x width"));
  WriteGz(path, Idx({1, 30, 30}, std::string(900, 'x')));
  fs::resize_file(path, fs::file_size(path) - 9);
  EXPECT_THAT(ReadMessage(path), HasSubstr("truncated"));
  WriteGz(path, Idx({1, 1, 1}, "x"));
  WriteGz(scratch / "train-labels-idx1-ubyte.gz", Idx({2}, "ab"));
  EXPECT_THAT(ReadMessage(path), HasSubstr("expected one label for each of the 1 pictures"));
}

TEST(ManifestZip, ReadsFoldersAndACsv) {
  const Scratch scratch;
  WriteZip(scratch / "folders.zip", {{"set/Alphabet/character02/b.png", Picture()},
                                     {"set/Alphabet/character01/a.png", Picture()},
                                     {"set/readme.txt", "x"},
                                     {"__MACOSX/set/Alphabet/character01/._a.png", "x"}});
  const Manifest folders = ReadManifest(scratch / "folders.zip");
  EXPECT_THAT(Identities(folders), ElementsAre("character01", "character02"));
  EXPECT_EQ(LoadCropped(folders, folders.items[0], {}).size(), cv::Size(40, 30));

  WriteZip(scratch / "csv.zip",
           {{"set/photos.csv", "path,identity,x,y,w,h\nimages/../images/a.png,Neo,1,2,3,4\n"},
            {"set/images/a.png", Picture()}});
  const Manifest csv = ReadManifest(scratch / "csv.zip");
  EXPECT_THAT(Identities(csv), ElementsAre("Neo"));
  EXPECT_EQ(LoadCropped(csv, csv.items[0], {}).at<cv::Vec3b>(0, 0), cv::Vec3b(1, 2, 0));
}

TEST(ManifestZip, NamesWhatIsWrong) {
  const Scratch scratch;
  Write(scratch / "a.zip", "this is no zip");
  EXPECT_THAT(ReadMessage(scratch / "a.zip"), HasSubstr("a.zip: not a readable zip archive"));
  WriteZip(scratch / "b.zip", {{"notes.txt", "x"}});
  EXPECT_THAT(ReadMessage(scratch / "b.zip"), HasSubstr("neither a CSV nor photographs"));
  WriteZip(scratch / "c.zip", {{"a.csv", "path\n"}, {"b.csv", "path\n"}});
  EXPECT_THAT(ReadMessage(scratch / "c.zip"), HasSubstr("several CSV files"));
  WriteZip(scratch / "d.zip", {{"a.csv", "path\ngone.png\n"}, {"b.png", "x"}});
  const Manifest manifest = ReadManifest(scratch / "d.zip");
  EXPECT_THAT(CheckImages(manifest, 2)[0].reason, HasSubstr("d.zip!gone.png: no such entry"));
}

TEST(ManifestZip, ADamagedEntryIsAnError) {
  const Scratch scratch;
  WriteZip(scratch / "a.zip", {{"x/a.png", Picture()}, {"y/b.png", Picture()}});
  std::string bytes = ReadFile(scratch / "a.zip");
  bytes[37 + 20] ^=
      0x55;  // inside the first entry's data, behind its header of 30 bytes and its name
  Write(scratch / "a.zip", bytes);
  const std::vector<BadRow> bad = CheckImages(ReadManifest(scratch / "a.zip"), 2);
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_THAT(bad[0].reason, HasSubstr("a.zip!x/a.png: "));
}

TEST(ZipArchive, ABombIsReadNoFurtherThanAllowed) {
  const Scratch scratch;
  WriteZip(scratch / "a.zip", {{"bomb", std::string(20 << 20, '\0')}});
  const ZipArchive archive(scratch / "a.zip");
  EXPECT_LT(fs::file_size(scratch / "a.zip"), 100'000u);
  EXPECT_THAT(ErrorOf([&] { archive.Read("bomb", (20 << 20) - 1); }).what(),
              HasSubstr("a.zip!bomb: larger than the 20971519 bytes accepted"));
  EXPECT_EQ(archive.Read("bomb", 20 << 20).size(), 20u << 20);
}

TEST(ManifestZip, IsReadFromManyThreads) {
  const Scratch scratch;
  std::vector<ZipEntry> entries;
  for (int i = 0; i < 64; ++i)
    entries.push_back({StrCat("p/", i, ".png"), Picture(".png", 20 + i, 10)});
  WriteZip(scratch / "a.zip", entries);
  const Manifest manifest = ReadManifest(scratch / "a.zip");
  std::vector<std::jthread> threads;
  std::vector<int> wrong(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (const ManifestItem& item : manifest.items) {
        const int expected = 20 + std::stoi(item.path.substr(2));
        wrong[t] += manifest.images->Load(item, {}).full_width != expected;
      }
    });
  }
  threads.clear();
  EXPECT_THAT(wrong, testing::Each(0));
}

class RealData : public testing::Test {
 protected:
  fs::path Need(const std::string& path) { return DataFolder() / path; }
};

TEST_F(RealData, OmniglotZipNamesAlphabetAndCharacter) {
  const fs::path path = Need("omniglot/images_background_small1.zip");
  if (!fs::exists(path)) GTEST_SKIP() << "needs " << path.string();
  const Manifest manifest = ReadManifest(path);
  EXPECT_EQ(manifest.items.size(), 2720u);
  const std::vector<std::string> identities = Identities(manifest);
  EXPECT_EQ(std::set<std::string>(identities.begin(), identities.end()).size(), 136u);
  EXPECT_EQ(manifest.items[0].identity, "Balinese/character01");
  EXPECT_EQ(LoadCropped(manifest, manifest.items[0], {}).size(), cv::Size(105, 105));
  EXPECT_THAT(CheckImages(manifest, 2), IsEmpty());
}

TEST_F(RealData, FashionMnistHasBothParts) {
  const fs::path path = Need("fashion_mnist");
  if (!fs::exists(path)) GTEST_SKIP() << "needs " << path.string();
  const Manifest manifest = ReadManifest(path);
  ASSERT_EQ(manifest.items.size(), 70000u);
  EXPECT_EQ(manifest.items[0].path, "test/00000");
  EXPECT_EQ(manifest.items[0].identity, "9");  // the first test picture is an ankle boot
  EXPECT_EQ(LoadCropped(manifest, manifest.items[69999], {}).size(), cv::Size(28, 28));
}

TEST_F(RealData, NyalaIsReadAsCsvAndAsFolder) {
  const fs::path path = Need("nyala");
  if (!fs::exists(path)) GTEST_SKIP() << "needs " << path.string();
  const Manifest csv = ReadManifest(path / "nyala_split.csv");
  const Manifest folder = ReadManifest(path);
  EXPECT_EQ(csv.items.size(), 1213u);
  ASSERT_EQ(folder.items.size(), 1213u);
  std::set<std::pair<std::string, std::string>> from_csv, from_folder;
  for (const ManifestItem& item : csv.items) from_csv.emplace(item.path, item.identity);
  for (const ManifestItem& item : folder.items) from_folder.emplace(item.path, item.identity);
  EXPECT_EQ(from_csv, from_folder);
  EXPECT_THAT(CheckImages(csv, 2), IsEmpty());
}

}  // namespace
}  // namespace fluke
