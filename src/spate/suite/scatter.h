// SPDX-License-Identifier: Apache-2.0
//
// The cost-against-objective plot of a league's page, as inline SVG.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

namespace spate::suite {

struct Dot {
  std::string name;
  double cost = 1.0;      // > 0, over the lower bound; below 1: cheaper than serving everything
  double attained = 1.0;  // 0 to 1
  bool front = false;
};

// A name's place in the picture, in its units: the text begins (or, at the end, ends) at x, its
// base line is y.
struct Label {
  double x = 0.0;
  double y = 0.0;
  double width = 0.0;
  bool ends_at_x = false;  // left of its dot
  bool far = false;        // not beside its dot: a line leads to it

  double left() const { return ends_at_x ? x - width : x; }
};

struct Spot {  // of a dot, in the picture
  double x = 0.0;
  double y = 0.0;
};

constexpr double kLabelHeight = 13.0;

// Where the names of dots can stand so that no name covers another or a dot: right of the dot,
// left, above, below, and then ever farther away. Names stay within [left, right] x [top, bottom].
// Where there is no room at all a name stands right of its dot.
std::vector<Label> place_labels(const std::vector<Spot>& dots,
                                const std::vector<std::string>& names, double left, double right,
                                double top, double bottom);

// Cost over the bound (log scale) against the share in time (its misses on a log scale, best on
// top).
std::string scatter(const std::vector<Dot>& dots);

}  // namespace spate::suite
