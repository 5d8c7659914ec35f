#include "serve/inference_service.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include <opencv2/imgcodecs.hpp>

#include "common/error.h"
#include "common/image.h"
#include "serve/calls/task_call.h"
#include "serve/pipeline/query_image.h"

namespace fluke::serve {
namespace {

constexpr uint32_t kDefaultClasses = 5;

struct Kind {
  PredictionKind kind;
  std::string_view model;  // that makes it
  std::string_view makes;
};
constexpr Kind kClasses{PredictionKind::kClasses, "classifier", "classes"};
constexpr Kind kMasks{PredictionKind::kMask, "segmenter", "masks"};
constexpr Kind kBoxes{PredictionKind::kBoxes, "detector", "boxes"};

const Predictor& Choose(const Predictors& predictors, const std::string& name, const Kind& kind) {
  std::vector<std::string> names;
  for (const auto& [known, predictor] : predictors) {
    if (predictor->kind() == kind.kind) names.push_back(known);
  }
  if (names.empty()) {
    Throw(absl::StatusCode::kUnimplemented, "this server has no ", kind.model,
          ": none of its models finds ", kind.makes, " in a photograph");
  }
  if (name.empty()) {
    if (names.size() == 1) return *predictors.find(names[0])->second;
    InvalidArgument("model: one of the server's ", kind.model,
                    "s must be named: ", StrJoin(names, ", "));
  }
  const auto found = predictors.find(name);
  if (found == predictors.end()) NotFound("no model '", name.substr(0, 100), "'");
  if (found->second->kind() != kind.kind) {
    InvalidArgument("model '", name, "' is no ", kind.model, "; known: ", StrJoin(names, ", "));
  }
  return *found->second;
}

// Where in the upright photograph the pixels lie that the model has seen.
struct Seen {
  ImageSize photograph;
  cv::Rect place;
  Prediction prediction;
};

// The part of the photograph that its crop covers, in whole pixels, as common/manifest.h crops.
cv::Rect PlaceOf(const std::optional<Box>& crop, const ImageSize& size, const cv::Mat& pixels) {
  const auto begin = [](float from, int available) {
    return static_cast<int>(std::min(std::lround(std::max(from, 0.0f)), available - 1L));
  };
  if (!crop) return {0, 0, size.width, size.height};
  return {begin(crop->x, size.width), begin(crop->y, size.height), pixels.cols, pixels.rows};
}

Seen Look(const Predictor& predictor, const v1::Photograph& photograph, int64_t max_pixels) {
  if (photograph.image().empty()) InvalidArgument("the query image is empty");
  std::optional<Box> crop;
  if (photograph.has_crop()) {
    const v1::CropBox& box = photograph.crop();
    crop = Box{.x = box.x(), .y = box.y(), .w = box.w(), .h = box.h()};
  }
  const std::string& image = photograph.image();
  // At full size: boxes and masks are in the photograph's own pixels.
  const cv::Mat pixels = DecodeQueryImage(image, crop, std::numeric_limits<int>::max(), max_pixels);
  Seen seen;
  seen.photograph = PeekImageSize(std::as_bytes(std::span(image)), "query image");
  seen.place = PlaceOf(crop, seen.photograph, pixels);
  std::vector<Prediction> predictions = predictor.Predict(std::span(&pixels, 1));
  if (predictions.size() != 1) Throw(absl::StatusCode::kInternal, "a prediction is missing");
  seen.prediction = std::move(predictions[0]);
  return seen;
}

}  // namespace

template <typename Request, typename Response>
grpc::ServerUnaryReactor* InferenceService::Run(const Method& method, Context* context,
                                                const Bytes* request, Bytes* response,
                                                Response (InferenceService::*handle)(const Request&)
                                                    const) {
  return TaskCall<Request, Response>::Start(
      &gate_, method, context, *request, response, &lane_,
      [this, handle](const Request& parsed) { return (this->*handle)(parsed); });
}

grpc::ServerUnaryReactor* InferenceService::Classify(Context* context, const Bytes* request,
                                                     Bytes* response) {
  return Run({"Inference/Classify", Right::kRead}, context, request, response,
             &InferenceService::ClassifyNow);
}

grpc::ServerUnaryReactor* InferenceService::Segment(Context* context, const Bytes* request,
                                                    Bytes* response) {
  return Run({"Inference/Segment", Right::kRead}, context, request, response,
             &InferenceService::SegmentNow);
}

grpc::ServerUnaryReactor* InferenceService::Detect(Context* context, const Bytes* request,
                                                   Bytes* response) {
  return Run({"Inference/Detect", Right::kRead}, context, request, response,
             &InferenceService::DetectNow);
}

v1::ClassifyResponse InferenceService::ClassifyNow(const v1::ClassifyRequest& request) const {
  const Predictor& predictor = Choose(predictors_, request.model(), kClasses);
  const Seen seen = Look(predictor, request.photograph(), max_image_pixels_);
  const size_t wanted = request.classes() > 0 ? request.classes() : kDefaultClasses;
  v1::ClassifyResponse response;
  for (const ScoredClass& found : seen.prediction.classes) {
    if (static_cast<size_t>(response.classes_size()) == wanted) break;
    v1::ClassScore& score = *response.add_classes();
    score.set_name(found.name);
    score.set_probability(found.probability);
  }
  return response;
}

v1::SegmentResponse InferenceService::SegmentNow(const v1::SegmentRequest& request) const {
  const Predictor& predictor = Choose(predictors_, request.model(), kMasks);
  const Seen seen = Look(predictor, request.photograph(), max_image_pixels_);
  const cv::Mat& mask = seen.prediction.mask;
  if (mask.type() != CV_8UC1 || mask.size() != seen.place.size()) {
    Throw(absl::StatusCode::kInternal, "the model made a mask of another size or type");
  }
  cv::Mat whole = mask;
  if (seen.place.size() != cv::Size(seen.photograph.width, seen.photograph.height)) {
    whole = cv::Mat::zeros(seen.photograph.height, seen.photograph.width, CV_8UC1);
    mask.copyTo(whole(seen.place));
  }
  std::vector<uchar> png;
  if (!cv::imencode(".png", whole, png)) {
    Throw(absl::StatusCode::kInternal, "the mask cannot be written as PNG");
  }
  v1::SegmentResponse response;
  response.set_mask_png(png.data(), png.size());
  for (const std::string& name : predictor.class_names()) response.add_classes(name);
  return response;
}

v1::DetectResponse InferenceService::DetectNow(const v1::DetectRequest& request) const {
  const Predictor& predictor = Choose(predictors_, request.model(), kBoxes);
  if (!std::isfinite(request.min_score())) InvalidArgument("min_score is not finite");
  const Seen seen = Look(predictor, request.photograph(), max_image_pixels_);
  v1::DetectResponse response;
  for (const ScoredBox& found : seen.prediction.boxes) {
    if (found.score < request.min_score()) continue;
    v1::Detection& detection = *response.add_detections();
    v1::CropBox& box = *detection.mutable_box();
    box.set_x(found.box.x + static_cast<float>(seen.place.x));
    box.set_y(found.box.y + static_cast<float>(seen.place.y));
    box.set_w(found.box.w);
    box.set_h(found.box.h);
    detection.set_name(found.name);
    detection.set_score(found.score);
  }
  return response;
}

}  // namespace fluke::serve
