// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/arrivals.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "spate/base/config_error.h"

namespace spate::influx {
namespace {

// In the middle of its slot, so that models at the same rate with different phases of the run
// do not all fire at 0, and a window of n expected requests gets exactly n.
class Even final : public Arrivals {
 public:
  double first_gap(Rng&) override { return 0.5; }
  double gap(Rng&) override { return 1.0; }
};

class Poisson final : public Arrivals {
 public:
  double first_gap(Rng& rng) override { return rng.exponential(); }
  double gap(Rng& rng) override { return rng.exponential(); }
};

// Equilibrium wait = uniform part of a length-biased gap; a length-biased Gamma(k) is
// Gamma(k + 1).
class Gamma final : public Arrivals {
 public:
  explicit Gamma(double cv) : shape_(1.0 / (cv * cv)) {}
  double first_gap(Rng& rng) override {
    const double biased = rng.gamma(shape_ + 1.0) / shape_;
    return biased * rng.uniform();
  }
  double gap(Rng& rng) override { return rng.gamma(shape_) / shape_; }

 private:
  double shape_;
};

// X = scale * E^(1/k). A length-biased Weibull is scale * G^(1/k) with G ~ Gamma(1 + 1/k).
class Weibull final : public Arrivals {
 public:
  explicit Weibull(double cv)
      : inverse_shape_(solve(cv)), scale_(1.0 / std::tgamma(1.0 + inverse_shape_)) {}
  double first_gap(Rng& rng) override {
    const double biased = scale_ * std::pow(rng.gamma(1.0 + inverse_shape_), inverse_shape_);
    return biased * rng.uniform();
  }
  double gap(Rng& rng) override { return scale_ * std::pow(rng.exponential(), inverse_shape_); }

 private:
  // cv^2 = Gamma(1 + 2x) / Gamma(1 + x)^2 - 1 rises with x = 1/shape.
  static double solve(double cv) {
    double low = 1e-3;
    double high = 50.0;
    for (int i = 0; i < 200; ++i) {
      const double x = 0.5 * (low + high);
      const double log_ratio = std::lgamma(1.0 + 2.0 * x) - 2.0 * std::lgamma(1.0 + x);
      (std::expm1(log_ratio) < cv * cv ? low : high) = x;
    }
    return 0.5 * (low + high);
  }

  double inverse_shape_;
  double scale_;
};

struct Range {
  double low;
  double high;
};
Range range_of(ArrivalOptions::Kind kind) {
  return kind == ArrivalOptions::Kind::Weibull ? Range{0.05, 20.0} : Range{0.01, 100.0};
}

std::string_view name_of(ArrivalOptions::Kind kind) {
  switch (kind) {
    case ArrivalOptions::Kind::Even:
      return "even";
    case ArrivalOptions::Kind::Poisson:
      return "poisson";
    case ArrivalOptions::Kind::Gamma:
      return "gamma";
    case ArrivalOptions::Kind::Weibull:
      return "weibull";
    case ArrivalOptions::Kind::Mmpp:
      return "mmpp";
  }
  return "?";
}

bool has_cv(ArrivalOptions::Kind kind) {
  return kind == ArrivalOptions::Kind::Gamma || kind == ArrivalOptions::Kind::Weibull;
}

ArrivalOptions::Kind kind_of(const std::string& name) {
  if (name == "even") return ArrivalOptions::Kind::Even;
  if (name == "gamma") return ArrivalOptions::Kind::Gamma;
  if (name == "weibull") return ArrivalOptions::Kind::Weibull;
  if (name == "mmpp") return ArrivalOptions::Kind::Mmpp;
  return ArrivalOptions::Kind::Poisson;
}

constexpr Range kRatio{0.0, 1e6};
constexpr Range kMeanSeconds{1e-3, 1e7};

bool can_modulate(const std::vector<ModulationState>& states) {
  return states.size() >= 2 && states.size() <= Modulation::kMostStates && mean_ratio(states) > 0.0;
}

std::vector<ModulationState> read_states(const ConfigReader& reader) {
  std::vector<ModulationState> out;
  for (const ConfigReader& state : reader.list()) {
    state.allow_only({"ratio", "mean_s"});
    out.push_back({state.at("ratio").number(kRatio.low, kRatio.high),
                   state.at("mean_s").number(kMeanSeconds.low, kMeanSeconds.high)});
  }
  if (!can_modulate(out)) {
    reader.complain(
        fmt::format("expected 2 to {} states, one of them at least with a ratio above 0",
                    Modulation::kMostStates));
  }
  return out;
}

// The number at the start of `text`, which is moved on behind it and the `end` that must follow
// (after the last number of all, none).
bool take_number(std::string_view& text, char end, Range range, double& out) {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || !(out >= range.low && out <= range.high)) return false;
  text.remove_prefix(static_cast<std::size_t>(at - text.data()));
  if (text.empty()) return end == ',';
  if (text.front() != end) return false;
  text.remove_prefix(1);
  return end != ',' || !text.empty();
}

bool parse_states(std::string_view text, std::vector<ModulationState>& out) {
  while (!text.empty()) {
    ModulationState state;
    if (!take_number(text, '/', kRatio, state.ratio) ||
        !take_number(text, ',', kMeanSeconds, state.mean_s)) {
      return false;
    }
    out.push_back(state);
  }
  return can_modulate(out);
}

}  // namespace

std::string ArrivalOptions::describe() const {
  if (kind == Kind::Mmpp) return fmt::format("mmpp of {} states", states.size());
  if (has_cv(kind)) return fmt::format("{} with CV {:.4g}", name_of(kind), cv);
  return std::string(name_of(kind));
}

std::unique_ptr<Arrivals> make_arrivals(const ArrivalOptions& options) {
  switch (options.kind) {
    case ArrivalOptions::Kind::Even:
      return std::make_unique<Even>();
    case ArrivalOptions::Kind::Gamma:
      return std::make_unique<Gamma>(options.cv);
    case ArrivalOptions::Kind::Weibull:
      return std::make_unique<Weibull>(options.cv);
    case ArrivalOptions::Kind::Poisson:
    case ArrivalOptions::Kind::Mmpp:
      break;
  }
  return std::make_unique<Poisson>();
}

ArrivalOptions read_arrivals(const ConfigReader& reader) {
  const bool map = reader.is_map();
  if (map) reader.allow_only({"kind", "cv", "states"});
  const ConfigReader kind = map ? reader.at("kind") : reader;
  ArrivalOptions options;
  options.kind = kind_of(kind.one_of({"even", "poisson", "gamma", "weibull", "mmpp"}));
  if (options.kind == ArrivalOptions::Kind::Mmpp) {
    if (!map || !reader.has("states")) {
      reader.complain(
          "needs its states: {kind: mmpp, states: [{ratio: 0.5, mean_s: 60}, {ratio: 4, mean_s: "
          "10}]}");
    }
    options.states = read_states(reader.at("states"));
  } else if (map && reader.has("states")) {
    reader.at("states").complain("only arrivals of kind mmpp have states");
  }
  if (!has_cv(options.kind)) {
    if (map && reader.has("cv")) {
      reader.at("cv").complain(
          fmt::format("{} arrivals have no cv of their own (use gamma)", name_of(options.kind)));
    }
    return options;
  }
  const Range range = range_of(options.kind);
  if (!map) reader.complain("needs its cv: {kind: gamma, cv: 2}");
  options.cv = reader.at("cv").number(range.low, range.high);
  return options;
}

ArrivalOptions parse_arrivals(const std::string& text) {
  const auto colon = text.find(':');
  const std::string name = text.substr(0, colon);
  ArrivalOptions options;
  options.kind = kind_of(name);
  const auto complain = [&]() {
    throw ConfigError(
        "arrivals: expected even, poisson, gamma:CV (CV 0.01 to 100), weibull:CV "
        "(CV 0.05 to 20) or mmpp:RATIO/SECONDS,RATIO/SECONDS,… (2 to 8 states), got \"" +
        text + "\"");
  };
  if (name != name_of(options.kind)) complain();
  if (options.kind == ArrivalOptions::Kind::Mmpp) {
    if (colon == std::string::npos ||
        !parse_states(std::string_view(text).substr(colon + 1), options.states)) {
      complain();
    }
    return options;
  }
  if (has_cv(options.kind) != (colon != std::string::npos)) complain();
  if (!has_cv(options.kind)) return options;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + colon + 1, end, options.cv);
  const Range range = range_of(options.kind);
  if (error != std::errc{} || at != end || !(options.cv >= range.low && options.cv <= range.high)) {
    complain();
  }
  return options;
}

std::string to_json_text(const ArrivalOptions& options) {
  if (options.kind == ArrivalOptions::Kind::Mmpp) {
    std::string states;
    for (const ModulationState& state : options.states) {
      states += fmt::format(R"({}{{"ratio":{},"mean_s":{}}})", states.empty() ? "" : ",",
                            state.ratio, state.mean_s);
    }
    return fmt::format(R"({{"kind":"mmpp","states":[{}]}})", states);
  }
  if (!has_cv(options.kind)) return fmt::format(R"({{"kind":"{}"}})", name_of(options.kind));
  return fmt::format(R"({{"kind":"{}","cv":{}}})", name_of(options.kind), options.cv);
}

}  // namespace spate::influx
