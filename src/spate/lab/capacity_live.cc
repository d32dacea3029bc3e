// SPDX-License-Identifier: Apache-2.0
//
// The live half of the capacity curve.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "spate/lab/capacity_curve.h"
#include "spate/lab/run_files.h"
#include "spate/lab/runner.h"
#include "spate/lab/supervisor.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

// Requests that had ended, by influx's own count, once a second.
class Watch {
 public:
  Watch(std::filesystem::path run, std::string model, ShareOptions options)
      : progress_(std::move(run) / "influx.progress.json"),
        model_(std::move(model)),
        share_(options) {}

  // True once there is a verdict.
  bool look() {
    const auto text = read_file(progress_);
    if (!text) return false;
    const Json json = Json::parse(*text, nullptr, false);
    if (!json.is_object() || !json.contains("models")) return false;
    const double t_s = number_of(json, "t_s");
    const Json model = json["models"].value(model_, Json::object());
    const double in_time = number_of(model, "in_time");
    const double ended =
        number_of(model, "answered") + number_of(model, "rejected") + number_of(model, "expired");
    if (t_s <= 0.0) {  // the warm-up does not count
      ended_ = ended;
      in_time_ = in_time;
      return false;
    }
    if (t_s < seen_s_ + 0.9) return false;  // no newer than the last look
    share_.add(ended - ended_, in_time - in_time_);
    seen_s_ = t_s;
    ended_ = ended;
    in_time_ = in_time;
    return share_.verdict() != ShareVerdict::Undecided;
  }

  const SequentialShare& share() const { return share_; }
  double seconds() const { return seen_s_; }

 private:
  const std::filesystem::path progress_;
  const std::string model_;
  SequentialShare share_;
  double seen_s_ = 0.0;
  double ended_ = 0.0;
  double in_time_ = 0.0;
};

// What a run says against its own figures; that it was stopped is our doing.
std::vector<std::string> problems_of(const std::filesystem::path& run) {
  const auto text = read_file(run / "run.json");
  std::vector<std::string> out;
  if (!text) return {"the run left no record"};
  const Json record = Json::parse(*text, nullptr, false);
  if (!record.is_object()) return {"the run's record cannot be read"};
  for (const Json& problem : record.value("problems", Json::array())) {
    if (problem.is_string()) out.push_back(problem.get<std::string>());
  }
  const Json canary = record.value("canary", Json());
  if (canary.is_object()) {
    for (const Json& reason : canary.value("reasons", Json::array())) {
      out.push_back("disturbed: " + reason.get<std::string>());
    }
  }
  return out;
}

Result<LiveRate> test_rate(LiveLoop& loop, const Scenario& base, const CapacityPoint& point,
                           double rate_per_s, int number, const LiveCurveOptions& options) {
  Experiment experiment;
  experiment.scenario = capacity_scenario(base, point, rate_per_s, options.most_seconds);
  experiment.program = options.program;
  experiment.limits = options.limits;
  experiment.machine = read_machine();
  experiment.versions = {{"spate", options.spate_version}};
  const ModelScenario& model = experiment.scenario.models[0];
  RunSpec spec;
  spec.label = spec.title = "none";
  spec.directory =
      std::filesystem::absolute(options.work).lexically_normal() /
      fmt::format("{}-{:g}-{}-{}-{}", point.model, point.cpus, point.batch, point.replicas, number);
  Watch watch(spec.directory, point.model,
              {.target = model.slo_target, .confidence = options.confidence});
  spec.enough = [&watch] { return watch.look(); };
  Supervisor supervisor(loop, spec.directory);
  const auto components = make_process_components(loop, supervisor, options.program);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> nowhere(std::fopen("/dev/null", "w"),
                                                                &std::fclose);
  ProgressPrinter printer(nowhere.get(), false);
  if (const Status s = Runner(loop, *components, printer, experiment).run(spec); !s) {
    return s.error();
  }
  if (loop.interrupted()) return Error{ErrorCode::Unavailable, "interrupted"};
  const SequentialShare& share = watch.share();
  LiveRate out;
  out.rate_per_s = rate_per_s;
  out.verdict = share.verdict();
  out.share = share.share();
  out.low = share.low();
  out.high = share.high();
  out.asked = share.asked();
  out.seconds = watch.seconds();
  out.design_effect = share.design_effect();
  out.problems = problems_of(spec.directory);
  if (share.asked() <= 0.0) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("no request of {} ended at {:.3g}/s; see {}", point.model, rate_per_s,
                             (spec.directory / "logs").string())};
  }
  return out;
}

}  // namespace

std::optional<int> next_rate(const std::map<int, ShareVerdict>& tested, int most) {
  if (static_cast<int>(tested.size()) >= most) return std::nullopt;
  if (tested.empty()) return 0;
  std::optional<int> passed;
  std::optional<int> failed;
  for (const auto& [step, verdict] : tested) {
    if (verdict == ShareVerdict::Above) passed = step;  // the largest, as they ascend
    if (verdict == ShareVerdict::Below && !failed) failed = step;
  }
  if (!failed) return tested.rbegin()->first + 1;
  if (!passed) return tested.begin()->first - 1;
  for (int step = *passed + 1; step < *failed; ++step) {
    if (!tested.contains(step)) return step;
  }
  return std::nullopt;
}

Result<LiveCapacity> measure_live_capacity(LiveLoop& loop, const Scenario& base,
                                           const CapacityPoint& point, double begin_per_s,
                                           const LiveCurveOptions& options) {
  LiveCapacity out;
  std::map<int, ShareVerdict> tested;
  while (const auto step = next_rate(tested, options.most_rates)) {
    const double rate = begin_per_s * std::pow(options.step_ratio, *step);
    auto result = test_rate(loop, base, point, rate, static_cast<int>(tested.size()) + 1, options);
    if (!result) return result.error();
    tested[*step] = result->verdict;
    options.say(
        fmt::format("  {:.4g}/s: {:.2f} % in time, {} the target ({:.2f} to {:.2f} %; {:.0f} "
                    "requests in {:.0f} s)",
                    rate, 100.0 * result->share, to_string(result->verdict), 100.0 * result->low,
                    100.0 * result->high, result->asked, result->seconds));
    if (result->verdict == ShareVerdict::Above) {
      out.low_per_s = std::max(out.low_per_s.value_or(0.0), rate);
    }
    if (result->verdict == ShareVerdict::Below) {
      out.high_per_s = std::min(out.high_per_s.value_or(rate), rate);
    }
    out.rates.push_back(std::move(result).value());
  }
  return out;
}

}  // namespace spate::lab
