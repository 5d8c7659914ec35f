// From pairs of key points to pairs of regions (regions.h), and to pictures of them.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "common/local/geometry.h"
#include "common/local/key_points.h"
#include "common/local/regions.h"

namespace fluke {

// Of the parts that were looked at, heaviest first.
std::vector<MatchedRegions> RegionsOf(const LocalFeatures& query, const LocalFeatures& gallery,
                                      std::span<const PointPair> pairs);
// The same of the whole upright photographs.
std::vector<MatchedRegions> WholeRegionsOf(const LocalFeatures& query, const LocalFeatures& gallery,
                                           std::span<const PointPair> pairs);

// A query and one of its neighbours, side by side.
struct MatchPicture {
  cv::Mat query_rgb, gallery_rgb;  // CV_8UC3 of any size
  std::string query_name, gallery_name;
  std::string verdict;  // one line above the pictures
  std::vector<MatchedRegions> regions;
};

// Two pictures a row, lines between what matches: at most kMostLines, the heaviest, strong where
// they weigh much. CV_8UC3 RGB.
inline constexpr size_t kMostLines = 60;
cv::Mat DrawMatches(std::span<const MatchPicture> pictures);

// As a PNG; the file appears complete or not at all.
void WriteMatches(const std::filesystem::path& path, std::span<const MatchPicture> pictures);

}  // namespace fluke
