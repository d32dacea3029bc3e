// SPDX-License-Identifier: Apache-2.0
//
// `spate strategies`: what there is, with options, defaults and sources.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "spate/adapters/external_strategy.h"
#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/scaling/strategies.h"

namespace spate::app {
namespace {

using scaling::OptionSpec;
using scaling::OptionValue;
using scaling::StrategyInfo;

constexpr const char* kAbout =
    "Lists the scaling strategies with their options, defaults and sources.\n\n"
    "  spate strategies                 one line each\n"
    "  spate strategies horizontal      everything about one\n"
    "  spate strategies --json          all of it, for programs\n\n"
    "A scenario or `spate compare --strategies a,b` names them; options are set in the\n"
    "scenario or in gateway.json: \"strategy\": {\"name\": \"horizontal\", \"options\":\n"
    "{\"high_ratio\": 0.7}}. Adding one: docs/writing-a-strategy.md.";

std::string text_of(const OptionValue& value) {
  return std::visit([](const auto& v) { return fmt::format("{}", v); }, value);
}

bool is_number(const OptionValue& value) {
  return std::holds_alternative<double>(value) || std::holds_alternative<std::int64_t>(value);
}

void print(const StrategyInfo& info) {
  fmt::print("{}\n  {}\n  Source: {}.\n", info.name, info.summary, info.source);
  if (info.options.empty()) fmt::print("  No options.\n");
  for (const OptionSpec& option : info.options) {
    fmt::print("  {:<18} {}\n  {:<18} default {}", option.name, option.meaning, "",
               text_of(option.otherwise));
    if (is_number(option.otherwise)) fmt::print(", from {:g} to {:g}", option.low, option.high);
    fmt::print("\n");
  }
}

nlohmann::ordered_json to_json(const StrategyInfo& info) {
  auto options = nlohmann::ordered_json::array();
  for (const OptionSpec& option : info.options) {
    nlohmann::ordered_json entry = {{"name", option.name}, {"meaning", option.meaning}};
    std::visit([&](const auto& v) { entry["default"] = v; }, option.otherwise);
    if (is_number(option.otherwise)) {
      entry["low"] = option.low;
      entry["high"] = option.high;
    }
    options.push_back(std::move(entry));
  }
  return {{"name", info.name},
          {"summary", info.summary},
          {"source", info.source},
          {"options", std::move(options)}};
}

int run_strategies(const std::string& name, bool json) {
  const scaling::StrategyRegistry registry = adapters::all_strategies();
  std::vector<StrategyInfo> infos = registry.list();
  if (!name.empty()) infos = {registry.find(name, "spate strategies")};
  if (json) {
    auto out = nlohmann::ordered_json::array();
    for (const auto& info : infos) out.push_back(to_json(info));
    fmt::print("{}\n", out.dump(2));
    return 0;
  }
  if (!name.empty()) {
    print(infos.front());
    return 0;
  }
  for (const auto& info : infos) fmt::print("{:<14} {}\n", info.name, info.summary);
  fmt::print("\nOptions of one: spate strategies NAME\n");
  return 0;
}

}  // namespace

void add_strategies_command(CLI::App& app, Run& run) {
  struct Settings {
    std::string name;
    bool json = false;
  };
  auto settings = std::make_shared<Settings>();
  CLI::App* command = app.add_subcommand("strategies", kAbout);
  command->add_option("NAME", settings->name, "Only this one, with its options");
  command->add_flag("--json", settings->json, "As JSON: name, summary, source, options");
  command->callback([&run, settings] {
    run = [settings] { return run_strategies(settings->name, settings->json); };
  });
}

}  // namespace spate::app
