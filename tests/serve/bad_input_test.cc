// What hostile or mistaken requests get: a status that says what is wrong, and a server that still
// answers.
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kSearchMethod[] = "/fluke.v1.Retrieval/Search";

class BadInput : public ::testing::Test {
 protected:
  BadInput() : running_(Config()) {}
  static v1::ServeConfig Config() {
    v1::ServeConfig config = LoopbackConfig();
    config.set_max_request_mb(1);
    config.set_max_k(100);
    return config;
  }
  // After whatever a test did, a good request is answered.
  ~BadInput() override {
    running_.index->gate.Open();
    EXPECT_TRUE(running_.Search(VectorRequest({1, 0, 0})).status.ok());
    EXPECT_TRUE(running_.Search(ImageRequest(RedPng())).status.ok());
  }
  void Expect(const v1::SearchRequest& request, grpc::StatusCode code,
              const std::string& message_part) {
    const grpc::Status status = running_.Search(request).status;
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(message_part));
  }

  RunningServer running_;
};

TEST_F(BadInput, ARequestWithoutAQuery) {
  Expect({}, grpc::StatusCode::INVALID_ARGUMENT, "one of image, vector and item_id");
}

TEST_F(BadInput, AVectorOfAnotherDimension) {
  Expect(VectorRequest({1, 0}), grpc::StatusCode::INVALID_ARGUMENT,
         "2 values, the index has 3 dimensions");
  Expect(VectorRequest({}), grpc::StatusCode::INVALID_ARGUMENT, "0 values");
  Expect(VectorRequest(std::vector<float>(100'000, 1)), grpc::StatusCode::INVALID_ARGUMENT,
         "100000 values");
}

TEST_F(BadInput, AVectorThatIsNotFinite) {
  Expect(VectorRequest({0, std::numeric_limits<float>::quiet_NaN(), 0}),
         grpc::StatusCode::INVALID_ARGUMENT, "value 1 is nan");
  Expect(VectorRequest({std::numeric_limits<float>::infinity(), 0, 0}),
         grpc::StatusCode::INVALID_ARGUMENT, "value 0 is inf");
}

TEST_F(BadInput, AVectorWithoutDirectionWhereTheMetricIsCosine) {
  Expect(VectorRequest({0, 0, 0}), grpc::StatusCode::INVALID_ARGUMENT, "all zeros");
}

TEST_F(BadInput, AnItemThatIsNotThere) {
  Expect(ItemRequest("south"), grpc::StatusCode::NOT_FOUND, "item_id 'south'");
  v1::SearchRequest request = VectorRequest({1, 0, 0});
  request.set_exclude_id("south");
  Expect(request, grpc::StatusCode::NOT_FOUND, "exclude_id 'south'");
}

TEST_F(BadInput, AnIdOfHalfAMegabyteComesBackShortened) {
  const grpc::Status status = running_.Search(ItemRequest(std::string(500'000, '\x01'))).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND) << status.error_message();
  EXPECT_LT(status.error_message().size(), 1000u);
}

TEST_F(BadInput, AKOverTheLimit) {
  v1::SearchRequest request = VectorRequest({1, 0, 0});
  request.set_k(101);
  Expect(request, grpc::StatusCode::INVALID_ARGUMENT, "k is 101, at most 100");
  request.set_k(4'294'967'295u);
  Expect(request, grpc::StatusCode::INVALID_ARGUMENT, "k is 4294967295");
}

TEST_F(BadInput, AKnobOverTheLimit) {
  v1::SearchRequest request = VectorRequest({1, 0, 0});
  request.mutable_knobs()->set_ef_search(4'294'967'295u);
  Expect(request, grpc::StatusCode::INVALID_ARGUMENT, "ef_search 4294967295");
}

TEST_F(BadInput, AnImageThatIsNone) {
  Expect(ImageRequest("these are no pixels"), grpc::StatusCode::INVALID_ARGUMENT, "not an image");
  Expect(ImageRequest(""), grpc::StatusCode::INVALID_ARGUMENT, "empty");
  Expect(ImageRequest(std::string(100'000, '\0')), grpc::StatusCode::INVALID_ARGUMENT,
         "not an image");
}

TEST_F(BadInput, AnImageCutOffInTheMiddle) {
  std::string png = PngOf({250, 3, 7}, {9, 200, 80}, 64, 64);
  png.resize(png.size() / 2);
  Expect(ImageRequest(png), grpc::StatusCode::INVALID_ARGUMENT, "query image");
}

TEST_F(BadInput, AHundredMegapixelsAreRefusedFromTheHeader) {
  // The PNG signature and an IHDR chunk of 10000 x 10000 RGB with its CRC-32 (zlib.crc32 of the
  // chunk); no pixels follow.
  using namespace std::string_literals;
  const std::string header =
      "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x27\x10\x00\x00\x27\x10\x08\x02\x00\x00\x00\x35\x2c\xf5\x70"s;
  Expect(ImageRequest(header), grpc::StatusCode::RESOURCE_EXHAUSTED,
         "10000 x 10000 = 100000000 pixels, at most 50000000");
}

TEST_F(BadInput, ACropOutsideEmptyOrNotFinite) {
  const auto with_crop = [](float x, float y, float w, float h) {
    v1::SearchRequest request = ImageRequest(RedPng());  // 16 x 8
    request.mutable_crop()->set_x(x);
    request.mutable_crop()->set_y(y);
    request.mutable_crop()->set_w(w);
    request.mutable_crop()->set_h(h);
    return request;
  };
  const auto code = grpc::StatusCode::INVALID_ARGUMENT;
  Expect(with_crop(16, 0, 4, 4), code, "lies outside (the upright image has 16 x 8 pixels)");
  Expect(with_crop(0, -4, 4, 4), code, "lies outside");
  Expect(with_crop(1e30f, 0, 4, 4), code, "lies outside");
  Expect(with_crop(0, 0, 0, 4), code, "is empty");
  Expect(with_crop(0, 0, 4, -1), code, "is empty");
  Expect(with_crop(0, 0, std::numeric_limits<float>::quiet_NaN(), 4), code, "is not finite");
  // Partly outside is clipped, as in a manifest.
  EXPECT_TRUE(running_.Search(with_crop(-4, -4, 1e30f, 8)).status.ok());
}

TEST_F(BadInput, FieldsThatDoNotGoWithTheQuery) {
  v1::SearchRequest request = VectorRequest({1, 0, 0});
  request.mutable_crop()->set_w(1);
  Expect(request, grpc::StatusCode::INVALID_ARGUMENT, "crop goes with an image");
  request = ImageRequest(RedPng());
  request.set_exclude_self(true);
  Expect(request, grpc::StatusCode::INVALID_ARGUMENT, "give exclude_id");
}

TEST_F(BadInput, ATruncatedProtobuf) {
  const std::string whole = VectorRequest({1, 0, 0}).SerializeAsString();
  for (size_t bytes = 1; bytes < whole.size(); ++bytes) {
    const grpc::Status status = running_.CallRaw(kSearchMethod, whole.substr(0, bytes));
    EXPECT_FALSE(status.ok()) << bytes << " bytes";
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  }
}

TEST_F(BadInput, RandomBytesAndInvalidUtf8) {
  EXPECT_FALSE(running_.CallRaw(kSearchMethod, std::string(1000, '\xff')).ok());
  EXPECT_FALSE(running_.CallRaw(kSearchMethod, "\x1a\x02\xc3\x28").ok());  // item_id
}

TEST_F(BadInput, AnUnknownMethod) {
  EXPECT_EQ(running_.CallRaw("/fluke.v1.Retrieval/Destroy", "").error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(BadInput, AnOversizedMessage) {
  Expect(ImageRequest(std::string(2 << 20, 'x')), grpc::StatusCode::RESOURCE_EXHAUSTED, "larger");
}

TEST(Faults, AnImageToAServerWithoutAModelIsRefused) {
  RunningServer running(LoopbackConfig(), /*with_model=*/false);
  const grpc::Status status = running.Search(ImageRequest(RedPng())).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("no model"));
}

TEST(Faults, AnUnexpectedExceptionIsInternalAndTellsNothingOfTheServer) {
  RunningServer running;
  running.index->fault = [](std::span<const float> queries) {
    if (queries[2] == .5f) throw std::runtime_error("cannot map /srv/index/vectors.npy");
    if (queries[2] == .25f) DataLoss("/srv/index/vectors.npy: CRC-32C is 1, expected 2");
    if (queries[2] == .125f) InvalidArgument("/srv/index has no lists to probe");
    if (queries[2] == .0625f) throw 42;
  };
  for (const float trigger : {.5f, .25f, .0625f}) {
    const grpc::Status status = running.Search(VectorRequest({1, 0, trigger})).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_THAT(status.error_message(), StartsWith("search failed; the server's log says why"));
  }
  const grpc::Status status = running.Search(VectorRequest({1, 0, .125f})).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), Not(HasSubstr("/srv")));
  EXPECT_TRUE(running.Search(VectorRequest({1, 0, 0})).status.ok());
}

TEST(Faults, AModelThatFailsOrGivesNaNIsInternal) {
  RunningServer running;
  running.embedder->fault = [](std::span<const cv::Mat> images) {
    if (images[0].cols == 20) throw std::runtime_error("out of memory");
  };
  for (const std::string& image :
       {PngOf({1, 0, 0}, {1, 0, 0}, 20, 8), PngOf({0, 0, 0}, {0, 0, 0})}) {
    const grpc::Status status = running.Search(ImageRequest(image)).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_THAT(status.error_message(), StartsWith("embedding failed; the server's log says why"));
  }
  EXPECT_TRUE(running.Search(ImageRequest(RedPng())).status.ok());
}

}  // namespace
}  // namespace fluke::serve
