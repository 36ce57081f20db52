#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/ranking_metrics.h"

namespace millrace {

/// Return `text` so that HTML shows it and runs none of it, also within a quoted attribute.
std::string html_escaped(std::string_view text);

/// One value with its interval on a row of a dot plot.
struct PlotDot {
  std::string what;  ///< "alone"
  Estimate value;
  bool hollow = false;
};
struct PlotRow {
  std::string name;
  bool quiet = false;  ///< drawn in grey: what the others are held against
  std::vector<PlotDot> dots;
};

/// Draw rows of values with intervals above one axis, as HTML with inline SVG that takes the width it is
/// given. The figures stand beside as text; what is drawn is hidden from screen readers. `from_zero` draws
/// the axis from 0.
std::string dot_plot(std::span<const PlotRow> rows, bool from_zero);

struct PlotLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< by x
};

/// Draw lines with a legend; `x_says` and `y_says` name the axes. The picture's words for screen readers are
/// `says`. Y includes 0, which is marked.
std::string line_plot(std::span<const PlotLine> lines, std::string_view x_says, std::string_view y_says,
                      std::string_view says);

}  // namespace millrace
