// Plots as SVG, and a page of them that needs nothing from elsewhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fluke {

struct Bar {
  std::string label;
  double value = 0;
};

// Horizontal bars with their values, in the order given. `format` is printf's of the value.
std::string BarsSvg(const std::string& title, std::span<const Bar> bars, const char* format = "%g");

// How many of `values` lie in each of at most `bins` intervals of equal width.
struct HistogramBin {
  double low = 0, high = 0;  // [low, high), the last one closed
  int64_t count = 0;
};
std::vector<HistogramBin> Histogram(std::span<const double> values, int bins);
std::string HistogramSvg(const std::string& title, std::span<const double> values, int bins,
                         const std::string& unit);

// Lines and points in one frame, axes from the least to the largest value.
struct PlotSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x, y; not finite ones are left out
  bool line = true;                               // points alone otherwise
};
std::string LinesSvg(const std::string& title, std::span<const PlotSeries> series,
                     const std::string& x_name, const std::string& y_name);

struct PageSection {
  std::string heading;
  std::string html;  // as it is: plots, tables
};
void WriteHtmlPage(const std::filesystem::path& path, const std::string& title,
                   std::span<const PageSection> sections);

}  // namespace fluke
