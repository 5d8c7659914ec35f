#include "common/sheet.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/files.h"
#include "common/sheet_text.h"

namespace fluke {
namespace {

// All lengths in pixels, all colours RGB.
constexpr int kMargin = 32;
constexpr int kPictureWidth = 164, kQueryWidth = 206;
constexpr int kGap = 12;       // between neighbours
constexpr int kQueryGap = 34;  // between the query and its neighbours
constexpr int kRowGap = 22;    // between rows
constexpr int kFrame = 4, kRound = 8;
constexpr int kCaptionLine = 17, kCaptionGap = 7;
constexpr size_t kLineNeighbors = 10;

const cv::Scalar kPaper(252, 252, 250), kMat(232, 235, 238), kInk(31, 38, 46),
    kFaint(110, 119, 129);
const cv::Scalar kRule(224, 228, 232);
const cv::Scalar kQueryFrame(70, 84, 104), kRightFrame(34, 154, 74), kWrongFrame(208, 52, 52),
    kUnknownFrame(158, 166, 175);

const TextStyle kTitleStyle{.size_px = 25, .weight = 1.15, .color = kInk};
const TextStyle kSubtitleStyle{.size_px = 15, .weight = 1, .color = kFaint};
const TextStyle kNameStyle{.size_px = 13.5, .weight = 1.15, .color = kInk};
const TextStyle kScoreStyle{.size_px = 13, .weight = 1, .color = kFaint};

enum class Verdict { kQuery, kRight, kWrong, kUnknown };

Verdict Judge(const SheetPicture& query, const SheetPicture& neighbor) {
  if (query.identity.empty() || neighbor.identity.empty()) return Verdict::kUnknown;
  return query.identity == neighbor.identity ? Verdict::kRight : Verdict::kWrong;
}

cv::Scalar ColorOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRight:
      return kRightFrame;
    case Verdict::kWrong:
      return kWrongFrame;
    case Verdict::kUnknown:
      return kUnknownFrame;
    default:
      return kQueryFrame;
  }
}

struct Layout {
  int picture_height = 0, query_height = 0;  // without frames
  int caption_lines = 1;
  size_t columns = 0, lines = 1;  // of neighbours
  int header = 0;

  int CellHeight() const {
    return picture_height + 2 * kFrame + kCaptionGap + caption_lines * kCaptionLine;
  }
  int QueryCellHeight() const {
    return query_height + 2 * kFrame + kCaptionGap + caption_lines * kCaptionLine;
  }
  int RowHeight() const {
    const int neighbors =
        static_cast<int>(lines) * CellHeight() + (static_cast<int>(lines) - 1) * kGap;
    return std::max(QueryCellHeight(), neighbors);
  }
  int NeighborsLeft() const { return kMargin + kQueryWidth + 2 * kFrame + kQueryGap; }
  int Width() const {
    const int cells = static_cast<int>(columns) * (kPictureWidth + 2 * kFrame + kGap) - kGap;
    return std::max(NeighborsLeft() + std::max(0, cells) + kMargin, 560);
  }
  int Height(size_t rows) const {
    const int all = static_cast<int>(rows) * (RowHeight() + kRowGap) - (rows > 0 ? kRowGap : 0);
    return header + all + kMargin;
  }
};

std::vector<std::string> NameLines(const SheetPicture& picture, int width) {
  const std::string name = picture.identity.empty() ? "unknown" : PlainText(picture.identity);
  return WrapText(name, width, 2, kNameStyle);
}

std::string ScoreText(const SheetPicture& picture) {
  return absl::StrFormat("%.3f", picture.score);
}

int NeighborNameWidth(const SheetPicture& picture) {
  return kPictureWidth + 2 * kFrame - TextWidth(ScoreText(picture), kScoreStyle) - 8;
}

// The middle one of the pictures' height / width, so that most fill their cells.
double CommonShape(const ContactSheet& sheet) {
  std::vector<double> shapes;
  const auto add = [&](const SheetPicture& picture) {
    if (!picture.rgb.empty())
      shapes.push_back(static_cast<double>(picture.rgb.rows) / picture.rgb.cols);
  };
  for (const SheetRow& row : sheet.rows) {
    add(row.query);
    for (const SheetPicture& neighbor : row.neighbors) add(neighbor);
  }
  if (shapes.empty()) return .75;
  const auto middle = shapes.begin() + static_cast<std::ptrdiff_t>(shapes.size() / 2);
  std::nth_element(shapes.begin(), middle, shapes.end());
  return std::clamp(*middle, .5, 1.5);
}

Layout Measure(const ContactSheet& sheet) {
  Layout layout;
  const double shape = CommonShape(sheet);
  layout.picture_height = static_cast<int>(std::lround(kPictureWidth * shape));
  layout.query_height = static_cast<int>(std::lround(kQueryWidth * shape));
  layout.header = kMargin + 78 + (sheet.subtitle.empty() ? 0 : 26);
  size_t caption_lines = 1, most = 0;
  for (const SheetRow& row : sheet.rows) {
    caption_lines = std::max(caption_lines, NameLines(row.query, kQueryWidth).size());
    const size_t shown = std::min(row.neighbors.size(), kMaxSheetNeighbors);
    most = std::max(most, shown);
    for (size_t i = 0; i < shown; ++i) {
      const SheetPicture& neighbor = row.neighbors[i];
      caption_lines =
          std::max(caption_lines, NameLines(neighbor, NeighborNameWidth(neighbor)).size());
    }
  }
  layout.caption_lines = static_cast<int>(caption_lines);
  layout.lines = most > kLineNeighbors ? 2 : 1;
  layout.columns = (most + layout.lines - 1) / layout.lines;
  return layout;
}

// 255 inside a rectangle with round corners.
cv::Mat RoundMask(cv::Size size, int radius) {
  constexpr int kFiner = 4;
  cv::Mat fine(size * kFiner, CV_8UC1, cv::Scalar(0)), mask;
  const int r = radius * kFiner;
  cv::rectangle(fine, cv::Rect(r, 0, fine.cols - 2 * r, fine.rows), cv::Scalar(255), cv::FILLED);
  cv::rectangle(fine, cv::Rect(0, r, fine.cols, fine.rows - 2 * r), cv::Scalar(255), cv::FILLED);
  for (const cv::Point corner :
       {cv::Point(r, r), cv::Point(fine.cols - 1 - r, r), cv::Point(r, fine.rows - 1 - r),
        cv::Point(fine.cols - 1 - r, fine.rows - 1 - r)}) {
    cv::circle(fine, corner, r, cv::Scalar(255), cv::FILLED);
  }
  cv::resize(fine, mask, size, 0, 0, cv::INTER_AREA);
  return mask;
}

// `picture` seen through `mask`, over the canvas.
void Stamp(const cv::Mat& picture, const cv::Mat& mask, cv::Point at, cv::Mat* canvas) {
  for (int row = 0; row < picture.rows; ++row) {
    for (int col = 0; col < picture.cols; ++col) {
      const int share = mask.at<uint8_t>(row, col);
      auto& pixel = canvas->at<cv::Vec3b>(at.y + row, at.x + col);
      const auto& over = picture.at<cv::Vec3b>(row, col);
      for (int c = 0; c < 3; ++c)
        pixel[c] = static_cast<uint8_t>((pixel[c] * (255 - share) + over[c] * share) / 255);
    }
  }
}

// `rgb` scaled to cover `size`, its middle.
cv::Mat Cover(const cv::Mat& rgb, cv::Size size) {
  const double shape = static_cast<double>(size.width) / size.height;
  cv::Rect middle(0, 0, rgb.cols, rgb.rows);
  if (rgb.cols > shape * rgb.rows) {
    middle.width = std::max(1, static_cast<int>(shape * rgb.rows));
    middle.x = (rgb.cols - middle.width) / 2;
  } else {
    middle.height = std::max(1, static_cast<int>(rgb.cols / shape));
    middle.y = (rgb.rows - middle.height) / 2;
  }
  cv::Mat covered;
  cv::resize(rgb(middle), covered, size, 0, 0, cv::INTER_AREA);
  return covered;
}

// The whole picture, as large as fits, on a blurred and paled copy of itself.
cv::Mat Fit(const cv::Mat& rgb, cv::Size size) {
  if (rgb.empty()) return cv::Mat(size, CV_8UC3, kMat);
  const double scale = std::min(static_cast<double>(size.width) / rgb.cols,
                                static_cast<double>(size.height) / rgb.rows);
  const cv::Size inner(std::clamp(static_cast<int>(std::lround(rgb.cols * scale)), 1, size.width),
                       std::clamp(static_cast<int>(std::lround(rgb.rows * scale)), 1, size.height));
  cv::Mat fitted = Cover(rgb, size);
  cv::GaussianBlur(fitted, fitted, cv::Size(0, 0), size.width / 16.0);
  cv::addWeighted(fitted, .6, cv::Mat(size, CV_8UC3, kMat), .4, 0, fitted);
  const cv::Rect place((size.width - inner.width) / 2, (size.height - inner.height) / 2,
                       inner.width, inner.height);
  cv::resize(rgb, fitted(place), inner, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
  return fitted;
}

// A tick or a cross, for those who do not tell green from red.
void DrawBadge(Verdict verdict, cv::Point center, cv::Mat* canvas) {
  if (verdict != Verdict::kRight && verdict != Verdict::kWrong) return;
  constexpr int kFiner = 4, kRadius = 9;
  const int side = (2 * kRadius + 1) * kFiner, middle = side / 2;
  cv::Mat disc(side, side, CV_8UC1, cv::Scalar(0)), sign(side, side, CV_8UC1, cv::Scalar(0));
  cv::circle(disc, cv::Point(middle, middle), kRadius * kFiner, cv::Scalar(255), cv::FILLED);
  const auto stroke = [&](double x1, double y1, double x2, double y2) {
    const auto point = [&](double x, double y) {
      return cv::Point(middle + static_cast<int>(x * kFiner),
                       middle + static_cast<int>(y * kFiner));
    };
    cv::line(sign, point(x1, y1), point(x2, y2), cv::Scalar(255), 2 * kFiner, cv::LINE_AA);
  };
  if (verdict == Verdict::kRight) {
    stroke(-4, .5, -1.2, 3.3);
    stroke(-1.2, 3.3, 4.2, -3);
  } else {
    stroke(-3.2, -3.2, 3.2, 3.2);
    stroke(-3.2, 3.2, 3.2, -3.2);
  }
  const cv::Size size(2 * kRadius + 1, 2 * kRadius + 1);
  cv::resize(disc, disc, size, 0, 0, cv::INTER_AREA);
  cv::resize(sign, sign, size, 0, 0, cv::INTER_AREA);
  const cv::Point corner(center.x - kRadius, center.y - kRadius);
  Stamp(cv::Mat(size, CV_8UC3, ColorOf(verdict)), disc, corner, canvas);
  Stamp(cv::Mat(size, CV_8UC3, cv::Scalar(255, 255, 255)), sign, corner, canvas);
}

void DrawPicture(const SheetPicture& picture, Verdict verdict, cv::Rect inner, cv::Mat* canvas) {
  const cv::Size outer(inner.width + 2 * kFrame, inner.height + 2 * kFrame);
  Stamp(cv::Mat(outer, CV_8UC3, ColorOf(verdict)), RoundMask(outer, kRound),
        inner.tl() - cv::Point(kFrame, kFrame), canvas);
  Stamp(Fit(picture.rgb, inner.size()), RoundMask(inner.size(), kRound - kFrame), inner.tl(),
        canvas);
  DrawBadge(verdict, inner.tl() + cv::Point(3, 3), canvas);
}

void DrawCaption(const std::vector<std::string>& name, std::string_view score, cv::Rect inner,
                 cv::Mat* canvas) {
  int baseline = inner.br().y + kFrame + kCaptionGap + 10;
  if (!score.empty()) {
    const int right = inner.br().x + kFrame;
    DrawText(score, {right - TextWidth(score, kScoreStyle), baseline}, kScoreStyle, canvas);
  }
  for (const std::string& line : name) {
    DrawText(line, {inner.x - kFrame, baseline}, kNameStyle, canvas);
    baseline += kCaptionLine;
  }
}

void DrawHeader(const ContactSheet& sheet, const Layout& layout, cv::Mat* canvas) {
  const int title_baseline = kMargin + 20;
  const int text_width = canvas->cols - 2 * kMargin;
  const auto one_line = [&](std::string_view text, const TextStyle& style, int baseline) {
    const std::vector<std::string> lines = WrapText(PlainText(text), text_width, 1, style);
    if (!lines.empty()) DrawText(lines[0], {kMargin, baseline}, style, canvas);
  };
  one_line(sheet.title, kTitleStyle, title_baseline);
  one_line(sheet.subtitle, kSubtitleStyle, title_baseline + 26);
  const int rule_y = layout.header - 42;
  cv::line(*canvas, {kMargin, rule_y}, {canvas->cols - kMargin, rule_y}, kRule, 1);

  const int baseline = rule_y + 24;
  DrawText("query", {kMargin, baseline}, kScoreStyle, canvas);
  DrawText("nearest first", {layout.NeighborsLeft(), baseline}, kScoreStyle, canvas);
  int right = canvas->cols - kMargin;
  for (const auto& [text, verdict] : {std::pair{"another individual", Verdict::kWrong},
                                      std::pair{"same individual", Verdict::kRight}}) {
    right -= TextWidth(text, kScoreStyle);
    DrawText(text, {right, baseline}, kScoreStyle, canvas);
    right -= 14;
    DrawBadge(verdict, {right, baseline - 4}, canvas);
    right -= 26;
  }
}

void DrawRow(const SheetRow& row, const Layout& layout, int top, cv::Mat* canvas) {
  const cv::Rect query(kMargin + kFrame, top + kFrame, kQueryWidth, layout.query_height);
  DrawPicture(row.query, Verdict::kQuery, query, canvas);
  DrawCaption(NameLines(row.query, kQueryWidth), "", query, canvas);
  for (size_t i = 0; i < std::min(row.neighbors.size(), kMaxSheetNeighbors); ++i) {
    const SheetPicture& neighbor = row.neighbors[i];
    const int column = static_cast<int>(i % layout.columns),
              line = static_cast<int>(i / layout.columns);
    const cv::Rect inner(
        layout.NeighborsLeft() + kFrame + column * (kPictureWidth + 2 * kFrame + kGap),
        top + kFrame + line * (layout.CellHeight() + kGap), kPictureWidth, layout.picture_height);
    DrawPicture(neighbor, Judge(row.query, neighbor), inner, canvas);
    DrawCaption(NameLines(neighbor, NeighborNameWidth(neighbor)), ScoreText(neighbor), inner,
                canvas);
  }
}

}  // namespace

cv::Mat DrawContactSheet(const ContactSheet& sheet) {
  const Layout layout = Measure(sheet);
  cv::Mat canvas(layout.Height(sheet.rows.size()), layout.Width(), CV_8UC3, kPaper);
  DrawHeader(sheet, layout, &canvas);
  int top = layout.header;
  for (const SheetRow& row : sheet.rows) {
    DrawRow(row, layout, top, &canvas);
    top += layout.RowHeight() + kRowGap;
  }
  return canvas;
}

void WriteContactSheet(const std::filesystem::path& path, const ContactSheet& sheet) {
  cv::Mat bgr;
  cv::cvtColor(DrawContactSheet(sheet), bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> png;
  if (!cv::imencode(".png", bgr, png)) {
    Throw(absl::StatusCode::kInternal, path.string(), ": cannot encode a contact sheet of ",
          bgr.cols, " x ", bgr.rows);
  }
  WriteFileAtomically(path, {reinterpret_cast<const char*>(png.data()), png.size()});
}

}  // namespace fluke
