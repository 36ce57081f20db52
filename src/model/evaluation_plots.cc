#include "model/evaluation_plots.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr int kTrackHeight = 16;     ///< pixels of one dot's track
constexpr int kPlotHeight = 240;     ///< pixels of lines
constexpr int kPlotMargin = 22;      ///< pixels above and below them
constexpr std::size_t kColours = 6;  ///< classes s0 to s5

/// An axis of round numbers that covers a range.
struct PlotAxis {
  double low = 0;
  double high = 1;
  double step = 1;

  PlotAxis(double least, double most, int ticks) {
    if (!(most > least)) most = least + (least == 0 ? 1 : std::abs(least));
    const double rough = (most - least) / ticks;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    step = 10 * power;
    for (const double factor : {5.0, 2.0, 1.0})
      if (factor * power >= rough) step = factor * power;
    low = std::floor(least / step + 1e-9) * step;
    high = std::ceil(most / step - 1e-9) * step;
  }
  /// Where a value lies, 0 to 1.
  double at(double value) const { return (value - low) / (high - low); }
  std::vector<double> ticks() const {
    std::vector<double> all;
    for (int k = 0; low + k * step <= high + step / 2; ++k) all.push_back(low + k * step);
    return all;
  }
  std::string label(double value) const {
    const int digits = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6);
    return fmt::format("{:.{}f}", std::abs(value) < step / 1e6 ? 0.0 : value, digits);
  }
};

/// Across, with room for half a label at each end.
double percent(double share) {
  return 4 + 92 * share;
}
/// Across, with room for the labels of y at the left.
double percent_beside_y(double share) {
  return 14 + 82 * share;
}

void append_track(const PlotAxis& axis, const PlotDot& dot, int y, bool quiet, std::string& out) {
  const char* colour = quiet ? "quiet" : "s0";
  fmt::format_to(std::back_inserter(out),
                 R"(<line class="{0} whisker" x1="{1:.2f}%" x2="{2:.2f}%" y1="{3}" y2="{3}"/>)"
                 R"(<circle class="{0}{4}" cx="{5:.2f}%" cy="{3}" r="5"/>)",
                 colour, percent(axis.at(dot.value.low)), percent(axis.at(dot.value.high)), y,
                 dot.hollow ? " hollow" : "", percent(axis.at(dot.value.mean)));
}

/// Straight lines up and down at each tick.
void append_grid(const PlotAxis& axis, int height, std::string& out) {
  for (const double tick : axis.ticks())
    fmt::format_to(std::back_inserter(out),
                   R"(<line class="grid" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="{1}"/>)",
                   percent(axis.at(tick)), height);
}

void append_x_labels(const PlotAxis& axis, double (*across)(double), int y, std::string& out) {
  for (const double tick : axis.ticks())
    fmt::format_to(std::back_inserter(out), R"(<text x="{:.2f}%" y="{}" text-anchor="middle">{}</text>)",
                   across(axis.at(tick)), y, axis.label(tick));
}

void append_line(const PlotLine& line, const PlotAxis& x, const PlotAxis& y, std::size_t colour,
                 std::string& out) {
  const auto down = [&](double value) {
    return kPlotMargin + (kPlotHeight - 2 * kPlotMargin) * (1 - y.at(value));
  };
  for (std::size_t k = 0; k < line.points.size(); ++k) {
    const auto& [at, value] = line.points[k];
    if (k > 0)
      fmt::format_to(std::back_inserter(out),
                     R"(<line class="s{} stroke" x1="{:.2f}%" y1="{:.1f}" x2="{:.2f}%" y2="{:.1f}"/>)",
                     colour, percent_beside_y(x.at(line.points[k - 1].first)),
                     down(line.points[k - 1].second), percent_beside_y(x.at(at)), down(value));
    fmt::format_to(std::back_inserter(out), R"(<circle class="s{}" cx="{:.2f}%" cy="{:.1f}" r="4"/>)", colour,
                   percent_beside_y(x.at(at)), down(value));
  }
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string dot_plot(std::span<const PlotRow> rows, bool from_zero) {
  double least = from_zero ? 0 : std::numeric_limits<double>::max(),
         most = std::numeric_limits<double>::lowest();
  for (const PlotRow& row : rows)
    for (const PlotDot& dot : row.dots) {
      least = std::min(least, dot.value.low);
      most = std::max(most, dot.value.high);
    }
  if (rows.empty() || most < least) return "";
  const PlotAxis axis(least, most, 4);
  std::string out = R"(<div class="dots">)";
  for (const PlotRow& row : rows) {
    out += fmt::format(R"(<div class="dotrow"><p><b>{}</b>)", html_escaped(row.name));
    for (const PlotDot& dot : row.dots)
      out += fmt::format(R"( <span class="figure">{} <b>{:.4f}</b> ({:.4f} to {:.4f})</span>)",
                         html_escaped(dot.what), dot.value.mean, dot.value.low, dot.value.high);
    const int height = static_cast<int>(row.dots.size()) * kTrackHeight;
    out += fmt::format(R"(</p><svg aria-hidden="true" height="{}">)", height);
    append_grid(axis, height, out);
    for (std::size_t k = 0; k < row.dots.size(); ++k)
      append_track(axis, row.dots[k], static_cast<int>(k) * kTrackHeight + kTrackHeight / 2, row.quiet, out);
    out += "</svg></div>";
  }
  out += R"(<svg aria-hidden="true" height="18">)";
  append_x_labels(axis, percent, 13, out);
  return out + "</svg></div>";
}

std::string line_plot(std::span<const PlotLine> lines, std::string_view x_says, std::string_view y_says,
                      std::string_view says) {
  double least = 0, most = 0, last = 1;
  for (const PlotLine& line : lines)
    for (const auto& [x, y] : line.points) {
      least = std::min(least, y);
      most = std::max(most, y);
      last = std::max(last, x);
    }
  const PlotAxis x(0, last, 6), y(least, most, 4);
  std::string out = R"(<p class="legend">)";
  for (std::size_t k = 0; k < lines.size(); ++k)
    out += fmt::format(R"(<span><i class="s{}"></i>{}</span> )", k % kColours, html_escaped(lines[k].name));
  out += fmt::format(R"(</p><p class="axis">{}</p><svg role="img" aria-label="{}" height="{}">)",
                     html_escaped(y_says), html_escaped(says), kPlotHeight);
  for (const double tick : y.ticks()) {
    const double down = kPlotMargin + (kPlotHeight - 2 * kPlotMargin) * (1 - y.at(tick));
    fmt::format_to(
        std::back_inserter(out),
        R"(<line class="{0}" x1="0" x2="100%" y1="{1:.1f}" y2="{1:.1f}"/><text x="0" y="{2:.1f}">{3}</text>)",
        std::abs(tick) < y.step / 1e6 ? "zero" : "grid", down, down - 4, y.label(tick));
  }
  append_x_labels(x, percent_beside_y, kPlotHeight - 4, out);
  for (std::size_t k = 0; k < lines.size(); ++k) append_line(lines[k], x, y, k % kColours, out);
  return out + fmt::format(R"(</svg><p class="axis below">{}</p>)", html_escaped(x_says));
}

}  // namespace millrace
