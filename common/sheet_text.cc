#include "common/sheet_text.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "common/text.h"

namespace fluke {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr int kFiner = 4;  // strokes are drawn this much finer, then averaged
constexpr double kFontHeightPx =
    29;  // of kFont at scale 1, from a descender to the top of a capital

double Scale(const TextStyle& style) { return style.size_px / kFontHeightPx * kFiner; }

int Stroke(const TextStyle& style) {
  return std::max(1, static_cast<int>(std::lround(style.weight * style.size_px * .085 * kFiner)));
}

bool BreaksAfter(char c) { return c == ' ' || c == '/' || c == '_' || c == '-' || c == '.'; }

// How many characters of `text` fit, broken at a good place where there is one in the second half.
size_t FittingLength(std::string_view text, int width_px, const TextStyle& style) {
  size_t fits = 1;
  while (fits < text.size() && TextWidth(text.substr(0, fits + 1), style) <= width_px) ++fits;
  if (fits == text.size()) return fits;
  for (size_t end = fits; end > fits / 2; --end) {
    if (BreaksAfter(text[end - 1])) return end;
  }
  return fits;
}

}  // namespace

std::string PlainText(std::string_view utf8) {
  std::string plain;
  for (const char c : utf8) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) continue;  // inside a code point
    plain += byte >= 0x20 && byte < 0x7f ? c : '?';
  }
  return plain;
}

int TextWidth(std::string_view text, const TextStyle& style) {
  int baseline = 0;
  const cv::Size size =
      cv::getTextSize(std::string(text), kFont, Scale(style), Stroke(style), &baseline);
  return (size.width + kFiner - 1) / kFiner;
}

void DrawText(std::string_view text, cv::Point left_baseline, const TextStyle& style,
              cv::Mat* canvas) {
  const int above = static_cast<int>(style.size_px) + 2,
            below = static_cast<int>(style.size_px / 2) + 2;
  const cv::Size size(TextWidth(text, style) + 4, above + below);
  cv::Mat fine(size * kFiner, CV_8UC1, cv::Scalar(0)), ink;
  cv::putText(fine, std::string(text), cv::Point(0, above * kFiner), kFont, Scale(style),
              cv::Scalar(255), Stroke(style), cv::LINE_AA);
  cv::resize(fine, ink, size, 0, 0, cv::INTER_AREA);
  for (int row = 0; row < ink.rows; ++row) {
    const int y = left_baseline.y - above + row;
    if (y < 0 || y >= canvas->rows) continue;
    for (int col = 0; col < ink.cols; ++col) {
      const int x = left_baseline.x + col;
      if (x < 0 || x >= canvas->cols) continue;
      const int share = ink.at<uint8_t>(row, col);
      auto& pixel = canvas->at<cv::Vec3b>(y, x);
      for (int c = 0; c < 3; ++c) {
        pixel[c] = static_cast<uint8_t>(
            (pixel[c] * (255 - share) + static_cast<int>(style.color[c]) * share) / 255);
      }
    }
  }
}

std::vector<std::string> WrapText(std::string_view text, int width_px, size_t max_lines,
                                  const TextStyle& style) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t length = FittingLength(text, width_px, style);
    if (length < text.size() && lines.size() + 1 == max_lines) {
      // Names mostly differ at their end.
      const auto shortened = [&] { return absl::StrCat("..", AbslView(text)); };
      while (text.size() > 1 && TextWidth(shortened(), style) > width_px) text.remove_prefix(1);
      lines.push_back(shortened());
      break;
    }
    lines.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return lines;
}

}  // namespace fluke
