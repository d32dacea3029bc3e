// SPDX-License-Identifier: Apache-2.0
//
// `spate strategies`: what there is, with options, defaults and sources.
#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "spate/adapters/external_strategy.h"
#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/scaling/strategies.h"
#include "spate/scaling/wrappers/wrappers.h"

namespace spate::app {
namespace {

using scaling::OptionSpec;
using scaling::OptionValue;
using scaling::StrategyInfo;

constexpr const char* kAbout =
    "Lists the scaling strategies, and the wrappers around any of them, with options, defaults "
    "and\n"
    "sources.\n\n"
    "  spate strategies                 one line each\n"
    "  spate strategies horizontal      everything about one\n"
    "  spate strategies cooldown        the same of a wrapper\n"
    "  spate strategies --json          all of it, for programs\n\n"
    "A scenario or `spate compare --strategies a,b` names them; options are set in the\n"
    "scenario or in gateway.json: \"strategy\": {\"name\": \"horizontal\", \"options\":\n"
    "{\"high_ratio\": 0.7}}, wrappers beside them: \"wrap\": [{\"kind\": \"cooldown\"}]. Adding a\n"
    "strategy: docs/writing-a-strategy.md.";

// How a wrapper's entry names it; no setting of it.
constexpr const char* kKind = "kind";

std::string text_of(const OptionValue& value) {
  return std::visit([](const auto& v) { return fmt::format("{}", v); }, value);
}

bool is_number(const OptionValue& value) {
  return std::holds_alternative<double>(value) || std::holds_alternative<std::int64_t>(value);
}

std::vector<std::string_view> rule_names(const StrategyInfo& info) {
  std::vector<std::string_view> out;
  for (const auto rule : info.rules) out.push_back(to_string(rule));
  return out;
}

void print(const StrategyInfo& info) {
  fmt::print("{}\n  {}\n  Source: {}.\n", info.name, info.summary, info.source);
  if (!info.rules.empty()) fmt::print("  Rules: {}.\n", fmt::join(rule_names(info), ", "));
  if (info.options.empty()) fmt::print("  No options.\n");
  for (const OptionSpec& option : info.options) {
    if (option.name == kKind) continue;
    fmt::print("  {:<18} {}\n  {:<18} default {}", option.name, option.meaning, "",
               text_of(option.otherwise));
    if (is_number(option.otherwise)) fmt::print(", from {:g} to {:g}", option.low, option.high);
    fmt::print("\n");
  }
}

nlohmann::ordered_json to_json(const StrategyInfo& info) {
  auto options = nlohmann::ordered_json::array();
  for (const OptionSpec& option : info.options) {
    if (option.name == kKind) continue;
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
          {"rules", rule_names(info)},
          {"options", std::move(options)}};
}

// Of a strategy or a wrapper; throws ConfigError that names the nearest of both.
const StrategyInfo& find(const std::vector<StrategyInfo>& infos, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& info : infos) {
    if (info.name == name) return info;
    names.push_back(info.name);
  }
  const std::string near = nearest_word(name, names);
  throw ConfigError(fmt::format("spate strategies: no strategy or wrapper \"{}\"{} (known: {})",
                                name, near.empty() ? "" : "; did you mean \"" + near + "\"?",
                                fmt::join(names, ", ")));
}

void print_lines(const std::vector<StrategyInfo>& infos) {
  for (const auto& info : infos) fmt::print("{:<20} {}\n", info.name, info.summary);
}

int run_strategies(const std::string& name, bool json) {
  const std::vector<StrategyInfo> strategies = adapters::all_strategies().list();
  std::vector<StrategyInfo> wrappers;
  for (const auto& wrapper : scaling::wrappers()) wrappers.push_back(wrapper.info);
  std::vector<StrategyInfo> all = strategies;
  all.insert(all.end(), wrappers.begin(), wrappers.end());
  if (!name.empty()) all = {find(all, name)};
  if (json) {
    auto out = nlohmann::ordered_json::array();
    for (const auto& info : all) {
      out.push_back(to_json(info));
      out.back()["wrapper"] = std::any_of(wrappers.begin(), wrappers.end(),
                                          [&](const auto& w) { return w.name == info.name; });
    }
    fmt::print("{}\n", out.dump(2));
    return kDone;
  }
  if (!name.empty()) {
    print(all.front());
    return kDone;
  }
  print_lines(strategies);
  fmt::print("\nWrappers, usable around any of them:\n");
  print_lines(wrappers);
  fmt::print("\nOptions of one: spate strategies NAME\n");
  return kDone;
}

}  // namespace

void add_strategies_command(CLI::App& app, Run& run) {
  struct Settings {
    std::string name;
    bool json = false;
  };
  auto settings = std::make_shared<Settings>();
  CLI::App* command = app.add_subcommand("strategies", kAbout);
  command->add_option("NAME", settings->name, "Only this strategy or wrapper, with its options");
  command->footer(exit_text(
      {{kDone, "listed"}, {kBadSettings, "bad settings, or there is none of that name"}}));
  command->add_flag("--json", settings->json, "As JSON: name, summary, source, options, wrapper");
  command->callback([&run, settings] {
    run = [settings] { return run_strategies(settings->name, settings->json); };
  });
}

}  // namespace spate::app
