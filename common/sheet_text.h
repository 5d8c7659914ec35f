// Text for contact sheets: OpenCV's Hershey strokes drawn fine and averaged, measured, wrapped and
// shortened.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace fluke {

struct TextStyle {
  double size_px = 13;  // height of a capital is about .72 of it
  double weight = 1;    // stroke width, 1 = regular
  cv::Scalar color;     // RGB
};

// Printable ASCII: any other code point becomes '?'.
std::string PlainText(std::string_view utf8);

int TextWidth(std::string_view text, const TextStyle& style);

// `left` and `baseline` in pixels of the canvas (CV_8UC3).
void DrawText(std::string_view text, cv::Point left_baseline, const TextStyle& style,
              cv::Mat* canvas);

// Lines no wider than `width_px`, broken after spaces and / _ - . where possible; past `max_lines`
// the last one ends in "..".
std::vector<std::string> WrapText(std::string_view text, int width_px, size_t max_lines,
                                  const TextStyle& style);

}  // namespace fluke
