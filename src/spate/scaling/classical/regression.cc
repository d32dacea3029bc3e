// SPDX-License-Identifier: Apache-2.0
//
// hist (B. Urgaonkar et al., TAAS 2008): the `quantile` of all loads seen at this hour of the day,
// plus the mean of the last errors where it was too low; when it was too low more than 5 of the
// last 10 times, at least L + 2.
//
// reg (W. Iqbal et al., FGCS 2011): more than there is capacity for is met at once; else a
// polynomial of second order through the last 72 loads says the next one, and capacity falls to
// it, never rises (a prototype falls to 0 where the polynomial says more).
//
// conpaas, inspired by H. Fernandez et al., IC2E 2014: reactive for 20 samples; then of a linear
// fit, an autoregression of first order and exponential smoothing the one whose last forecast was
// nearest, averaged over its horizon with weights that grow (a linear fit looks 20 samples ahead,
// the others 2).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "spate/scaling/classical/classical.h"
#include "spate/scaling/kit/per_model.h"

namespace spate::scaling {
namespace {

constexpr std::size_t kSamples = 72;
constexpr std::size_t kConpaasStart = 21;
constexpr int kBins = 64;
constexpr std::size_t kErrors = 10;

// A bin for each load up to 31, then 32 bins that each reach a quarter further.
int bin_of(int load) {
  if (load < kBins / 2) return load;
  return std::min(kBins - 1, kBins / 2 + static_cast<int>(std::log(load / 31.0) / std::log(1.25)));
}
int top_of(int bin) {
  return bin < kBins / 2 ? bin : static_cast<int>(31.0 * std::pow(1.25, bin - kBins / 2 + 1));
}

struct SeriesMemory {
  RequestCost cost;
  std::vector<double> series;  // newest last; loads in replicas, or rates (conpaas)
  std::vector<double> said;    // what was forecast for the next sample, by method
  // hist
  std::vector<std::int64_t> counts;  // hour x bin
  std::vector<double> errors;        // forecast - load, newest last

  void add(double value) {
    if (series.size() == kSamples) series.erase(series.begin());
    series.push_back(value);
  }
  void save(MemoryWriter& out) const {
    cost.save(out);
    for (const auto* row : {&series, &said, &errors}) {
      out.put(static_cast<std::int64_t>(row->size()));
      for (const double v : *row) out.put(v);
    }
    out.put(static_cast<std::int64_t>(counts.size()));
    for (const auto v : counts) out.put(v);
  }
  static SeriesMemory load(MemoryReader& in) {
    SeriesMemory out;
    out.cost = RequestCost::load(in);
    for (auto* row : {&out.series, &out.said, &out.errors}) {
      row->resize(static_cast<std::size_t>(in.integer(0, kSamples)));
      for (double& v : *row) v = in.number();
    }
    out.counts.resize(static_cast<std::size_t>(in.integer(0, 24 * kBins)));
    for (auto& v : out.counts) v = in.integer(0, std::int64_t{1} << 50);
    return out;
  }
};

class SeriesStrategy : public PerModelStrategy<SeriesMemory> {
 public:
  SeriesStrategy(std::string name, const StrategyOptions& options)
      : PerModelStrategy(std::move(name)),
        sensor_(options),
        utilisation_(options.number("utilisation_ratio")) {
    needs_ = sensor_.needs();
  }

 protected:
  // `load` in replicas, not rounded.
  virtual Target rule(TimePoint now, const ModelView& model, SeriesMemory& memory,
                      double load) const = 0;

 private:
  Target decide_model(TimePoint now, const ModelView& model, SeriesMemory& memory) override {
    std::string why;
    const auto load = sensor_.read(now, model, memory.cost, why);
    if (!load) return hold(model, Rule::NoData, why);
    const double each = load->rate_per_s(model.cpu_limit) * utilisation_;
    return rule(now, model, memory, std::min(load->arrivals_per_s / each, 1e6));
  }

  const LoadSensor sensor_;
  const double utilisation_;
};

class Hist final : public SeriesStrategy {
 public:
  explicit Hist(const StrategyOptions& options)
      : SeriesStrategy("hist", options),
        quantile_(options.number("quantile")),
        hour_(options.seconds("hour_s")) {}

 private:
  Target rule(TimePoint now, const ModelView&, SeriesMemory& memory, double value) const override {
    const int load = ceil_replicas(value);
    memory.counts.resize(24 * kBins);
    const auto hour = static_cast<std::size_t>((now.time_since_epoch() / hour_) % 24);
    std::int64_t* counts = &memory.counts[hour * kBins];
    const int learned = predict(counts);
    double low = 0.0;
    int too_low = 0;
    for (const double error : memory.errors) {
      if (error >= 0.0) continue;
      low -= error;
      ++too_low;
    }
    if (too_low > 0) low /= static_cast<double>(memory.errors.size());
    int n = learned < 0 ? load : ceil_replicas(learned + low);
    const bool distrusted = too_low > 5;
    if (distrusted) n = std::max(n, load + 2);
    if (learned >= 0) {
      if (memory.errors.size() == kErrors) memory.errors.erase(memory.errors.begin());
      memory.errors.push_back(learned - load);
    }
    counts[bin_of(load)] += 1;
    Target target;
    target.replicas = n;
    target.rule = distrusted ? Rule::Distrusted : learned < 0 ? Rule::Load : Rule::Learned;
    target.reason =
        learned < 0
            ? fmt::format("nothing known of hour {}: the load now needs {} replicas", hour, load)
            : fmt::format(
                  "hour {} needed {} replicas at quantile {:g}, {:.1f} added for past "
                  "errors{}",
                  hour, learned, quantile_, low,
                  distrusted ? fmt::format("; too low {} times: at least the load of {} + 2",
                                           too_low, load)
                             : "");
    return target;
  }

  // -1: nothing was seen.
  int predict(const std::int64_t* counts) const {
    std::int64_t total = 0;
    for (int bin = 0; bin < kBins; ++bin) total += counts[bin];
    if (total == 0) return -1;
    std::int64_t below = 0;
    for (int bin = 0; bin < kBins; ++bin) {
      below += counts[bin];
      if (static_cast<double>(below) >= quantile_ * static_cast<double>(total)) return top_of(bin);
    }
    return top_of(kBins - 1);
  }

  const double quantile_;
  const Duration hour_;
};

// Value at x = size of the least-squares polynomial of second order through (i, series[i]).
// Requires at least three values.
double next_of_parabola(const std::vector<double>& y) {
  const auto n = static_cast<double>(y.size());
  const double middle = (n - 1.0) / 2.0;
  // With x centred the odd moments vanish: y = a + b x + c x^2.
  double s2 = 0.0, s4 = 0.0, t0 = 0.0, t1 = 0.0, t2 = 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double x = static_cast<double>(i) - middle;
    s2 += x * x;
    s4 += x * x * x * x;
    t0 += y[i];
    t1 += x * y[i];
    t2 += x * x * y[i];
  }
  const double c = (n * t2 - s2 * t0) / (n * s4 - s2 * s2);
  const double a = (t0 - c * s2) / n;
  const double x = n - middle;
  return a + t1 / s2 * x + c * x * x;
}

class Reg final : public SeriesStrategy {
 public:
  explicit Reg(const StrategyOptions& options) : SeriesStrategy("reg", options) {}

 private:
  Target rule(TimePoint, const ModelView& model, SeriesMemory& memory,
              double value) const override {
    const int load = ceil_replicas(value);
    const int cap = model.wanted_replicas;
    memory.add(load);
    Target target;
    if (load > cap) {
      target.replicas = load;
      target.rule = Rule::Load;
      target.reason =
          fmt::format("the load needs {} replicas, more than the {} there are", load, cap);
      return target;
    }
    if (memory.series.size() < 4)
      return hold(model, Rule::NoData, "too few samples for a polynomial");
    const double next = next_of_parabola(memory.series);
    target.replicas = std::min(cap, ceil_replicas(std::max(0.0, next)));
    target.rule = Rule::Regression;
    target.reason = fmt::format("{}the polynomial through {} samples says {:.2f} replicas next",
                                target.replicas == cap ? "hold: " : "", memory.series.size(), next);
    return target;
  }
};

struct Fit {
  const char* name;
  Rule rule;
  double next;   // for the next sample
  double ahead;  // weighted over the horizon
};

// Weights 0..k-1 over the k steps ahead: the far end counts most.
template <class Value>
double weighted(int steps, Value value) {
  double sum = 0.0;
  double weights = 0.0;
  for (int i = 1; i <= steps; ++i) {
    sum += (i - 1) * value(i);
    weights += i - 1;
  }
  return weights > 0.0 ? sum / weights : value(1);
}

std::array<Fit, 3> fit_all(const std::vector<double>& y) {
  const auto n = static_cast<double>(y.size());
  double mean = 0.0;
  for (const double v : y) mean += v / n;
  double sxx = 0.0, sxy = 0.0, c0 = 0.0, c1 = 0.0;
  double smooth = y.front();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double x = static_cast<double>(i) - (n - 1.0) / 2.0;
    sxx += x * x;
    sxy += x * y[i];
    c0 += (y[i] - mean) * (y[i] - mean);
    if (i > 0) c1 += (y[i] - mean) * (y[i - 1] - mean);
    smooth += 0.5 * (y[i] - smooth);
  }
  const double slope = sxy / sxx;
  const auto line = [&](int i) { return mean + slope * ((n - 1.0) / 2.0 + i); };
  const double phi = c0 > 0.0 ? std::clamp(c1 / c0, -1.0, 1.0) : 0.0;
  const auto ar = [&](int i) { return mean + std::pow(phi, i) * (y.back() - mean); };
  const auto flat = [&](int) { return smooth; };
  return {Fit{"linear fit", Rule::LinearFit, line(1), weighted(20, line)},
          Fit{"autoregression", Rule::Autoregression, ar(1), weighted(2, ar)},
          Fit{"exponential smoothing", Rule::Smoothing, flat(1), weighted(2, flat)}};
}

class Conpaas final : public SeriesStrategy {
 public:
  explicit Conpaas(const StrategyOptions& options) : SeriesStrategy("conpaas", options) {}

 private:
  Target rule(TimePoint, const ModelView&, SeriesMemory& memory, double load) const override {
    memory.add(load);
    Target target;
    if (memory.series.size() < kConpaasStart) {
      target.replicas = ceil_replicas(load);
      target.rule = Rule::Load;
      target.reason = fmt::format("{} of {} samples: the load now needs {} replicas",
                                  memory.series.size(), kConpaasStart, target.replicas);
      return target;
    }
    const auto fits = fit_all(memory.series);
    std::size_t best = 0;
    if (memory.said.size() == fits.size()) {
      for (std::size_t i = 1; i < fits.size(); ++i) {
        if (std::abs(memory.said[i] - load) < std::abs(memory.said[best] - load)) best = i;
      }
    }
    memory.said.clear();
    for (const Fit& fit : fits) memory.said.push_back(fit.next);
    target.replicas = ceil_replicas(std::clamp(fits[best].ahead, 0.0, 1e6));
    target.rule = fits[best].rule;
    target.reason = fmt::format("{} was nearest lately and says {:.2f} replicas", fits[best].name,
                                fits[best].ahead);
    return target;
  }
};

template <class T>
StrategyInfo info_of(const char* name, const char* summary, const char* source,
                     std::vector<Rule> rules) {
  StrategyInfo info;
  info.rules = std::move(rules);
  info.name = name;
  info.summary = summary;
  info.source = source;
  info.options = classical_options();
  info.make = [](const StrategyOptions& options) { return std::make_unique<T>(options); };
  info.check = LoadSensor::check;
  return info;
}

}  // namespace

StrategyInfo hist_strategy() {
  StrategyInfo info = info_of<Hist>("hist", "Replicas that this hour of the day has needed before.",
                                    "Urgaonkar et al., TAAS 2008, as intended",
                                    {Rule::NoData, Rule::Load, Rule::Learned, Rule::Distrusted});
  info.options.insert(info.options.begin(),
                      {{"quantile", 0.9, 0.01, 1.0, "of the loads seen at this hour"},
                       {"hour_s", 3600.0, 1.0, 86400.0, "seconds of one of the day's 24 parts"}});
  return info;
}

StrategyInfo reg_strategy() {
  return info_of<Reg>(
      "reg", "Scales out by the load, in by a polynomial through the last 72 samples.",
      "Iqbal et al., FGCS 2011, as intended", {Rule::NoData, Rule::Load, Rule::Regression});
}

StrategyInfo conpaas_strategy() {
  return info_of<Conpaas>(
      "conpaas", "Follows whichever of three simple forecasts was nearest lately.",
      "inspired by Fernandez et al., IC2E 2014; no claim of fidelity",
      {Rule::NoData, Rule::Load, Rule::LinearFit, Rule::Autoregression, Rule::Smoothing});
}

}  // namespace spate::scaling
