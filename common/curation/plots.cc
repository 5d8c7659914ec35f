#include "common/curation/plots.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "absl/strings/str_format.h"
#include "common/files.h"
#include "common/html.h"
#include "common/text.h"

namespace fluke {
namespace {

constexpr const char* kInk = "#30363d";
constexpr const char* kGrid = "#d8dee4";
constexpr std::array<const char*, 6> kColours = {"#2f6f9f", "#c8553d", "#588b4b",
                                                 "#8a5fa8", "#b8892b", "#4a4e54"};
constexpr int kWidth = 560, kTitle = 28;

std::string Number(double value, const char* format) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string Text(double x, double y, const std::string& anchor, std::string_view text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
                         EscapeHtml(text));
}

std::string Begin(int height, const std::string& title) {
  return absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
      "font-family=\"sans-serif\" font-size=\"12\" fill=\"%s\">\n"
      "<text x=\"0\" y=\"15\" font-size=\"14\" font-weight=\"bold\">%s</text>\n",
      kWidth, height, kWidth, height, kInk, EscapeHtml(title));
}

// A frame in which data coordinates become pixels.
struct Frame {
  double left = 70, right = kWidth - 10, top = kTitle + 6, bottom = kTitle + 226;
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1;

  double X(double x) const { return left + (x - x_low) / (x_high - x_low) * (right - left); }
  double Y(double y) const { return bottom - (y - y_low) / (y_high - y_low) * (bottom - top); }
};

// About five round numbers within [low, high].
std::vector<double> Ticks(double low, double high) {
  const double rough = (high - low) / 5, power = std::pow(10, std::floor(std::log10(rough)));
  const double digit = rough / power;
  const double step = power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  for (double tick = std::ceil(low / step - 1e-9) * step; tick <= high + step * 1e-9; tick += step)
    ticks.push_back(std::abs(tick) < step * 1e-9 ? 0 : tick);
  return ticks;
}

std::string Axes(const Frame& frame, const std::string& x_name, const std::string& y_name) {
  std::string svg;
  for (double tick : Ticks(frame.y_low, frame.y_high)) {
    svg += absl::StrFormat("<path d=\"M%.1f %.1fH%.1f\" stroke=\"%s\"/>\n", frame.left,
                           frame.Y(tick), frame.right, kGrid);
    svg += Text(frame.left - 6, frame.Y(tick) + 4, "end", Number(tick, "%g"));
  }
  for (double tick : Ticks(frame.x_low, frame.x_high))
    svg += Text(frame.X(tick), frame.bottom + 16, "middle", Number(tick, "%g"));
  svg += absl::StrFormat("<path d=\"M%.1f %.1fH%.1f\" stroke=\"%s\"/>\n", frame.left, frame.bottom,
                         frame.right, kInk);
  svg += Text((frame.left + frame.right) / 2, frame.bottom + 34, "middle", x_name);
  return svg + Text(frame.left - 60, frame.top - 4, "start", y_name);
}

}  // namespace

std::string BarsSvg(const std::string& title, std::span<const Bar> bars, const char* format) {
  constexpr int kRow = 20, kLabels = 170, kValues = 70;
  double largest = 0;
  for (const Bar& bar : bars) largest = std::max(largest, bar.value);
  std::string svg = Begin(kTitle + kRow * static_cast<int>(bars.size()) + 6, title);
  int y = kTitle;
  for (const Bar& bar : bars) {
    const double length =
        largest > 0 ? std::max(0.0, bar.value) / largest * (kWidth - kLabels - kValues) : 0;
    svg += Text(kLabels - 8, y + 14, "end", bar.label);
    svg += absl::StrFormat("<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n",
                           kLabels, y + 3, length, kRow - 5, kColours[0]);
    svg += Text(kLabels + length + 6, y + 14, "start", Number(bar.value, format));
    y += kRow;
  }
  return svg + "</svg>\n";
}

std::vector<HistogramBin> Histogram(std::span<const double> values, int bins) {
  if (values.empty()) return {};
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double low = *least, high = *most;
  const int count = high > low ? bins : 1;
  const double width = high > low ? (high - low) / count : 1;
  std::vector<HistogramBin> histogram;
  for (int bin = 0; bin < count; ++bin)
    histogram.push_back({low + bin * width, low + (bin + 1) * width, 0});
  for (double value : values) {
    const auto bin = static_cast<int>((value - low) / width);
    ++histogram[std::clamp(bin, 0, count - 1)].count;
  }
  return histogram;
}

std::string HistogramSvg(const std::string& title, std::span<const double> values, int bins,
                         const std::string& unit) {
  const std::vector<HistogramBin> histogram = Histogram(values, bins);
  Frame frame;
  std::string svg = Begin(static_cast<int>(frame.bottom) + 42, title);
  if (histogram.empty()) return svg + "</svg>\n";
  int64_t most = 1;
  for (const HistogramBin& bin : histogram) most = std::max(most, bin.count);
  frame.x_low = histogram.front().low;
  frame.x_high = histogram.back().high;
  frame.y_high = static_cast<double>(most);
  svg += Axes(frame, unit, "photographs");
  for (const HistogramBin& bin : histogram) {
    const double x = frame.X(bin.low), y = frame.Y(static_cast<double>(bin.count));
    svg += absl::StrFormat(
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"><title>%g to %g: "
        "%d</title></rect>\n",
        x + .5, y, std::max(1.0, frame.X(bin.high) - x - 1), frame.bottom - y, kColours[0], bin.low,
        bin.high, bin.count);
  }
  return svg + "</svg>\n";
}

std::string LinesSvg(const std::string& title, std::span<const PlotSeries> series,
                     const std::string& x_name, const std::string& y_name) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  Frame frame;
  frame.x_low = frame.y_low = kInfinite;
  frame.x_high = frame.y_high = -kInfinite;
  const auto is_finite = [](const std::pair<double, double>& point) {
    return std::isfinite(point.first) && std::isfinite(point.second);
  };
  for (const PlotSeries& one : series) {
    for (const auto& point : one.points) {
      if (!is_finite(point)) continue;
      frame.x_low = std::min(frame.x_low, point.first);
      frame.x_high = std::max(frame.x_high, point.first);
      frame.y_low = std::min(frame.y_low, point.second);
      frame.y_high = std::max(frame.y_high, point.second);
    }
  }
  std::string svg = Begin(static_cast<int>(frame.bottom) + 42, title);
  if (!(frame.x_low <= frame.x_high)) return svg + "</svg>\n";
  if (frame.x_low == frame.x_high) frame.x_low -= .5, frame.x_high += .5;
  if (frame.y_low == frame.y_high) frame.y_low -= .5, frame.y_high += .5;
  svg += Axes(frame, x_name, y_name);
  double legend = frame.left + 8;
  for (size_t i = 0; i < series.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    std::string path;
    for (const auto& point : series[i].points) {
      if (!is_finite(point)) continue;
      const double x = frame.X(point.first), y = frame.Y(point.second);
      path += absl::StrFormat("%s%.1f %.1f", path.empty() ? "M" : "L", x, y);
      if (!series[i].line)
        svg += absl::StrFormat("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x, y,
                               colour);
    }
    if (series[i].line)
      svg += absl::StrFormat("<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n",
                             path, colour);
    svg += absl::StrFormat("<rect x=\"%.1f\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/>\n",
                           legend, kTitle - 6, colour);
    svg += Text(legend + 14, kTitle + 3, "start", series[i].name);
    legend += 30 + 7 * static_cast<double>(series[i].name.size());
  }
  return svg + "</svg>\n";
}

void WriteHtmlPage(const std::filesystem::path& path, const std::string& title,
                   std::span<const PageSection> sections) {
  std::string page = StrCat(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>", EscapeHtml(title),
      "</title>\n<style>body{font-family:sans-serif;max-width:1200px;margin:2em auto;padding:0 "
      "1em;color:#30363d}svg{margin:.5em 1.5em .5em "
      "0;max-width:100%}table{border-collapse:collapse}"
      "td,th{padding:.2em .8em;border-bottom:1px solid #d8dee4;text-align:left}</style>\n<h1>",
      EscapeHtml(title), "</h1>\n");
  for (const PageSection& section : sections)
    page += StrCat("<h2>", EscapeHtml(section.heading), "</h2>\n", section.html);
  WriteFileAtomically(path, page + "</html>\n");
}

}  // namespace fluke
