// Photographs of the gallery as thumbnails: upright, whole, and never a file outside the folder.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/http/photo_file.h"
#include "serve/http/thumbnails.h"
#include "tests/serve/http_server_fixture.h"

namespace fluke::serve {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

void Write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Left half of one colour, right half of another (RGB).
std::string JpegOf(cv::Scalar left, cv::Scalar right, int width, int height) {
  cv::Mat pixels(height, width, CV_8UC3, cv::Scalar(left[2], left[1], left[0]));
  pixels(cv::Rect(width / 2, 0, width - width / 2, height)) =
      cv::Scalar(right[2], right[1], right[0]);
  std::vector<uchar> bytes;
  cv::imencode(".jpg", pixels, bytes);
  return {bytes.begin(), bytes.end()};
}

// With an EXIF segment after the first marker whose only entry is the orientation (Exif 2.3, 4.6).
std::string WithOrientation(const std::string& jpeg, char orientation) {
  std::string exif(
      "\xff\xe1\x00\x22"
      "Exif\0\0"
      "II*\0\x08\0\0\0"
      "\x01\0"
      "\x12\x01\x03\0\x01\0\0\0",
      4 + 6 + 8 + 2 + 8);
  exif += std::string{orientation, 0, 0, 0} + std::string(4, '\0');
  return jpeg.substr(0, 2) + exif + jpeg.substr(2);
}

// A folder of photographs beside a secret.
class Photos : public ::testing::Test {
 protected:
  Photos() {
    std::string base = (fs::temp_directory_path() / "fluke_photos_XXXXXX").string();
    if (mkdtemp(base.data()) == nullptr) throw std::runtime_error("no scratch folder");
    base_ = base;
    folder_ = base_ / "photos";
    fs::create_directories(folder_ / "sub");
    Write(base_ / "secret.jpg", JpegOf({0, 0, 255}, {0, 0, 255}, 40, 20));
    Write(folder_ / "north.jpg", JpegOf({255, 0, 0}, {0, 255, 0}, 400, 200));
    Write(folder_ / "sub" / "tall.jpg", JpegOf({255, 0, 0}, {0, 255, 0}, 100, 300));
    Write(folder_ / "northeast.jpg", "no image");
    fs::create_symlink(base_ / "secret.jpg", folder_ / "east.jpg");
    config_.set_photos(folder_.string());
  }
  ~Photos() override { fs::remove_all(base_); }

  static cv::Mat Decoded(const std::string& jpeg) {
    return cv::imdecode(std::vector<uchar>(jpeg.begin(), jpeg.end()), cv::IMREAD_COLOR);
  }

  fs::path base_, folder_;
  v1::ServeConfig config_ = HttpConfig();
};

TEST_F(Photos, AreShownSmallAndWhole) {
  HttpRunningServer running(config_);
  const auto answer = running.http->Get("/photo?id=north&size=100");
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(answer->get_header_value("Content-Type"), "image/jpeg");
  const cv::Mat pixels = Decoded(answer->body);
  EXPECT_EQ(pixels.size(), cv::Size(100, 50));
  const auto left = pixels.at<cv::Vec3b>(25, 10), right = pixels.at<cv::Vec3b>(25, 90);
  EXPECT_GT(left[2], 200);  // red, as OpenCV has it
  EXPECT_LT(left[1], 60);
  EXPECT_GT(right[1], 200);
  EXPECT_LT(right[2], 60);
}

TEST_F(Photos, AreNeverEnlarged) {
  HttpRunningServer running(config_);
  for (const char* size : {"", "&size=0", "&size=2048"}) {
    const auto answer = running.http->Get(std::string("/photo?id=north") + size);
    EXPECT_EQ(Decoded(answer->body).size(), cv::Size(400, 200)) << size;
  }
  Write(folder_ / "up.jpg", JpegOf({9, 9, 9}, {9, 9, 9}, 1000, 1300));
  EXPECT_EQ(Decoded(running.http->Get("/photo?id=up")->body).size(), cv::Size(394, 512));
}

TEST_F(Photos, StandUpright) {
  Write(folder_ / "north.jpg", WithOrientation(JpegOf({255, 0, 0}, {0, 255, 0}, 400, 200), 6));
  HttpRunningServer running(config_);
  const cv::Mat pixels = Decoded(running.http->Get("/photo?id=north&size=100")->body);
  ASSERT_EQ(pixels.size(), cv::Size(50, 100));
  EXPECT_GT(pixels.at<cv::Vec3b>(10, 25)[2], 200);  // what was left is above: turned right
  EXPECT_GT(pixels.at<cv::Vec3b>(90, 25)[1], 200);
}

TEST_F(Photos, AreSentOnceAndAnewWhenTheyChange) {
  HttpRunningServer running(config_);
  const std::string etag = running.http->Get("/photo?id=north")->get_header_value("ETag");
  EXPECT_EQ(running.http->Get("/photo?id=north", {{"If-None-Match", etag}})->status, 304);
  Write(folder_ / "north.jpg", JpegOf({0, 0, 255}, {0, 0, 255}, 60, 40));
  const auto changed = running.http->Get("/photo?id=north", {{"If-None-Match", etag}});
  ASSERT_EQ(changed->status, 200);
  EXPECT_EQ(Decoded(changed->body).size(), cv::Size(60, 40));
}

TEST_F(Photos, ThatAreNotThereAreNotFound) {
  HttpRunningServer running(config_);
  // east leads out of the folder, northeast is no image, up has no file, nobody is no item.
  for (const char* id : {"east", "northeast", "up", "nobody"}) {
    const auto answer = running.http->Get(std::string("/photo?id=") + id);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 404) << id;
    EXPECT_THAT(answer->body, Not(HasSubstr(base_.string())));
    EXPECT_THAT(answer->body, Not(HasSubstr("secret")));
  }
  EXPECT_EQ(running.http->Get("/photo?id=north&collection=other")->status, 404);
  HttpRunningServer without(HttpConfig());
  EXPECT_EQ(without.http->Get("/photo?id=north")->status, 404);
}

TEST_F(Photos, NeedAnItemAndASizeWithinBounds) {
  HttpRunningServer running(config_);
  for (const char* query : {"", "?id=", "?id=north&size=2049", "?id=north&size=-1",
                            "?id=north&size=x", "?id=north&size=1e3", "?size=10"}) {
    EXPECT_EQ(running.http->Get(std::string("/photo") + query)->status, 400) << query;
  }
  EXPECT_EQ(Decoded(running.http->Get("/photo?id=north&size=1")->body).size(), cv::Size(1, 1));
}

TEST_F(Photos, OutsideTheFolderStayThereWhateverAnItemSays) {
  const auto live = std::make_shared<FakeLiveIndex>();
  RetrievalServer server(live, nullptr, config_);
  const auto http = ClientOf(server.http_port());
  for (const std::string& path : {std::string("../secret.jpg"), (base_ / "secret.jpg").string(),
                                  std::string("sub/../../secret.jpg"), std::string("east.jpg")}) {
    const Item item{.id = "west", .identity = "", .path = path, .metadata = {}};
    live->Upsert({item}, std::vector<float>{-1, 0, 0});
    const auto answer = http->Get("/photo?id=west");
    EXPECT_EQ(answer->status, 404) << path;
    EXPECT_THAT(answer->body, Not(HasSubstr(base_.string())));
  }
  live->Upsert({{.id = "west", .identity = "", .path = "sub/../sub/tall.jpg", .metadata = {}}},
               std::vector<float>{-1, 0, 0});
  EXPECT_EQ(Decoded(http->Get("/photo?id=west&size=30")->body).size(), cv::Size(10, 30));
}

TEST_F(Photos, AreFilesWithinTheFolderAndNothingElse) {
  const std::string folder = folder_.string();
  fs::create_symlink("sub/tall.jpg", folder_ / "inside.jpg");
  fs::create_directory_symlink("/", folder_ / "root");
  ASSERT_EQ(mkfifo((folder_ / "pipe.jpg").c_str(), 0600), 0);
  for (const char* path : {"north.jpg", "sub/tall.jpg", "./sub/./tall.jpg", "inside.jpg"}) {
    EXPECT_FALSE(PhotoFile(folder, path).Read(1 << 20).empty()) << path;
  }
  const std::string with_nul("north.jpg\0.jpg", 14);
  for (const std::string& path :
       {std::string(""), std::string("."), std::string(".."), std::string("sub"),
        std::string("/etc/hostname"), std::string("../photos/north.jpg"), std::string("east.jpg"),
        std::string("root/etc/hostname"), std::string("pipe.jpg"), std::string("north.jpg/"),
        with_nul, std::string(5000, 'a')}) {
    EXPECT_THROW(PhotoFile(folder, path), Error) << path;
  }
  EXPECT_THROW(PhotoFile("/nonexistent", "north.jpg"), Error);
  EXPECT_THROW(PhotoFile(folder, "north.jpg").Read(10), Error);
}

TEST_F(Photos, WithTooManyPixelsAreNotDecoded) {
  config_.set_max_image_pixels(1000);
  HttpRunningServer running(config_);
  EXPECT_EQ(running.http->Get("/photo?id=north")->status, 404);
}

TEST_F(Photos, AreKeptWithinABound) {
  Thumbnails thumbnails({.cache_bytes = 3000});
  const Thumbnail first = thumbnails.Find(folder_.string(), "north.jpg", 50);
  EXPECT_EQ(thumbnails.Find(folder_.string(), "north.jpg", 50).etag, first.etag);
  for (int size = 60; size < 100; ++size) {
    EXPECT_FALSE(thumbnails.Find(folder_.string(), "north.jpg", size).jpeg.empty());
  }
  EXPECT_LE(thumbnails.bytes(), 3000u);
  EXPECT_EQ(thumbnails.Find(folder_.string(), "north.jpg", 50).jpeg, first.jpeg);
}

}  // namespace
}  // namespace fluke::serve
