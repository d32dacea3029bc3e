// SPDX-License-Identifier: Apache-2.0
//
// The arrival rate is forecast for as long as a replica takes to start and one tick more; the
// largest forecast on the way, at the quantile asked for, is staffed for as in erlang_c:
//
//   rate = max(arrivals + waiting / drain, max over 0..horizon of (forecast + z(quantile) x
//   spread)) horizon = start-up (the longest of the last three) + tick
//
// Arrivals are kept as means of `bucket_s`; a season has `season_s` of them. What is measured
// now is a floor, so that a forecast that is too low does not keep it from reacting.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/scaling/kit/forecast.h"
#include "spate/scaling/kit/per_model.h"
#include "spate/scaling/kit/queueing.h"
#include "spate/scaling/model_based/model_based.h"
#include "spate/scaling/model_based/staffing.h"

namespace spate::scaling {
namespace {

constexpr std::size_t kBucketMetric = 4;  // after the sensor's

struct PredictiveMemory {
  RequestCost cost;
  PeakHold peak;
  Forecaster forecaster;
  std::int64_t bucket = -1;  // the last one that was added

  void save(MemoryWriter& out) const {
    cost.save(out);
    peak.save(out);
    forecaster.save(out);
    out.put(bucket);
  }
  static PredictiveMemory load(MemoryReader& in) {
    PredictiveMemory out;
    out.cost = RequestCost::load(in);
    out.peak = PeakHold::load(in);
    out.forecaster = Forecaster::load(in);
    out.bucket = in.integer();
    return out;
  }
};

ForecastMethod method_of(const std::string& name) {
  if (name == "holt_winters") return ForecastMethod::HoltWinters;
  if (name == "seasonal_naive") return ForecastMethod::SeasonalNaive;
  return ForecastMethod::Better;
}

class Predictive final : public PerModelStrategy<PredictiveMemory> {
 public:
  explicit Predictive(const StrategyOptions& options)
      : PerModelStrategy("predictive"),
        sensor_(options),
        staffing_(StaffingOptions::read(options)),
        drain_s_(options.number("drain_s")),
        scale_in_(options.seconds("scale_in_s")),
        start_up_s_(options.number("start_up_s")),
        bucket_(options.seconds("bucket_s")),
        z_(normal_quantile(options.number("quantile"))) {
    needs_ = sensor_.needs();
    needs_.metrics.push_back({.name = "bucket_arrivals",
                              .signal = Signal::ArrivalRate,
                              .period = std::min(options.seconds("sample_s"), bucket_),
                              .window = bucket_});
    settings_.season = std::max(
        1, static_cast<int>(std::lround(options.number("season_s") / to_seconds(bucket_))));
    settings_.horizon = steps(start_up_s_ + to_seconds(needs_.tick));
    settings_.alpha = options.number("alpha");
    settings_.beta = options.number("beta");
    settings_.gamma = options.number("gamma");
    settings_.method = method_of(options.text("method"));
  }

 private:
  int steps(double seconds) const {
    return static_cast<int>(std::clamp(std::ceil(seconds / to_seconds(bucket_)), 1.0, 4096.0));
  }

  // A bucket's mean is taken at the first tick after its end.
  void learn(TimePoint now, const ModelView& model, PredictiveMemory& memory) const {
    const std::int64_t bucket = now.time_since_epoch() / bucket_;
    if (bucket == memory.bucket) return;
    std::string why;
    const auto mean =
        usable(now, model.metrics.at(kBucketMetric), needs_.metrics[kBucketMetric], why);
    if (!mean) return;
    // Buckets nobody looked at are taken to be like this one; more than a season of them is a
    // new beginning.
    std::int64_t missed = memory.bucket < 0 ? 1 : bucket - memory.bucket;
    if (missed > settings_.season || missed < 1) {
      memory.forecaster = {};
      missed = 1;
    }
    for (std::int64_t i = 0; i < missed; ++i) memory.forecaster.add(*mean, settings_);
    memory.bucket = bucket;
  }

  Target decide_model(TimePoint now, const ModelView& model, PredictiveMemory& memory) override {
    learn(now, model, memory);
    std::string why;
    const auto load = sensor_.read(now, model, memory.cost, why);
    if (!load) return hold(model, Rule::NoData, why);
    double rate = load->arrivals_per_s + (drain_s_ > 0.0 ? load->waiting / drain_s_ : 0.0);
    std::string forecast = "no forecast yet";
    Rule rule = Rule::Load;
    if (!memory.forecaster.empty()) {
      const double horizon_s = start_up_s(model, start_up_s_) + to_seconds(needs_.tick);
      double highest = 0.0;
      for (int i = 0; i <= steps(horizon_s); ++i) {
        const ForecastValue value = memory.forecaster.ahead(i, settings_);
        highest = std::max(highest, value.mean + z_ * value.spread);
      }
      const bool naive = memory.forecaster.in_use(settings_) == ForecastMethod::SeasonalNaive;
      forecast = fmt::format("{} says at most {:.1f}/s within {:.1f} s",
                             naive ? "seasonal naive" : "Holt-Winters", highest, horizon_s);
      if (highest > rate) rule = Rule::Forecast;
      rate = std::max(rate, std::min(highest, kAbsurd));
    }
    const Staffing staffing = staff(model, load->cost_cpu_s, rate, staffing_);
    Target target;
    target.replicas = memory.peak.push(now, staffing.replicas, scale_in_);
    target.rule = target.replicas > staffing.replicas ? Rule::PeakHold : rule;
    target.reason =
        fmt::format("{:.1f} arrivals/s now, {}: {:.1f}/s need {} replicas: {}",
                    load->arrivals_per_s, forecast, rate, staffing.replicas, staffing.how);
    return target;
  }

  const LoadSensor sensor_;
  const StaffingOptions staffing_;
  const double drain_s_;
  const Duration scale_in_;
  const double start_up_s_;
  const Duration bucket_;
  const double z_;
  ForecastSettings settings_;
};

std::string check(const StrategyOptions& options) {
  const double season = options.number("season_s") / options.number("bucket_s");
  if (season < 2.0 || season > 4096.0) {
    return fmt::format("a season has {:g} buckets; it must have 2 to 4096", season);
  }
  const std::string& method = options.text("method");
  if (method != "better" && method != "holt_winters" && method != "seasonal_naive") {
    return "method must be better, holt_winters or seasonal_naive, not \"" + method + "\"";
  }
  return LoadSensor::check(options);
}

}  // namespace

StrategyInfo predictive_strategy() {
  StrategyInfo info;
  info.name = "predictive";
  info.summary =
      "Staffs as erlang_c for the highest arrival rate forecast until a replica could have "
      "started.";
  info.source =
      "our own; Holt-Winters as in Winters (1960), seasonal naive as in Hyndman and "
      "Athanasopoulos, \"Forecasting: Principles and Practice\"";
  info.options = {
      {"method", std::string("better"), 0, 0,
       "holt_winters, seasonal_naive, or better: whichever was nearer lately"},
      {"quantile", 0.9, 0.5, 0.999, "of the forecast that is staffed for"},
      {"bucket_s", 5.0, 0.5, 3600.0, "seconds that one value of the series averages"},
      {"season_s", 300.0, 2.0, 604800.0, "seconds after which demand repeats itself"},
      {"start_up_s", 2.0, 0.0, 3600.0, "how long a replica takes to start, until one was seen"},
      {"alpha", 0.3, 0.001, 1.0, "Holt-Winters: weight of the newest value in the level"},
      {"beta", 0.05, 0.0, 1.0, "Holt-Winters: weight of the newest change in the trend"},
      {"gamma", 0.3, 0.0, 1.0, "Holt-Winters: weight of the newest value in the season"}};
  for (auto& option : erlang_c_strategy().options) info.options.push_back(std::move(option));
  info.make = [](const StrategyOptions& options) { return std::make_unique<Predictive>(options); };
  info.check = check;
  info.rules = {Rule::NoData, Rule::Load, Rule::Forecast, Rule::PeakHold};
  return info;
}

}  // namespace spate::scaling
