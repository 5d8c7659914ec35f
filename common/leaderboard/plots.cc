#include "common/leaderboard/plots.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "common/html.h"

namespace fluke {
namespace {

constexpr std::array<std::string_view, 8> kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                      "#E69F00", "#56B4E9", "#000000", "#8A8A00"};

// The place of the plot within its picture, in pixels.
constexpr double kLeft = 48, kTop = 12, kWidth = 420, kHeight = 240, kLegendWidth = 210;

std::string Line(double x1, double y1, double x2, double y2, std::string_view colour) {
  return absl::StrFormat("<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='%s'/>", x1, y1, x2,
                         y2, std::string(colour));
}

std::string Text(double x, double y, std::string_view anchor, std::string_view text) {
  return absl::StrFormat("<text x='%.1f' y='%.1f' text-anchor='%s'>%s</text>", x, y,
                         std::string(anchor), EscapeHtml(text));
}

std::string Open(double width, double height, std::string_view label) {
  return absl::StrFormat(
      "<svg role='img' aria-label='%s' viewBox='0 0 %.0f %.0f' width='%.0f' height='%.0f' "
      "font-size='11'>",
      EscapeHtml(label), width, height, width, height);
}

std::string Frame(std::string_view x_label, std::string_view y_label) {
  return Line(kLeft, kTop, kLeft, kTop + kHeight, "#888") +
         Line(kLeft, kTop + kHeight, kLeft + kWidth, kTop + kHeight, "#888") +
         Text(kLeft + kWidth / 2, kTop + kHeight + 32, "middle", x_label) +
         absl::StrFormat(
             "<text transform='translate(12 %.0f) rotate(-90)' "
             "text-anchor='middle'>%s</text>",
             kTop + kHeight / 2, EscapeHtml(y_label));
}

std::string Legend(size_t number, std::string_view colour, std::string_view name) {
  const double x = kLeft + kWidth + 16, y = kTop + 12 + 16 * static_cast<double>(number);
  return absl::StrFormat("<rect x='%.0f' y='%.0f' width='10' height='10' fill='%s'/>", x, y - 9,
                         std::string(colour)) +
         Text(x + 15, y, "start", name);
}

}  // namespace

std::string_view PlotColour(size_t number) { return kColours[number % kColours.size()]; }

std::string CurvePlot(const std::vector<Curve>& curves, std::string_view x_label,
                      std::string_view y_label) {
  size_t places = 2;
  for (const Curve& curve : curves) places = std::max(places, curve.values.size());
  const auto x_of = [&](size_t place) {
    return kLeft + kWidth * static_cast<double>(place) / static_cast<double>(places - 1);
  };
  const auto y_of = [&](double value) { return kTop + kHeight * (1 - value); };
  std::string svg = Open(kLeft + kWidth + kLegendWidth, kTop + kHeight + 44, y_label);
  for (int i = 0; i <= 5; ++i) {
    svg += Line(kLeft, y_of(i / 5.0), kLeft + kWidth, y_of(i / 5.0), "#ddd") +
           Text(kLeft - 6, y_of(i / 5.0) + 4, "end", absl::StrFormat("%.1f", i / 5.0));
  }
  const size_t step = std::max<size_t>(1, places / 10);
  for (size_t place = 0; place < places; place += step) {
    svg += Text(x_of(place), kTop + kHeight + 16, "middle", std::to_string(place + 1));
  }
  svg += Frame(x_label, y_label);
  for (size_t c = 0; c < curves.size(); ++c) {
    std::string points;
    for (size_t place = 0; place < curves[c].values.size(); ++place) {
      points += absl::StrFormat("%.1f,%.1f ", x_of(place), y_of(curves[c].values[place]));
    }
    svg += absl::StrFormat("<polyline points='%s' fill='none' stroke='%s' stroke-width='2'/>",
                           points, std::string(PlotColour(c))) +
           Legend(c, PlotColour(c), curves[c].name);
  }
  return svg + "</svg>";
}

std::string HistogramPlot(const ScoreHistogram& histogram) {
  const size_t bins = histogram.same.size();
  double most = 0;
  for (size_t b = 0; b < bins; ++b) {
    most = std::max({most, histogram.same[b], histogram.different[b]});
  }
  std::string svg = Open(kLeft + kWidth + kLegendWidth, kTop + kHeight + 44, "scores");
  const double width = kWidth / static_cast<double>(bins);
  const auto bars = [&](const std::vector<double>& shares, std::string_view colour) {
    for (size_t b = 0; b < bins; ++b) {
      const double height = most > 0 ? kHeight * shares[b] / most : 0;
      if (height <= 0) continue;
      svg += absl::StrFormat(
          "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s' fill-opacity='.55'/>",
          kLeft + width * static_cast<double>(b), kTop + kHeight - height, width, height,
          std::string(colour));
    }
  };
  bars(histogram.different, PlotColour(1));
  bars(histogram.same, PlotColour(0));
  for (int i = 0; i <= 4; ++i) {
    const double score = histogram.low + (histogram.high - histogram.low) * i / 4;
    svg +=
        Text(kLeft + kWidth * i / 4, kTop + kHeight + 16, "middle", absl::StrFormat("%.2f", score));
  }
  svg += Frame("score", "share of the pairs") + Legend(0, PlotColour(0), "same individual") +
         Legend(1, PlotColour(1), "different ones");
  return svg + "</svg>";
}

std::string ConfusionPlot(const Confusion& confusion) {
  constexpr double kCell = 22, kNames = 130;
  const size_t count = confusion.individuals.size();
  int64_t most = 1;
  for (int64_t c : confusion.counts) most = std::max(most, c);
  const double side = kNames + kCell * static_cast<double>(count) + 4;
  constexpr double kSlant = 65;  // how far the last slanted name reaches beyond its column
  std::string svg = Open(side + kSlant, side, "confusion");
  for (size_t i = 0; i < count; ++i) {
    const double at = kNames + kCell * static_cast<double>(i);
    svg += Text(kNames - 5, at + 15, "end", confusion.individuals[i]) +
           absl::StrFormat("<text transform='translate(%.0f %.0f) rotate(-60)'>%s</text>", at + 14,
                           kNames - 5, EscapeHtml(confusion.individuals[i]));
    for (size_t j = 0; j < count; ++j) {
      const int64_t times = confusion.counts[i * count + j];
      const double x = kNames + kCell * static_cast<double>(j);
      svg += absl::StrFormat(
          "<rect x='%.0f' y='%.0f' width='%.0f' height='%.0f' fill='%s' fill-opacity='%.2f' "
          "stroke='#ddd'/>",
          x, at, kCell, kCell, i == j ? "#009E73" : "#D55E00",
          static_cast<double>(times) / static_cast<double>(most));
      if (times > 0) svg += Text(x + kCell / 2, at + 15, "middle", std::to_string(times));
    }
  }
  return svg + "</svg>";
}

}  // namespace fluke
