// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/validate_speed.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <map>

namespace spate::lab {
namespace {

struct Use {  // of one moment of reading
  double cpu_s = 0.0;
  bool whole = true;  // every worker was read before, too
};

// By the moment of reading, in ms. The first of a run's readings begins the count and is not whole.
std::map<long long, Use> use_of(const RunFiles& run, const std::string& model) {
  std::map<long long, Use> out;
  for (const ComponentSeries& series : run.components) {
    if (series.component != "worker" || series.model != model) continue;
    double before = 0.0;
    for (std::size_t i = 0; i < series.samples.size(); ++i) {
      const ComponentSample& sample = series.samples[i];
      Use& use = out[std::llround(sample.unix_s * 1000.0)];
      if (i == 0) use.whole = false;
      use.cpu_s += i == 0 ? 0.0 : sample.cpu_cores * (sample.unix_s - before);
      before = sample.unix_s;
    }
  }
  return out;
}

void scale(sim::ServiceLaws& laws, double ratio) {
  for (auto& entry : laws.entries) entry.law = entry.law.scaled(ratio);
}

}  // namespace

std::optional<double> cpu_per_answer_ms(const std::vector<const RunFiles*>& runs,
                                        const std::string& model) {
  double cpu_s = 0.0;
  double answers = 0.0;
  for (const RunFiles* run : runs) {
    const auto use = use_of(*run, model);
    const auto series = run->gateway.find(model);
    if (series == run->gateway.end()) continue;
    for (std::size_t i = 1; i < series->second.size(); ++i) {
      const GatewaySample& sample = series->second[i];
      if (sample.unix_s < run->measured_from || sample.unix_s > run->measured_until) continue;
      const auto at = use.find(std::llround(sample.unix_s * 1000.0));
      if (at == use.end() || !at->second.whole) continue;
      cpu_s += at->second.cpu_s;
      answers += sample.answered - series->second[i - 1].answered;
    }
  }
  if (answers <= 0.0 || cpu_s <= 0.0) return std::nullopt;
  return cpu_s / answers * 1000.0;
}

sim::MachineProfile at_speed(sim::MachineProfile profile, const std::vector<SpeedPair>& speeds) {
  for (const SpeedPair& speed : speeds) {
    for (auto& model : profile.models) {
      if (model.name != speed.profiled) continue;
      scale(model.service, speed.ratio());
      scale(model.service_threads, speed.ratio());
      model.service_rested = model.service_rested.scaled(speed.ratio());
    }
  }
  return profile;
}

std::string speed_text(const std::vector<SpeedPair>& speeds) {
  std::string out;
  for (const SpeedPair& s : speeds) {
    out += fmt::format("{} {:.4g} ms of CPU per answer live, {:.4g} simulated ({:+.1f} %)\n",
                       s.model, s.live_ms, s.simulated_ms, 100.0 * (s.ratio() - 1.0));
  }
  return out;
}

}  // namespace spate::lab
