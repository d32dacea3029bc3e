// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/scatter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/base/html.h"

namespace spate::suite {
namespace {

constexpr double kWidth = 900.0;
constexpr double kHeight = 420.0;
constexpr double kLeft = 70.0;
constexpr double kRight = 880.0;
constexpr double kTop = 15.0;
constexpr double kBottom = 375.0;
constexpr double kLeastMiss = 1e-4;
constexpr double kDotRadius = 5.0;
constexpr double kCharacter = 6.9;  // mean width at 12 px, rather too wide than too narrow
constexpr double kGap = 9.0;        // from a dot's middle to its name

struct Box {
  double left, top, right, bottom;
  bool meets(const Box& o) const {
    return left < o.right && o.left < right && top < o.bottom && o.top < bottom;
  }
};

Box box_of(const Label& l) {
  return {l.left(), l.y - kLabelHeight + 3.0, l.left() + l.width, l.y + 3.0};
}

// Places to try for the name of a dot, the best first.
std::vector<Label> candidates(const Spot& dot, double width) {
  constexpr double kBase = 4.0;  // from a dot's middle down to the base line of a name beside it
  std::vector<Label> out;
  const auto beside = [&](double dy, bool far) {
    out.push_back({dot.x + kGap, dot.y + kBase + dy, width, false, far});
    out.push_back({dot.x - kGap, dot.y + kBase + dy, width, true, far});
  };
  beside(0.0, false);
  out.push_back({dot.x - width / 2.0, dot.y - kGap, width, false, false});
  out.push_back({dot.x - width / 2.0, dot.y + kGap + kLabelHeight - 3.0, width, false, false});
  for (double away = kLabelHeight; away < 150.0; away += kLabelHeight / 2.0) {
    beside(-away, true);
    beside(away, true);
  }
  return out;
}

// A line down or across the picture with its figure at the axis.
std::string grid_line(double x1, double y1, double x2, double y2) {
  return fmt::format(
      "<line class=\"axis\" x1=\"{:.0f}\" y1=\"{:.0f}\" x2=\"{:.0f}\" y2=\"{:.0f}\"/>", x1, y1, x2,
      y2);
}

}  // namespace

std::vector<Label> place_labels(const std::vector<Spot>& dots,
                                const std::vector<std::string>& names, double left, double right,
                                double top, double bottom) {
  std::vector<Box> taken;
  for (const Spot& d : dots) {
    taken.push_back({d.x - kDotRadius, d.y - kDotRadius, d.x + kDotRadius, d.y + kDotRadius});
  }
  std::vector<Label> out;
  for (std::size_t i = 0; i < dots.size(); ++i) {
    const auto tries = candidates(dots[i], kCharacter * static_cast<double>(names[i].size()));
    const auto fits = [&](const Label& l) {
      const Box box = box_of(l);
      if (box.left < left || box.right > right || box.top < top || box.bottom > bottom)
        return false;
      return std::none_of(taken.begin(), taken.end(), [&](const Box& b) { return b.meets(box); });
    };
    const auto found = std::find_if(tries.begin(), tries.end(), fits);
    out.push_back(found == tries.end() ? tries.front() : *found);
    taken.push_back(box_of(out.back()));
  }
  return out;
}

std::string scatter(const std::vector<Dot>& dots) {
  double least_cost = 1.0;
  double most_cost = 1.5;
  double most_miss = 0.02;
  for (const auto& d : dots) {
    if (d.cost < 1.0) least_cost = std::min(least_cost, d.cost / 1.1);
    most_cost = std::max(most_cost, d.cost * 1.15);
    most_miss = std::max(most_miss, 1.0 - d.attained);
  }
  const auto x = [&](double cost) {
    return kLeft +
           (kRight - kLeft) * std::log(cost / least_cost) / std::log(most_cost / least_cost);
  };
  const auto y = [&](double attained) {
    const double miss = std::clamp(1.0 - attained, kLeastMiss, most_miss);
    return kTop + 10.0 +
           (kBottom - kTop - 20.0) * std::log(miss / kLeastMiss) / std::log(most_miss / kLeastMiss);
  };
  std::string out = fmt::format(
      "<div class=\"wide\"><svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" "
      "aria-label=\"cost against requests in time\">",
      kWidth, kHeight);
  for (const double cost : {0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0,
                            16.0, 32.0, 64.0}) {
    if (cost > most_cost || cost < least_cost) continue;
    out +=
        grid_line(x(cost), kTop, x(cost), kBottom) +
        fmt::format("<text class=\"dim\" x=\"{:.0f}\" y=\"{}\" text-anchor=\"middle\">{:g}×</text>",
                    x(cost), kBottom + 17.0, cost);
  }
  if (least_cost < 1.0) {
    out +=
        fmt::format("<line class=\"bound\" x1=\"{0:.0f}\" y1=\"{1}\" x2=\"{0:.0f}\" y2=\"{2}\"/>",
                    x(1.0), kTop, kBottom);
  }
  for (const double miss : {0.0001, 0.001, 0.01, 0.05, 0.2, 0.5}) {
    if (miss > most_miss) continue;
    out +=
        grid_line(kLeft, y(1.0 - miss), kRight, y(1.0 - miss)) +
        fmt::format("<text class=\"dim\" x=\"{}\" y=\"{:.0f}\" text-anchor=\"end\">{:g} %</text>",
                    kLeft - 8.0, y(1.0 - miss) + 4.0, 100.0 * (1.0 - miss));
  }
  out += fmt::format(
      "<text class=\"dim\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">cost over the lower "
      "bound{}</text>",
      0.5 * (kLeft + kRight), kHeight - 7.0,
      least_cost < 1.0 ? " (left of the heavy line: not everything was served)" : "");
  std::vector<Spot> spots;
  std::vector<std::string> names;
  for (const auto& d : dots) {
    spots.push_back({x(d.cost), y(d.attained)});
    names.push_back(d.name);
  }
  const auto labels = place_labels(spots, names, kLeft, kRight + 15.0, 2.0, kBottom);
  for (std::size_t i = 0; i < dots.size(); ++i) {
    const Label& l = labels[i];
    if (!l.far) continue;
    out += fmt::format(
        "<line class=\"lead\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>",
        spots[i].x, spots[i].y, l.ends_at_x ? l.x + 2.0 : l.x - 2.0, l.y - 4.0);
  }
  for (std::size_t i = 0; i < dots.size(); ++i) {
    const Label& l = labels[i];
    out += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"var(--{})\"/><text x=\"{:.1f}\" "
        "y=\"{:.1f}\"{}>{}</text>",
        spots[i].x, spots[i].y, kDotRadius, dots[i].front ? "mark" : "other", l.x, l.y,
        l.ends_at_x ? " text-anchor=\"end\"" : "", html_escaped(names[i]));
  }
  return out + "</svg></div>";
}

}  // namespace spate::suite
