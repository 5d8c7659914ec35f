#include "common/local/geometry.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <opencv2/calib3d.hpp>

#include "common/error.h"
#include "common/table.h"

namespace fluke {
namespace {

constexpr double kConfidence = .995;
constexpr int kMorePairs = 2;  // than fit always

constexpr GeometryModel kModels[] = {
    {"similarity", 2, "turned, enlarged, moved"},
    {"affine", 3, "also slanted and stretched, as by another angle of view"},
    {"homography", 4, "also in perspective, as a plane is from near by"},
};
constexpr const GeometryModel *kSimilarity = &kModels[0], *kAffine = &kModels[1];

constexpr size_t kRefinements = 10;  // OpenCV's own default
using Estimate = cv::Mat (*)(cv::InputArray from, cv::InputArray to, cv::OutputArray fits,
                             int method, double tolerance_px, size_t iterations, double confidence,
                             size_t refinements);
constexpr Estimate kEstimateAffine = &cv::estimateAffine2D;  // of two overloads

cv::Point2f PointOf(const LocalFeatures& features, int32_t number) {
  const KeyPoint& point = features.key_points.at(static_cast<size_t>(number));
  return {point.x, point.y};
}

// 3 x 3; empty where no map was found.
cv::Mat EstimateMap(const GeometryModel& model, const std::vector<cv::Point2f>& from,
                    const std::vector<cv::Point2f>& to, double tolerance_px, int iterations,
                    std::vector<uint8_t>* fits) {
  if (&model != kSimilarity && &model != kAffine) {
    return cv::findHomography(from, to, cv::RANSAC, tolerance_px, *fits, iterations, kConfidence);
  }
  const Estimate estimate = &model == kSimilarity ? &cv::estimateAffinePartial2D : kEstimateAffine;
  cv::Mat map = estimate(from, to, *fits, cv::RANSAC, tolerance_px, static_cast<size_t>(iterations),
                         kConfidence, kRefinements);
  if (!map.empty()) map.push_back(cv::Mat(cv::Matx13d(0, 0, 1)));
  return map;
}

// What the map does around a point: singular values of its derivative between 1/most_zoom and
// most_zoom, the determinant positive.
bool IsAViewAt(const cv::Point2f& point, const cv::Matx33d& map, double most_zoom) {
  const cv::Vec3d image = map * cv::Vec3d(point.x, point.y, 1);
  const double w = image[2];
  if (!(w > 0)) return false;  // from behind the camera
  const double u = image[0] / w, v = image[1] / w;
  const double a = (map(0, 0) - u * map(2, 0)) / w, b = (map(0, 1) - u * map(2, 1)) / w;
  const double c = (map(1, 0) - v * map(2, 0)) / w, d = (map(1, 1) - v * map(2, 1)) / w;
  const double determinant = a * d - b * c;
  if (!(determinant > 0)) return false;
  const double squares = a * a + b * b + c * c + d * d;
  const double root = std::sqrt(std::max(0., squares * squares - 4 * determinant * determinant));
  const double largest = std::sqrt((squares + root) / 2);
  return largest <= most_zoom && determinant / largest >= 1 / most_zoom;
}

// A key point that takes part in several pairs (a repeated pattern, several orientations) would
// count as often.
std::vector<PointPair> EachPointOnce(std::span<const PointPair> pairs) {
  std::vector<size_t> order(pairs.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return pairs[a].weight > pairs[b].weight; });
  std::set<int32_t> queries, galleries;
  std::vector<size_t> kept;
  for (const size_t i : order) {
    if (queries.contains(pairs[i].query) || galleries.contains(pairs[i].gallery)) continue;
    queries.insert(pairs[i].query);
    galleries.insert(pairs[i].gallery);
    kept.push_back(i);
  }
  std::sort(kept.begin(), kept.end());
  std::vector<PointPair> once;
  for (const size_t i : kept) once.push_back(pairs[i]);
  return once;
}

}  // namespace

std::span<const GeometryModel> GeometryModels() { return kModels; }

VerifiedPairs VerifyPairs(const LocalFeatures& query, const LocalFeatures& gallery,
                          std::span<const PointPair> pairs, const GeometryOptions& options) {
  const GeometryModel& model = Find(kModels, "geometry model", options.model);
  const auto least_pairs = static_cast<size_t>(model.unknown_pairs + kMorePairs);
  const std::vector<PointPair> once = EachPointOnce(pairs);
  if (once.size() < least_pairs) return {};
  std::vector<cv::Point2f> from, to;
  for (const PointPair& pair : once) {
    from.push_back(PointOf(query, pair.query));
    to.push_back(PointOf(gallery, pair.gallery));
  }
  const double tolerance_px =
      options.tolerance_percent / 100 * std::max(gallery.width, gallery.height);
  std::vector<uint8_t> fits;
  cv::Mat found;
  try {
    found = EstimateMap(model, from, to, tolerance_px, options.iterations, &fits);
  } catch (const cv::Exception& error) {
    Throw(absl::StatusCode::kInternal, "geometric verification of ", once.size(),
          " pairs: ", error.what());
  }
  if (found.empty()) return {};
  const cv::Matx33d map = found;
  VerifiedPairs verified;
  for (size_t i = 0; i < once.size(); ++i) {
    if (fits[i] == 0) continue;
    if (!IsAViewAt(from[i], map, options.most_zoom)) return {};
    verified.pairs.push_back(once[i]);
  }
  if (verified.pairs.size() < least_pairs) return {};
  for (const PointPair& pair : verified.pairs) verified.weight += pair.weight;
  verified.map = map;
  return verified;
}

}  // namespace fluke
