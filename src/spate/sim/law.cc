// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/law.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/base/check.h"

namespace spate::sim {
namespace {

// Steps of a measured law's table: the smallest steps are two thousandths wide.
constexpr std::size_t kMostSteps = 500;
constexpr double kNsPerMs = 1e6;

}  // namespace

Law Law::constant(Duration value) {
  Law law;
  law.mean_ns_ = static_cast<double>(value.count());
  return law;
}

Law Law::exponential(Duration mean) {
  Law law = constant(mean);
  law.kind_ = Kind::Exponential;
  return law;
}

Law Law::gamma(Duration mean, double cv) {
  SPATE_CHECK(cv > 0.0, "a gamma law has a coefficient of variation above 0");
  Law law = constant(mean);
  law.kind_ = Kind::Gamma;
  law.shape_ = 1.0 / (cv * cv);
  return law;
}

Law Law::measured(std::vector<Duration> values) {
  SPATE_CHECK(!values.empty(), "a measured law has at least one value");
  std::sort(values.begin(), values.end());
  const std::size_t steps = std::clamp<std::size_t>(values.size(), 1, kMostSteps);
  // The quantile function of n values is a staircase; its mean over each step's width keeps the
  // sample's mean to the resolution of the table.
  std::vector<double> table(steps + 1);
  for (std::size_t i = 0; i <= steps; ++i) {
    const double place =
        static_cast<double>(i) / static_cast<double>(steps) * static_cast<double>(values.size());
    const double low = std::max(0.0, place - 0.5);
    const auto at = std::min(values.size() - 1, static_cast<std::size_t>(low));
    const auto next = std::min(values.size() - 1, at + 1);
    const double part = std::min(1.0, low - static_cast<double>(at));
    table[i] = static_cast<double>(values[at].count()) +
               part * static_cast<double>((values[next] - values[at]).count());
  }
  return quantiles(std::move(table));
}

Law Law::quantiles(std::vector<double> ns) {
  SPATE_CHECK(ns.size() >= 2 && ns.front() >= 0.0 && std::is_sorted(ns.begin(), ns.end()),
              "quantiles do not decrease");
  Law law;
  law.kind_ = Kind::Table;
  law.table_ = std::move(ns);
  double sum = 0.0;
  for (std::size_t i = 0; i + 1 < law.table_.size(); ++i) {
    sum += 0.5 * (law.table_[i] + law.table_[i + 1]);
  }
  law.mean_ns_ = sum / static_cast<double>(law.table_.size() - 1);
  return law;
}

Law Law::scaled(double ratio) const {
  SPATE_CHECK(ratio >= 0.0, "a duration is not negative");
  Law out = *this;
  out.mean_ns_ *= ratio;
  for (double& value : out.table_) value *= ratio;
  return out;
}

double Law::quantile_ns(double q) const {
  if (kind_ != Kind::Table) return mean_ns_;
  const double x = std::clamp(q, 0.0, 1.0) * static_cast<double>(table_.size() - 1);
  const auto i = std::min(table_.size() - 2, static_cast<std::size_t>(x));
  return table_[i] + (x - static_cast<double>(i)) * (table_[i + 1] - table_[i]);
}

std::string Law::to_json_text() const {
  SPATE_CHECK(kind_ == Kind::Table || kind_ == Kind::Constant, "only measured laws are written");
  // 51 points between the ends, and finer ones are not needed: measurements have some 100 values.
  std::string points;
  constexpr int kPoints = 100;
  for (int i = 0; i <= kPoints; ++i) {
    points += fmt::format("{}{:.6g}", i == 0 ? "" : ",",
                          quantile_ns(static_cast<double>(i) / kPoints) / kNsPerMs);
  }
  return fmt::format(R"({{"mean_ms":{:.6g},"quantiles_ms":[{}]}})", mean_ns_ / kNsPerMs, points);
}

Law Law::read(const ConfigReader& reader) {
  reader.allow_only({"mean_ms", "quantiles_ms"});
  std::vector<double> table;
  for (const ConfigReader& point : reader.at("quantiles_ms").list()) {
    table.push_back(point.number(0.0, 3.6e6) * kNsPerMs);
  }
  if (table.size() < 2) reader.at("quantiles_ms").fail("at least two quantiles");
  if (!std::is_sorted(table.begin(), table.end())) {
    reader.at("quantiles_ms").fail("quantiles that do not decrease");
  }
  (void)reader.at("mean_ms").number(0.0, 3.6e6);  // for people; the table has it
  return quantiles(std::move(table));
}

}  // namespace spate::sim
