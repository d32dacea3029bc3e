// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "spate/base/number_text.h"
#include "spate/lab/profile_assembly.h"

namespace spate::lab {
namespace {

using Json = nlohmann::ordered_json;

std::string batches_line(const Json& laws, const char* title) {
  std::string out = fmt::format("  {:<22}", title);
  for (const auto& [batch, law] : laws.items()) {
    out += fmt::format("  {}: {:.3g}", batch, law["mean_ms"].get<double>());
  }
  return out + "\n";
}

std::string start_line(const Json& start, const char* title) {
  return fmt::format(
      "  {:<22}  process {:.0f} ms, dialled in {:.0f}, loaded {:.0f}, first call {:.3g}; together "
      "{:.0f}\n",
      title, start["spawn_ms"]["p50"].get<double>(), start["to_main_ms"]["p50"].get<double>(),
      start["load_ms"]["p50"].get<double>(), start["first_call_ms"]["p50"].get<double>(),
      start["first_answer_ms"]["p50"].get<double>());
}

std::string check_line(const Json& check) {
  const Json& seen = check["measured"];
  std::string out = fmt::format("  at {:<4g} CPU              mean {:.4g} ms, p90 {:.4g}",
                                check["cpus"].get<double>(), seen["mean_ms"].get<double>(),
                                seen["p90_ms"].get<double>());
  if (!check.contains("predicted")) return out + "  (not predicted: no CFS quota)\n";
  return out + fmt::format("; simulated {:.4g} ({} %) and {:.4g} ({} %)\n",
                           check["predicted"]["mean_ms"].get<double>(),
                           signed_text(100.0 * check["mean_error_ratio"].get<double>(), 1),
                           check["predicted"]["p90_ms"].get<double>(),
                           signed_text(100.0 * check["p90_error_ratio"].get<double>(), 1));
}

std::string model_block(const std::string& name, const Json& m) {
  std::string out = fmt::format("{} ({}), {:.1f} MiB\n", name, m["variant"].get<std::string>(),
                                m["memory_bytes"].front().get<double>() / (1 << 20));
  out += batches_line(m["call_cpu"], "CPU ms by batch");
  if (m.contains("call_cpu_threads")) {
    out +=
        batches_line(m["call_cpu_threads"],
                     fmt::format("with {} threads", m["measured"]["threads"].get<int>()).c_str());
  }
  if (m.contains("call_cpu_rested")) {
    out += fmt::format("  after a rest            {:.3g} ms of CPU, single requests\n",
                       m["call_cpu_rested"]["law"]["mean_ms"].get<double>());
  }
  for (const Json& check : m["checks"]) out += check_line(check);
  out += start_line(m["measured"]["start"], "start, idle machine");
  if (m["measured"].contains("start_busy")) {
    const Json& busy = m["measured"]["start_busy"];
    out += start_line(busy, "start, busy machine");
    out += fmt::format("  {:<22}  loading takes {:.0f} ms of the mean; simulated {:.0f} ({} %)\n",
                       "", busy["load_mean_ms"].get<double>(),
                       busy["load_predicted_mean_ms"].get<double>(),
                       signed_text(100.0 * busy["load_error_ratio"].get<double>(), 1));
  }
  return out;
}

}  // namespace

std::string profile_table(const Json& profile) {
  std::string out;
  for (const auto& [name, model] : profile["models"].items()) out += model_block(name, model);
  const Json& limits = profile["limits"];
  out += fmt::format("limits: {}, in force after {:.2g} ms", limits["mechanism"].get<std::string>(),
                     limits["delay"]["mean_ms"].get<double>());
  if (limits["measured"].contains("followed")) {
    out += fmt::format("; consumption follows after {:.0f} ms at the median, {:.0f} at p90",
                       limits["measured"]["followed"]["p50_ms"].get<double>(),
                       limits["measured"]["followed"]["p90_ms"].get<double>());
  }
  const Json& transport = profile["transport"];
  out += fmt::format(
      "\ntransport: {:.3g} ms a request beyond its call; {:.3g} ms of CPU in gateway, broker and "
      "influx, and {:.2g} CPU when nothing is asked\n",
      2.0 * transport["to_gateway"]["mean_ms"].get<double>(),
      transport["message_cpu_ms"].get<double>(), transport["idle_cpus"].get<double>());
  for (const Json& at : transport["by_load"]) {
    const Json& law = at["law"]["quantiles_ms"];
    const auto quantile = [&](double q) {
      return law[static_cast<std::size_t>(q * static_cast<double>(law.size() - 1))].get<double>();
    };
    out += fmt::format(
        "  with {:3.0f} % of the CPUs computing: p50 {:.3g} ms, p90 {:.3g}, p99 {:.3g}\n",
        100.0 * at["busy_ratio"].get<double>(), quantile(0.5), quantile(0.9), quantile(0.99));
  }
  if (profile.contains("control")) {
    out += fmt::format("a decision reaches the engine after {:.2g} ms\n",
                       profile["control"]["decide"]["mean_ms"].get<double>());
  }
  for (const auto& warning : profile["warnings"]) {
    out += "warning: " + warning.get<std::string>() + "\n";
  }
  return out;
}

}  // namespace spate::lab
