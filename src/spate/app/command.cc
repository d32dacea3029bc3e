// SPDX-License-Identifier: Apache-2.0
#include "spate/app/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "spate/base/config_error.h"

namespace spate::app {
namespace {

constexpr std::size_t kHelpColumns = 96;

// Lines of at most kHelpColumns: CLI11 prints a footer as it is.
std::string wrapped(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const bool fits = column + 1 + word.size() <= kHelpColumns;
    if (column > 0) out += fits ? ' ' : '\n';
    column = word.size() + (column > 0 && fits ? column + 1 : 0);
    out += word;
  }
  return out;
}

}  // namespace

std::string exit_text(std::vector<ExitMeaning> meanings) {
  const auto by_status = [](const ExitMeaning& a, const ExitMeaning& b) {
    return a.status < b.status;
  };
  if (std::none_of(meanings.begin(), meanings.end(),
                   [](const ExitMeaning& m) { return m.status == kBadSettings; })) {
    meanings.push_back({kBadSettings, "bad settings"});
  }
  std::sort(meanings.begin(), meanings.end(), by_status);
  std::string text = "Exit status:";
  for (const auto& m : meanings) text += fmt::format(" {} {};", m.status, m.when);
  text.back() = '.';
  return wrapped(text);
}

std::string usual_exit_text() {
  return exit_text({{kDone, "done"},
                    {kFailed, "it failed"},
                    {kBadSettings, "bad settings, or what was named is missing or wrong"}});
}

int fail(const Error& error) {
  std::fflush(stdout);
  fmt::print(stderr, "spate: {}\n", error.message);
  const bool user = error.code == ErrorCode::InvalidArgument || error.code == ErrorCode::NotFound;
  return user ? kBadSettings : kFailed;
}

void add_limits_option(CLI::App& command, std::string& limits) {
  command
      .add_option("--limits", limits,
                  "How CPU limits of live workers are enforced: cgroup, duty_cycle (the worker "
                  "rests by itself), none, or auto: cgroup where that works, else duty_cycle. "
                  "Default: auto")
      ->check(CLI::IsMember({"auto", "cgroup", "duty_cycle", "none"}))
      ->type_name("HOW");
}

void add_models_option(CLI::App& command, std::vector<std::string>& names) {
  command
      .add_option("--models", names,
                  "Only these models of the scenario, separated by commas. Default: all")
      ->delimiter(',')
      ->type_name("A,B,…");
}

std::vector<lab::ModelScenario> chosen_models(const lab::Scenario& scenario,
                                              const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (scenario.find_model(name) != nullptr) continue;
    throw ConfigError(fmt::format("--models: {} has no model \"{}\" (it has: {})",
                                  scenario.file.string(), name,
                                  fmt::join(scenario.model_names(), ", ")));
  }
  std::vector<lab::ModelScenario> out;
  for (const auto& m : scenario.models) {
    if (names.empty() || std::find(names.begin(), names.end(), m.name) != names.end()) {
      out.push_back(m);
    }
  }
  return out;
}

}  // namespace spate::app
