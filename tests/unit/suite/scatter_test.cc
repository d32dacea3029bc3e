// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/scatter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

namespace spate::suite {
namespace {

bool covers(const Label& a, const Label& b) {
  return a.left() < b.left() + b.width && b.left() < a.left() + a.width &&
         std::abs(a.y - b.y) < kLabelHeight;
}

TEST(Scatter, NamesDoNotCoverEachOther) {
  // Twenty strategies that are nearly alike, as in a league they are.
  std::vector<Spot> dots;
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) {
    dots.push_back({400.0 + 4.0 * (i % 5), 200.0 + 3.0 * static_cast<double>(i / 5)});
    names.push_back(fmt::format("strategy_{}", i));
  }
  const auto labels = place_labels(dots, names, 70.0, 880.0, 10.0, 375.0);
  ASSERT_EQ(labels.size(), dots.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      EXPECT_FALSE(covers(labels[i], labels[k])) << names[i] << " and " << names[k];
    }
  }
}

TEST(Scatter, ALoneNameStandsRightOfItsDotAndAtTheEdgeLeftOfIt) {
  const auto labels =
      place_labels({{100.0, 50.0}, {870.0, 50.0}}, {"first", "second"}, 70.0, 880.0, 0.0, 375.0);
  EXPECT_GT(labels[0].x, 100.0);
  EXPECT_FALSE(labels[0].ends_at_x);
  EXPECT_TRUE(labels[1].ends_at_x);
  EXPECT_LT(labels[1].x, 870.0);
}

double place_of(const std::string& svg, const std::string& name) {
  const auto text = svg.find(">" + name + "<");
  const auto circle = svg.rfind("cx=\"", text);
  return std::stod(svg.substr(circle + 4));
}

TEST(Scatter, ACostBelowTheBoundIsLeftOfIt) {
  const std::string svg = scatter({{"miser", 0.6, 0.4, false}, {"exact", 1.0, 0.9, false}});
  EXPECT_LT(place_of(svg, "miser"), place_of(svg, "exact") - 20.0);
  EXPECT_NE(svg.find("class=\"bound\""), std::string::npos);
  EXPECT_EQ(scatter({{"exact", 1.0, 0.9, false}}).find("class=\"bound\""), std::string::npos);
}

}  // namespace
}  // namespace spate::suite
