// SPDX-License-Identifier: Apache-2.0
//
// ManifestWriter: lines of YAML, and which options have found a place in them. Internal to
// manifests/.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "spate/scaling/manifests/manifest.h"

namespace spate::scaling {

class ManifestWriter {
 public:
  ManifestWriter(const StrategyInfo& strategy, const StrategyOptions& options, const char* object)
      : strategy_(strategy), options_(options), object_(object) {}

  // Appends a line, `depth` levels in.
  template <class... Args>
  void line(int depth, fmt::format_string<Args...> text, Args&&... args) {
    yaml_ += std::string(static_cast<std::size_t>(2 * depth), ' ') +
             fmt::format(text, std::forward<Args>(args)...) + "\n";
  }

  // Reading an option is to have put it in its place.
  double number(const std::string& name) { return options_.number(placed(name)); }
  std::int64_t integer(const std::string& name) { return options_.integer(placed(name)); }
  bool boolean(const std::string& name) { return options_.boolean(placed(name)); }
  const std::string& text(const std::string& name) { return options_.text(placed(name)); }
  bool has(const std::string& name) const;

  // Of an option that is a whole number or any.
  double value(const std::string& name);

  // The option as whole seconds from `low` to `high`; anything else is a ConfigError.
  std::int64_t whole_seconds(const std::string& name, std::int64_t low, std::int64_t high);
  // A whole number from `low` to `high` of an option that may be -1 or any number.
  std::int64_t whole(const std::string& name, double value, double low, double high);
  [[noreturn]] void refuse(const std::string& name, const std::string& expected) const;

  // Where an option belongs that has no field here. Said when it is not the default, for `always`
  // in any case.
  void elsewhere(const std::string& name, std::string where, bool always = false);

  // The whole text: comments on what has no field, then the lines.
  std::string finish();

 private:
  const std::string& placed(const std::string& name);
  std::string value_text(const OptionSpec& spec) const;
  bool is_default(const OptionSpec& spec) const;

  const StrategyInfo& strategy_;
  const StrategyOptions& options_;
  const std::string object_;
  std::string yaml_;
  std::map<std::string, bool> placed_;
  struct Elsewhere {
    std::string where;
    bool always = false;
  };
  std::map<std::string, Elsewhere> elsewhere_;
};

// A name that a label or object may have, in quotes where YAML would read something else.
std::string yaml_text(const std::string& text);

// --- shared by the kinds (hpa.cc)
// The metric of hpa_external or keda as PromQL over the gateway's series.
std::string manifest_query(ManifestWriter& out, const ManifestModel& model);
// `behavior:` with both directions, when the option behavior is set; else where its flags belong.
void write_behavior(ManifestWriter& out, int depth);

std::string hpa_manifest(const StrategyInfo& strategy, const StrategyOptions& options,
                         const ManifestModel& model);
std::string keda_manifest(const StrategyInfo& strategy, const StrategyOptions& options,
                          const ManifestModel& model);
std::string knative_manifest(const StrategyInfo& strategy, const StrategyOptions& options,
                             const ManifestModel& model);

}  // namespace spate::scaling
