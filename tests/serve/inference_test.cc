// fluke.v1.Inference over gRPC, with predictors that look at the colours of a photograph.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fluke/v1/inference.grpc.pb.h"
#include "serve/server.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Classes: red, green, blue by their share. Mask: the place in that list of each pixel's strongest
// colour, counted from 1. Boxes: what is red, and a faint one of all.
class Colours final : public Predictor {
 public:
  explicit Colours(PredictionKind kind) : kind_(kind) {}
  PredictionKind kind() const override { return kind_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::vector<Prediction> Predict(std::span<const cv::Mat> images) const override {
    std::vector<Prediction> predictions;
    for (const cv::Mat& image : images) {
      Prediction& prediction = predictions.emplace_back();
      const cv::Scalar mean = cv::mean(image);
      for (int i = 0; i < 3; ++i) {
        prediction.classes.push_back(
            {names_[static_cast<size_t>(i) + 1], static_cast<float>(mean[i] / cv::sum(mean)[0])});
      }
      std::ranges::stable_sort(prediction.classes, std::greater<>(), &ScoredClass::probability);
      prediction.mask = cv::Mat(image.size(), CV_8UC1);
      int first_red = image.cols, last_red = -1;
      for (int y = 0; y < image.rows; ++y) {
        for (int x = 0; x < image.cols; ++x) {
          const auto pixel = image.at<cv::Vec3b>(y, x);
          int strongest = 0;
          for (int i = 1; i < 3; ++i) {
            if (pixel[i] > pixel[strongest]) strongest = i;
          }
          prediction.mask.at<uchar>(y, x) = static_cast<uchar>(strongest + 1);
          if (strongest == 0) first_red = std::min(first_red, x), last_red = std::max(last_red, x);
        }
      }
      const auto height = static_cast<float>(image.rows);
      prediction.boxes.push_back(
          {{static_cast<float>(first_red), 0, static_cast<float>(last_red - first_red + 1), height},
           "red",
           .9f});
      prediction.boxes.push_back({{0, 0, static_cast<float>(image.cols), height}, "all", .1f});
    }
    return predictions;
  }

 private:
  PredictionKind kind_;
  std::vector<std::string> names_{"background", "red", "green", "blue"};
};

struct InferenceServer {
  explicit InferenceServer(const Predictors& predictors, v1::ServeConfig config = LoopbackConfig())
      : server(std::make_shared<FakeIndex>(), nullptr, config,
               ServerSeams{.training = {}, .predictors = predictors}),
        stub(v1::Inference::NewStub(
            grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()))) {}

  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::Inference::Stub::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                    const Request& request, Response* response) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return (stub.get()->*method)(&context, request, response);
  }
  grpc::Status Classify(const v1::ClassifyRequest& request, v1::ClassifyResponse* response) const {
    return Call(&v1::Inference::Stub::Classify, request, response);
  }

  RetrievalServer server;
  std::unique_ptr<v1::Inference::Stub> stub;
};

std::shared_ptr<const Predictor> Of(PredictionKind kind) { return std::make_shared<Colours>(kind); }

Predictors AllKinds() {
  return {{"classes", Of(PredictionKind::kClasses)},
          {"masks", Of(PredictionKind::kMask)},
          {"boxes", Of(PredictionKind::kBoxes)}};
}

// Red on the left and green on the right, 16 x 8 pixels.
std::string RedAndGreen() { return PngOf({255, 0, 0}, {0, 200, 0}); }

template <typename Request>
Request Asking(const std::string& image) {
  Request request;
  request.mutable_photograph()->set_image(image);
  return request;
}

template <typename Request>
Request AskingOf(const std::string& image, float x, float y, float w, float h) {
  Request request = Asking<Request>(image);
  v1::CropBox& crop = *request.mutable_photograph()->mutable_crop();
  crop.set_x(x);
  crop.set_y(y);
  crop.set_w(w);
  crop.set_h(h);
  return request;
}

TEST(Inference, NamesTheKindOfModelThatIsMissing) {
  const InferenceServer running({{"boxes", Of(PredictionKind::kBoxes)}});
  v1::ClassifyResponse classes;
  const grpc::Status status =
      running.Classify(Asking<v1::ClassifyRequest>(RedAndGreen()), &classes);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(status.error_message(), HasSubstr("no classifier"));
  v1::SegmentResponse mask;
  EXPECT_THAT(
      running.Call(&v1::Inference::Stub::Segment, Asking<v1::SegmentRequest>(RedAndGreen()), &mask)
          .error_message(),
      HasSubstr("no segmenter"));
  const InferenceServer empty(Predictors{});
  v1::DetectResponse boxes;
  EXPECT_THAT(
      empty.Call(&v1::Inference::Stub::Detect, Asking<v1::DetectRequest>(RedAndGreen()), &boxes)
          .error_message(),
      HasSubstr("no detector"));
}

TEST(Inference, AnswersTheMostLikelyClassesFirst) {
  const InferenceServer running(AllKinds());
  v1::ClassifyRequest request = Asking<v1::ClassifyRequest>(RedAndGreen());
  request.set_classes(2);
  v1::ClassifyResponse response;
  ASSERT_TRUE(running.Classify(request, &response).ok());
  ASSERT_EQ(response.classes_size(), 2);
  // Half the pixels are 255 red, half are 200 green.
  EXPECT_EQ(response.classes(0).name(), "red");
  EXPECT_NEAR(response.classes(0).probability(), 255. / 455, 1e-5);
  EXPECT_EQ(response.classes(1).name(), "green");
}

TEST(Inference, LooksAtTheCropAlone) {
  const InferenceServer running(AllKinds());
  v1::ClassifyResponse response;
  ASSERT_TRUE(
      running.Classify(AskingOf<v1::ClassifyRequest>(RedAndGreen(), 8, 0, 8, 8), &response).ok());
  EXPECT_EQ(response.classes(0).name(), "green");
  EXPECT_EQ(response.classes(0).probability(), 1);
}

TEST(Inference, AnswersAMaskOfThePhotographsSize) {
  const InferenceServer running(AllKinds());
  v1::SegmentResponse response;
  // Clipped to columns 6 to 15 of rows 2 to 7.
  ASSERT_TRUE(running
                  .Call(&v1::Inference::Stub::Segment,
                        AskingOf<v1::SegmentRequest>(RedAndGreen(), 6, 2, 100, 100), &response)
                  .ok());
  EXPECT_THAT(response.classes(), ElementsAre("background", "red", "green", "blue"));
  const std::string& png = response.mask_png();
  const cv::Mat mask =
      cv::imdecode(std::vector<uchar>(png.begin(), png.end()), cv::IMREAD_UNCHANGED);
  ASSERT_EQ(mask.type(), CV_8UC1);
  ASSERT_EQ(mask.size(), cv::Size(16, 8));
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 16; ++x) {
      const int expected = x < 6 || y < 2 ? 0 : x < 8 ? 1 : 2;
      EXPECT_EQ(mask.at<uchar>(y, x), expected) << x << "," << y;
    }
  }
}

TEST(Inference, AnswersBoxesInPixelsOfTheWholePhotograph) {
  const InferenceServer running(AllKinds());
  v1::DetectRequest request = AskingOf<v1::DetectRequest>(RedAndGreen(), 5, 1, 10, 6);
  request.set_min_score(.5f);
  v1::DetectResponse response;
  ASSERT_TRUE(running.Call(&v1::Inference::Stub::Detect, request, &response).ok());
  ASSERT_EQ(response.detections_size(), 1);
  const v1::Detection& red = response.detections(0);
  EXPECT_EQ(red.name(), "red");
  EXPECT_FLOAT_EQ(red.score(), .9f);
  EXPECT_EQ(red.box().x(), 5);
  EXPECT_EQ(red.box().y(), 1);
  EXPECT_EQ(red.box().w(), 3);  // columns 5, 6 and 7
  EXPECT_EQ(red.box().h(), 6);
}

TEST(Inference, ChecksPhotographsLikeQueries) {
  v1::ServeConfig config = LoopbackConfig();
  config.set_max_image_pixels(100);  // the photograph has 128
  const InferenceServer strict(AllKinds(), config);
  const InferenceServer running(AllKinds());
  v1::ClassifyResponse response;
  EXPECT_EQ(strict.Classify(Asking<v1::ClassifyRequest>(RedAndGreen()), &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (const std::string image : {"", "no image"}) {
    EXPECT_EQ(running.Classify(Asking<v1::ClassifyRequest>(image), &response).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_EQ(running.Classify(AskingOf<v1::ClassifyRequest>(RedAndGreen(), 50, 0, 4, 4), &response)
                .error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(Inference, FindsItsModelByName) {
  Predictors predictors = AllKinds();
  predictors["others"] = Of(PredictionKind::kClasses);
  const InferenceServer running(predictors);
  v1::ClassifyRequest request = Asking<v1::ClassifyRequest>(RedAndGreen());
  v1::ClassifyResponse response;
  grpc::Status status = running.Classify(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("classes, others"));
  request.set_model("others");
  EXPECT_TRUE(running.Classify(request, &response).ok());
  request.set_model("boxes");
  EXPECT_EQ(running.Classify(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_model("nobody");
  EXPECT_EQ(running.Classify(request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace fluke::serve
