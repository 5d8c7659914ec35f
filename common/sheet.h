// Contact sheets: queries at the left, their neighbours beside them, right ones framed green, wrong
// ones red.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace fluke {

struct SheetPicture {
  cv::Mat rgb;           // CV_8UC3 of any size, shown whole; empty: an empty cell
  std::string identity;  // "" = unknown
  float score = 0;       // of a neighbour; not shown for a query
};

struct SheetRow {
  SheetPicture query;
  std::vector<SheetPicture> neighbors;  // best first, at most kMaxSheetNeighbors are shown
};

inline constexpr size_t kMaxSheetNeighbors = 20;

struct ContactSheet {
  std::string title;
  std::string subtitle;  // may be empty
  std::vector<SheetRow> rows;
};

// CV_8UC3 RGB. A neighbour is right when its identity is the query's, unknown (grey) when either
// has none. More than ten neighbours take two lines a row. Text outside ASCII is shown as '?',
// OpenCV's fonts have no more.
cv::Mat DrawContactSheet(const ContactSheet& sheet);

// As a PNG; the file appears complete or not at all.
void WriteContactSheet(const std::filesystem::path& path, const ContactSheet& sheet);

}  // namespace fluke
