// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace spate::influx {
namespace {

using Json = nlohmann::ordered_json;

// Profiles of many phases (a day of periods) would swamp the summary.
constexpr std::size_t kPhasesShown = 200;

Duration tightest_slo(const Plan& plan) {
  Duration tightest = Duration::max();
  for (const ModelPlan& model : plan.models) tightest = std::min(tightest, model.slo_latency);
  return tightest;
}

void add_tally(Json& json, const Tally& t) {
  json["planned"] = t.planned;
  json["sent"] = t.sent;
  json["shed"] = t.shed;
  json["unsent"] = t.unsent;
  json["answered"] = t.answered;
  json["in_time"] = t.in_time;
  json["late"] = t.late;
  json["malformed"] = t.malformed;
  json["compared"] = t.compared;
  json["wrong"] = t.wrong;
  json["labelled"] = t.labelled;
  json["correct"] = t.correct;
  json["rejected"] = rejected_json(t);
  json["expired"] = t.expired;
  json["duplicate"] = t.duplicate;
  json["lost"] = t.lost;
}

void add_latency(Json& json, const Histogram& h, const std::string& suffix) {
  json["p50" + suffix] = to_ms(h.quantile(0.5));
  json["p90" + suffix] = to_ms(h.quantile(0.9));
  json["p99" + suffix] = to_ms(h.quantile(0.99));
  json["p999" + suffix] = to_ms(h.quantile(0.999));
  json["max" + suffix] = to_ms(h.max());
}

// Sums the seconds that begin in the phase.
Json phases_json(const RunView& run, std::size_t m) {
  auto list = Json::array();
  const auto& profile = run.plan->models[m].profile;
  if (!profile || profile->phases().size() > kPhasesShown) return list;
  for (const Phase& phase : profile->phases()) {
    Tally tally;
    double last_p99_ms = 0.0;
    for (std::size_t s = 0; s < run.verifier->seconds(); ++s) {
      const double at = static_cast<double>(s);
      if (at < phase.from_s || at >= phase.to_s) continue;
      const SecondReport second = run.verifier->second(m, s);
      tally += second.tally;
      last_p99_ms = std::max(last_p99_ms, to_ms(second.p99));
    }
    const std::uint64_t due = tally.planned - tally.unsent;
    Json entry;
    entry["name"] = phase.name;
    entry["from_s"] = phase.from_s;
    entry["to_s"] = phase.to_s;
    entry["rate_per_s"] = phase.rate_per_s;
    entry["planned"] = tally.planned;
    entry["answered"] = tally.answered;
    entry["in_time"] = tally.in_time;
    entry["wrong"] = tally.wrong;
    entry["labelled"] = tally.labelled;
    entry["correct"] = tally.correct;
    entry["slo_attainment"] =
        due ? static_cast<double>(tally.in_time) / static_cast<double>(due) : 1.0;
    entry["worst_second_p99_ms"] = last_p99_ms;
    list.push_back(std::move(entry));
  }
  return list;
}

Json model_json(const RunView& run, std::size_t m) {
  const ModelReport& report = run.verifier->report(m);
  const ModelPlan& plan = run.plan->models[m];
  Tally tally = report.window;
  Json json;
  add_tally(json, tally);
  // A request that gets no answer is a fault whenever it happens, so the warm-up's count too.
  json["lost"] = tally.lost + report.lost_in_warm_up;
  json["lost_in_warm_up"] = report.lost_in_warm_up;
  json["accuracy"] =
      tally.labelled
          ? Json(static_cast<double>(tally.correct) / static_cast<double>(tally.labelled))
          : Json(nullptr);
  json["mean_absolute_error"] =
      report.value_labelled
          ? Json(report.absolute_error_sum / static_cast<double>(report.value_labelled))
          : Json(nullptr);
  json["slo_latency_ms"] = to_ms(plan.slo_latency);
  json["slo_attainment"] = report.slo_attainment();
  const Interval interval = wilson(tally.in_time, tally.planned - tally.unsent);
  json["slo_attainment_ci95"] = {interval.low, interval.high};
  add_latency(json, report.latency, "_ms");
  add_latency(json, report.latency_from_sent, "_from_sent_ms");
  json["lag_p50_ms"] = to_ms(report.lag.quantile(0.5));
  json["lag_p99_ms"] = to_ms(report.lag.quantile(0.99));
  json["lag_max_ms"] = to_ms(report.lag.max());
  json["profile"] = plan.profile ? plan.profile->description() : "replayed";
  json["notes"] = plan.profile ? plan.profile->notes() : std::vector<std::string>{};
  json["arrivals"] = plan.arrivals.describe();
  json["phases"] = phases_json(run, m);
  json["offered"] = Json::array();
  for (const OfferedWindow& w : report.offered) {
    json["offered"].push_back(
        {{"from_s", w.from_s}, {"to_s", w.to_s}, {"planned", w.planned}, {"sent", w.sent}});
  }
  json["wrong_samples"] = report.wrong_samples;
  json["histograms"] = {{"latency", report.latency.to_json()},
                        {"latency_from_sent", report.latency_from_sent.to_json()},
                        {"lag", report.lag.to_json()}};
  return json;
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.2f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

Verdict judge_run(const Plan& plan, const Verifier& verifier, const GeneratorReport& generator) {
  VerdictInput input;
  for (std::size_t m = 0; m < plan.models.size(); ++m) input.models.push_back(&verifier.report(m));
  input.tightest_slo = tightest_slo(plan);
  input.stopped_early = generator.stopped_early;
  input.stopped_at_s = generator.stopped_at_s;
  Verdict verdict = judge(input, plan.rules);
  if (generator.disconnects > 0) {
    verdict.warnings.push_back(
        fmt::format("the link to the broker was lost {} times; the last time: {}",
                    generator.disconnects, generator.last_disconnect));
  }
  if (generator.no_subscribers > 0) {
    verdict.warnings.push_back(
        fmt::format("for {} requests the broker had no subscriber: nobody serves their topic",
                    generator.no_subscribers));
  }
  if (verifier.unknown_answers() > 0) {
    verdict.warnings.push_back(fmt::format("{} messages on the result topic belong to no request",
                                           verifier.unknown_answers()));
  }
  return verdict;
}

Json summary_json(const RunView& run) {
  Json json;
  json["schema"] = 1;
  json["valid"] = run.verdict.valid;
  json["reasons"] = run.verdict.reasons;
  json["warnings"] = run.verdict.warnings;
  json["start_unix_s"] = run.generator.start_unix_s;
  json["warm_up_s"] = run.plan->warm_up_s;
  json["duration_s"] = run.plan->duration_s;
  json["elapsed_s"] = run.generator.elapsed_s;
  json["qos"] = static_cast<int>(run.plan->generator.qos);
  json["seed"] = run.schedule->seed;
  json["run"] = run.schedule->run;
  json["requests"] = run.schedule->requests.size();
  Histogram lag;
  for (std::size_t m = 0; m < run.plan->models.size(); ++m) lag.merge(run.verifier->report(m).lag);
  Json generator;
  generator["cpu_cores"] = run.host.cpu_cores;
  generator["priority"] = run.host.priority;
  generator["priority_note"] = run.host.priority_note;
  generator["poll_window_us"] = to_ms(run.plan->generator.poll_window) * 1000.0;
  generator["lag_p99_ms"] = to_ms(lag.quantile(0.99));
  generator["lag_max_ms"] = to_ms(lag.max());
  generator["lag_limit_ms"] = to_ms(run.plan->rules.lag_limit(tightest_slo(*run.plan)));
  generator["disconnects"] = run.generator.disconnects;
  generator["resent"] = run.generator.resent;
  generator["no_subscribers"] = run.generator.no_subscribers;
  json["generator"] = std::move(generator);
  json["unknown_answers"] = run.verifier->unknown_answers();
  json["models"] = Json::object();
  for (std::size_t m = 0; m < run.plan->models.size(); ++m) {
    json["models"][run.plan->models[m].name] = model_json(run, m);
  }
  return json;
}

std::string series_lines(const RunView& run) {
  std::string lines;
  for (std::size_t s = 0; s < run.verifier->seconds(); ++s) {
    for (std::size_t m = 0; m < run.plan->models.size(); ++m) {
      const SecondReport second = run.verifier->second(m, s);
      Json line;
      line["unix_s"] = run.generator.start_unix_s + static_cast<double>(s);
      line["t_s"] = s;
      line["model"] = run.plan->models[m].name;
      add_tally(line, second.tally);
      line["p50_ms"] = to_ms(second.p50);
      line["p99_ms"] = to_ms(second.p99);
      line["lag_p99_ms"] = to_ms(second.lag_p99);
      lines += dump(line);
      lines += '\n';
    }
  }
  return lines;
}

std::string summary_text(const RunView& run) {
  std::string text;
  const auto line = [&text](const std::string& l) { text += l + "\n"; };
  for (std::size_t m = 0; m < run.plan->models.size(); ++m) {
    const ModelReport& r = run.verifier->report(m);
    const ModelPlan& plan = run.plan->models[m];
    const Tally& t = r.window;
    const std::uint64_t due = t.planned - t.unsent;
    line(fmt::format("{}  ({}, {} arrivals)", r.name,
                     plan.profile ? plan.profile->description() : "replayed",
                     plan.arrivals.describe()));
    line(fmt::format("  planned {}  sent {}  answered {}  in time {} ({} within {:.6g} ms)",
                     t.planned, t.sent, t.answered, t.in_time, percent(t.in_time, due),
                     to_ms(plan.slo_latency)));
    line(fmt::format(
        "  late {}  rejected {}  expired {}  lost {}  duplicate {}  shed {}  unsent {}", t.late,
        t.rejected_total(), t.expired, t.lost + r.lost_in_warm_up, t.duplicate, t.shed, t.unsent));
    if (t.rejected_total() > 0) line("  rejected by reason: " + rejected_json(t).dump());
    line(fmt::format("  wrong {} of {} compared  accuracy {}{}", t.wrong, t.compared,
                     percent(t.correct, t.labelled),
                     r.value_labelled
                         ? fmt::format("  mean absolute error {:.4g}",
                                       r.absolute_error_sum / static_cast<double>(r.value_labelled))
                         : ""));
    const auto quantiles = [&](const char* name, const Histogram& h) {
      line(fmt::format(
          "  {:<22} p50 {:9.3f}  p90 {:9.3f}  p99 {:9.3f}  p99.9 {:9.3f}  max {:9.3f} ms", name,
          to_ms(h.quantile(0.5)), to_ms(h.quantile(0.9)), to_ms(h.quantile(0.99)),
          to_ms(h.quantile(0.999)), to_ms(h.max())));
    };
    quantiles("latency from intended", r.latency);
    quantiles("latency from sent", r.latency_from_sent);
    quantiles("generator lag", r.lag);
    for (const std::string& sample : r.wrong_samples) {
      line("  wrong: " + sample);
    }
  }
  line(fmt::format("generator: {:.2f} cores, priority {} ({})", run.host.cpu_cores,
                   run.host.priority, run.host.priority_note));
  for (const std::string& warning : run.verdict.warnings) line("note: " + warning);
  line(run.verdict.valid ? "VALID: the load was delivered as planned" : "INVALID:");
  for (const std::string& reason : run.verdict.reasons) line("  " + reason);
  return text;
}

std::string phase_name(const Plan& plan, double t_s) {
  if (t_s < 0.0) return "warm-up";
  if (t_s >= plan.duration_s) return "settling";
  const Profile* most = nullptr;
  for (const ModelPlan& model : plan.models) {
    if (!model.profile) continue;
    if (most == nullptr || model.profile->phases().size() > most->phases().size()) {
      most = model.profile.get();
    }
  }
  const Phase* phase = most ? most->phase_at(t_s) : nullptr;
  return phase ? phase->name : "replay";
}

Json progress_json(const Plan& plan, Verifier& verifier, double t_s) {
  Json json;
  json["t_s"] = t_s;
  json["duration_s"] = plan.duration_s;
  json["phase"] = phase_name(plan, t_s);
  json["models"] = Json::object();
  for (std::size_t m = 0; m < plan.models.size(); ++m) {
    const Tally& t = verifier.tally(m);
    const Verifier::Recent recent = verifier.take_recent(m);
    Json model;
    model["rate_per_s"] = plan.models[m].profile ? plan.models[m].profile->rate(t_s) : 0.0;
    model["sent"] = t.sent;
    model["answered"] = t.answered;
    model["in_time"] = t.in_time;
    model["rejected"] = t.rejected_total();
    model["expired"] = t.expired;
    model["wrong"] = t.wrong;
    model["answered_last_s"] = recent.answered;
    model["p99_ms_last_s"] = to_ms(recent.p99);
    json["models"][plan.models[m].name] = std::move(model);
  }
  json["outstanding"] = verifier.outstanding();
  return json;
}

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace spate::influx
