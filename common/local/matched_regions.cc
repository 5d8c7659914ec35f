#include "common/local/matched_regions.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "common/error.h"
#include "common/files.h"
#include "common/sheet_text.h"

namespace fluke {
namespace {

// All lengths in pixels, all colours RGB.
constexpr int kMargin = 24, kGap = 16;
constexpr int kPictureWidth = 420, kMostHeight = 520;
constexpr int kTextLine = 22;
constexpr int kSubpixelBits = 4;  // of cv::line and cv::circle
const cv::Scalar kPaper(252, 252, 250), kMat(232, 235, 238), kInk(31, 38, 46),
    kFaint(110, 119, 129);
const cv::Scalar kWeak(255, 214, 90),
    kStrong(255, 64, 48);  // lines: from the lightest to the heaviest

const TextStyle kVerdictStyle{.size_px = 16, .weight = 1.15, .color = kInk};
const TextStyle kNameStyle{.size_px = 13, .weight = 1, .color = kFaint};

// As wide as all are, the height as it comes, up to kMostHeight.
cv::Size ShownSize(const cv::Mat& picture) {
  if (picture.empty()) return {kPictureWidth, kPictureWidth / 2};
  const double factor = std::min(static_cast<double>(kPictureWidth) / picture.cols,
                                 static_cast<double>(kMostHeight) / picture.rows);
  return {std::max(1, static_cast<int>(std::lround(picture.cols * factor))),
          std::max(1, static_cast<int>(std::lround(picture.rows * factor)))};
}

void PutPicture(const cv::Mat& picture, const cv::Rect& place, cv::Mat* canvas) {
  if (picture.empty()) {
    canvas->operator()(place).setTo(kMat);
    return;
  }
  cv::resize(picture, canvas->operator()(place), place.size(), 0, 0,
             picture.cols > place.width ? cv::INTER_AREA : cv::INTER_LINEAR);
}

cv::Point Fine(const Region& region, const cv::Rect& place) {
  constexpr double kFine = 1 << kSubpixelBits;
  return {static_cast<int>(std::lround((place.x + region.x * place.width) * kFine)),
          static_cast<int>(std::lround((place.y + region.y * place.height) * kFine))};
}

int FineRadius(const Region& region, const cv::Rect& place) {
  const double radius = region.diameter * std::max(place.width, place.height) / 2;
  return static_cast<int>(std::lround(std::clamp(radius, 2., 60.) * (1 << kSubpixelBits)));
}

void DrawLines(std::span<const MatchedRegions> regions, const cv::Rect& query,
               const cv::Rect& gallery, cv::Mat* canvas) {
  const size_t count = std::min(kMostLines, regions.size());
  const double heaviest = count == 0 ? 1 : std::max(1e-9f, regions[0].weight);
  for (size_t i = count; i-- > 0;) {  // the heaviest last, on top
    const MatchedRegions& match = regions[i];
    const double strength = std::clamp(match.weight / heaviest, 0., 1.);
    const cv::Scalar colour = kWeak + (kStrong - kWeak) * strength;
    const cv::Point from = Fine(match.query, query), to = Fine(match.gallery, gallery);
    cv::circle(*canvas, from, FineRadius(match.query, query), colour, 1, cv::LINE_AA,
               kSubpixelBits);
    cv::circle(*canvas, to, FineRadius(match.gallery, gallery), colour, 1, cv::LINE_AA,
               kSubpixelBits);
    cv::line(*canvas, from, to, colour, strength > .5 ? 2 : 1, cv::LINE_AA, kSubpixelBits);
  }
}

int RowHeight(const MatchPicture& picture) {
  return 2 * kTextLine +
         std::max(ShownSize(picture.query_rgb).height, ShownSize(picture.gallery_rgb).height);
}

void DrawRow(const MatchPicture& picture, int top, cv::Mat* canvas) {
  const auto text = [&](const std::string& line, int left, int baseline, const TextStyle& style,
                        int width) {
    const auto lines = WrapText(PlainText(line), width, 1, style);
    if (!lines.empty()) DrawText(lines[0], {left, baseline}, style, canvas);
  };
  const int right = kMargin + kPictureWidth + kGap;
  text(picture.verdict, kMargin, top + 16, kVerdictStyle, 2 * kPictureWidth);
  text(picture.query_name, kMargin, top + kTextLine + 14, kNameStyle, kPictureWidth);
  text(picture.gallery_name, right, top + kTextLine + 14, kNameStyle, kPictureWidth);
  const cv::Rect query({kMargin, top + 2 * kTextLine}, ShownSize(picture.query_rgb));
  const cv::Rect gallery({right, top + 2 * kTextLine}, ShownSize(picture.gallery_rgb));
  PutPicture(picture.query_rgb, query, canvas);
  PutPicture(picture.gallery_rgb, gallery, canvas);
  DrawLines(picture.regions, query, gallery, canvas);
}

Region RegionOf(const LocalFeatures& features, int32_t number) {
  const KeyPoint& point = features.key_points.at(static_cast<size_t>(number));
  return {
      .x = point.x / static_cast<float>(features.width),
      .y = point.y / static_cast<float>(features.height),
      .diameter = point.size_px / static_cast<float>(std::max(features.width, features.height))};
}

Region InWhole(const Region& region, const LocalFeatures& features) {
  const Box& part = features.part;
  const auto width = static_cast<float>(features.width);
  const auto height = static_cast<float>(features.height);
  return {.x = part.x + region.x * part.w,
          .y = part.y + region.y * part.h,
          .diameter = region.diameter * std::max(width, height) /
                      std::max(width / part.w, height / part.h)};
}

}  // namespace

std::vector<MatchedRegions> WholeRegionsOf(const LocalFeatures& query, const LocalFeatures& gallery,
                                           std::span<const PointPair> pairs) {
  std::vector<MatchedRegions> regions = RegionsOf(query, gallery, pairs);
  for (MatchedRegions& match : regions) {
    match.query = InWhole(match.query, query);
    match.gallery = InWhole(match.gallery, gallery);
  }
  return regions;
}

std::vector<MatchedRegions> RegionsOf(const LocalFeatures& query, const LocalFeatures& gallery,
                                      std::span<const PointPair> pairs) {
  std::vector<MatchedRegions> regions;
  for (const PointPair& pair : pairs) {
    regions.push_back({.query = RegionOf(query, pair.query),
                       .gallery = RegionOf(gallery, pair.gallery),
                       .weight = pair.weight});
  }
  std::stable_sort(
      regions.begin(), regions.end(),
      [](const MatchedRegions& a, const MatchedRegions& b) { return a.weight > b.weight; });
  return regions;
}

cv::Mat DrawMatches(std::span<const MatchPicture> pictures) {
  int height = kMargin;
  for (const MatchPicture& picture : pictures) height += RowHeight(picture) + kMargin;
  cv::Mat canvas(std::max(height, 2 * kMargin), 2 * (kMargin + kPictureWidth) + kGap, CV_8UC3,
                 kPaper);
  int top = kMargin;
  for (const MatchPicture& picture : pictures) {
    DrawRow(picture, top, &canvas);
    top += RowHeight(picture) + kMargin;
  }
  return canvas;
}

void WriteMatches(const std::filesystem::path& path, std::span<const MatchPicture> pictures) {
  cv::Mat bgr;
  cv::cvtColor(DrawMatches(pictures), bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> png;
  if (!cv::imencode(".png", bgr, png)) {
    Throw(absl::StatusCode::kInternal, path.string(), ": cannot encode a picture of ", bgr.cols,
          " x ", bgr.rows);
  }
  WriteFileAtomically(path, {reinterpret_cast<const char*>(png.data()), png.size()});
}

}  // namespace fluke
