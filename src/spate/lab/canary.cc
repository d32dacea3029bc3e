// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/canary.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <sstream>

#include "spate/base/files.h"
#include "spate/base/real_clock.h"

namespace spate::lab {
namespace {

constexpr std::uint64_t kLoopRounds = 60'000'000;  // about 0.1 to 0.2 s
constexpr double kMostSteal = 0.02;
constexpr double kMostThrottled = 0.01;
constexpr double kMostSpeedChange = 0.15;
constexpr double kLeastShare = 0.90;

double cpu_of(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void read_proc_stat(CanaryReading& out) {
  const auto text = read_file("/proc/stat");
  if (!text) return;
  std::istringstream line(text->substr(0, text->find('\n')));
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  line >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  out.busy_s = (user + nice + system + irq + softirq) * tick;
  out.steal_s = steal * tick;
  out.total_s = out.busy_s + out.steal_s + (idle + iowait) * tick;
}

void read_own_cgroup(CanaryReading& out) {
  for (const char* file : {"/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"}) {
    const auto text = read_file(file);
    if (!text) continue;
    std::istringstream lines(text.value());
    std::string key;
    double value = 0.0;
    while (lines >> key >> value) {
      if (key == "nr_periods") out.periods = value;
      if (key == "nr_throttled") out.throttled_periods = value;
    }
    return;
  }
}

}  // namespace

CanaryReading read_canary() {
  CanaryReading out;
  const TimePoint start = monotonic_now();
  const Duration cpu_start = thread_cpu_time();
  std::uint64_t x = 88172645463325252ULL;
  for (std::uint64_t i = 0; i < kLoopRounds; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  // The result must count for something, or the loop is optimised away.
  volatile std::uint64_t sink = x;
  (void)sink;
  out.loop_wall_s = to_seconds(monotonic_now() - start);
  out.loop_cpu_s = to_seconds(thread_cpu_time() - cpu_start);
  read_proc_stat(out);
  read_own_cgroup(out);
  out.own_cpu_s = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN);
  return out;
}

Disturbance judge_canary(const CanaryReading& before, const CanaryReading& after, double cores) {
  Disturbance out;
  const double total = after.total_s - before.total_s;
  if (total > 0.0) {
    out.steal_ratio = std::max(0.0, after.steal_s - before.steal_s) / total;
    const double foreign = (after.busy_s - before.busy_s) - (after.own_cpu_s - before.own_cpu_s);
    // /proc/stat counts whole ticks of every CPU; below zero is rounding.
    out.foreign_cpus = std::max(0.0, foreign) / total * std::max(1.0, cores);
  }
  if (after.periods > before.periods) {
    out.throttled_ratio =
        (after.throttled_periods - before.throttled_periods) / (after.periods - before.periods);
  }
  const auto share = [](const CanaryReading& r) {
    return r.loop_wall_s > 0.0 ? r.loop_cpu_s / r.loop_wall_s : 1.0;
  };
  out.cpu_share_before = share(before);
  out.cpu_share_after = share(after);
  if (after.loop_cpu_s > 0.0 && before.loop_cpu_s > 0.0) {
    out.speed_ratio = before.loop_cpu_s / after.loop_cpu_s;
  }
  const double most_foreign = std::max(0.2, 0.1 * cores);
  const auto add = [&](bool holds, std::string reason) {
    if (holds) out.reasons.push_back(std::move(reason));
  };
  add(out.steal_ratio > kMostSteal, fmt::format("{:.1f} % of the CPU time was given to other "
                                                "virtual machines",
                                                100.0 * out.steal_ratio));
  add(out.foreign_cpus > most_foreign,
      fmt::format("other processes used {:.2f} CPU", out.foreign_cpus));
  add(out.throttled_ratio > kMostThrottled,
      fmt::format("our own cgroup was throttled in {:.1f} % of its periods",
                  100.0 * out.throttled_ratio));
  add(std::abs(out.speed_ratio - 1.0) > kMostSpeedChange,
      fmt::format("the processor ran {:.0f} % {} after the run than before",
                  100.0 * std::abs(out.speed_ratio - 1.0),
                  out.speed_ratio < 1.0 ? "slower" : "faster"));
  add(std::min(out.cpu_share_before, out.cpu_share_after) < kLeastShare,
      fmt::format("the machine was busy {} the run (a loop got {:.0f} % of a CPU)",
                  out.cpu_share_before < kLeastShare ? "before" : "after",
                  100.0 * std::min(out.cpu_share_before, out.cpu_share_after)));
  out.disturbed = !out.reasons.empty();
  return out;
}

nlohmann::json canary_json(const CanaryReading& before, const CanaryReading& after,
                           const Disturbance& d) {
  const auto loop = [](const CanaryReading& r) {
    return nlohmann::json{{"loop_wall_s", r.loop_wall_s}, {"loop_cpu_s", r.loop_cpu_s}};
  };
  return {{"before", loop(before)},
          {"after", loop(after)},
          {"steal_ratio", d.steal_ratio},
          {"foreign_cpus", d.foreign_cpus},
          {"throttled_ratio", d.throttled_ratio},
          {"speed_ratio", d.speed_ratio},
          {"disturbed", d.disturbed},
          {"reasons", d.reasons}};
}

}  // namespace spate::lab
