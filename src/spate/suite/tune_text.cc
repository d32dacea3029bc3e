// SPDX-License-Identifier: Apache-2.0
//
// What a search found, as text and as YAML.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "spate/base/number_text.h"
#include "spate/suite/tune.h"

namespace spate::suite {
namespace {

std::string percent_change(double ratio) { return signed_text(100.0 * (ratio - 1.0), 1) + " %"; }

std::string verdict_text(const Tuned& t) {
  const std::string on = t.demands_held_out ? "on demands and seeds that the search never saw"
                                            : "on seeds that the search never saw (the suite has "
                                              "one demand, so no other was tried)";
  const std::string interval =
      fmt::format("{} (95 %: {} to {})", percent_change(t.ratio.mean), percent_change(t.ratio.low),
                  percent_change(t.ratio.high));
  switch (t.verdict) {
    case TuneVerdict::Better:
      return fmt::format("Better than before {}: score {}.", on, interval);
    case TuneVerdict::Worse:
      return fmt::format(
          "Worse than before {}: score {}. It fits the training only; keep what stood.", on,
          interval);
    case TuneVerdict::CannotTell:
      break;
  }
  return fmt::format("No better than the defaults, as far as these data can tell, {}: score {}.",
                     on, interval);
}

std::string scalar(const nlohmann::ordered_json& value) {
  if (value.is_number_float()) return fmt::format("{:g}", value.get<double>());
  return value.dump();  // JSON's text is YAML's
}

}  // namespace

std::string tuned_text(const Tuned& t) {
  std::string out = fmt::format("{:<28} {:>10} {:>10}   searched\n", "", "before", "best");
  for (std::size_t i = 0; i < t.numbers.size(); ++i) {
    const auto& n = t.numbers[i];
    out += fmt::format("{:<28} {:>10g} {:>10g}   {:g} to {:g}\n", n.name, n.start, t.best[i], n.low,
                       n.high);
  }
  out += fmt::format(
      "\nscore, training {:>14.3f} {:>10.3f}   {} demands x {} seeds; {} candidates, {} cells\n",
      t.training_before, t.training_best, t.training_demands.size(), t.training_seeds.size(),
      t.candidates, t.cells);
  out += fmt::format("score, held out {:>14.3f} {:>10.3f}   {} x {} seeds; better on {} of {}\n",
                     t.test_before, t.test_best, fmt::join(t.test_demands, ", "),
                     t.test_seeds.size(), t.demands_better, t.test_demands.size());
  return out + "\n" + verdict_text(t) + "\n";
}

std::string tuned_yaml(const Tuned& t, const SuiteStrategy& strategy, const std::string& command) {
  std::string out =
      fmt::format("# {}\n# {}\nstrategies:\n  {}_tuned:\n    kind: {}\n    options:\n", command,
                  verdict_text(t), strategy.label, strategy.kind);
  const auto options = nlohmann::ordered_json::parse(t.options_json);
  for (const auto& [key, value] : options.items()) {
    if (key != "wrap") out += fmt::format("      {}: {}\n", key, scalar(value));
  }
  if (options.contains("wrap")) out += fmt::format("    wrap: {}\n", options["wrap"].dump());
  return out;
}

}  // namespace spate::suite
