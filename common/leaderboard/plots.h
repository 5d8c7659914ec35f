// Plots as SVG elements.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/leaderboard/leaderboard.h"

namespace fluke {

// One of eight colours that keep apart for the colour-blind (Okabe and Ito 2008).
std::string_view PlotColour(size_t number);

struct Curve {
  std::string name;
  std::vector<double> values;  // at 1, 2, 3 ...; 0..1
};

// Curves over places, with axes and a legend.
std::string CurvePlot(const std::vector<Curve>& curves, std::string_view x_label,
                      std::string_view y_label);

// Both histograms over one another, each scaled to its own sum.
std::string HistogramPlot(const ScoreHistogram& histogram);

// A square of counts, darker where there are more.
std::string ConfusionPlot(const Confusion& confusion);

}  // namespace fluke
