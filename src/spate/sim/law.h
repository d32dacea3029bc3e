// SPDX-License-Identifier: Apache-2.0
//
// Law: the distribution of a duration: a theoretical one, or a measured one kept as equally spaced
// quantiles and drawn by inversion (one uniform number, linear between two quantiles).
//
// Threads: immutable after construction.
#pragma once

#include <string>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/config_reader.h"
#include "spate/base/rng.h"

namespace spate::sim {

class Law {
 public:
  Law() = default;  // always 0
  static Law constant(Duration value);
  static Law exponential(Duration mean);
  static Law gamma(Duration mean, double cv);  // cv > 0: standard deviation over mean
  // From measured values, at least one.
  static Law measured(std::vector<Duration> values);
  // quantiles[i] is the i / (n - 1) quantile; at least 2, not decreasing, >= 0.
  static Law quantiles(std::vector<double> ns);

  double sample_ns(Rng& rng) const {
    if (kind_ == Kind::Constant) return mean_ns_;
    if (kind_ == Kind::Exponential) return mean_ns_ * rng.exponential();
    if (kind_ == Kind::Table) {
      const double x = rng.uniform() * static_cast<double>(table_.size() - 1);
      const auto i = static_cast<std::size_t>(x);
      return table_[i] + (x - static_cast<double>(i)) * (table_[i + 1] - table_[i]);
    }
    return mean_ns_ / shape_ * rng.gamma(shape_);
  }
  double mean_ns() const { return mean_ns_; }
  Law scaled(double ratio) const;      // every value times `ratio` >= 0
  double quantile_ns(double q) const;  // tables and constants only; the mean otherwise

  // {"mean_ms": …, "quantiles_ms": […]} and back. Throws ConfigError.
  std::string to_json_text() const;  // tables and constants only
  static Law read(const ConfigReader& reader);

 private:
  enum class Kind : unsigned char { Constant, Exponential, Gamma, Table };

  Kind kind_ = Kind::Constant;
  double mean_ns_ = 0.0;
  double shape_ = 1.0;
  std::vector<double> table_;  // ns
};

}  // namespace spate::sim
