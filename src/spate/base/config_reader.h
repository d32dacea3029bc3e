// SPDX-License-Identifier: Apache-2.0
//
// ConfigReader: reads YAML (and JSON, which YAML contains) strictly. Every complaint is a
// ConfigError that names file, line, path, what was expected and what was found:
//
//   scenarios/demo.yaml:14: models.resnet50.slo.target: expected a number in [0, 1], got "95%"
//
// A component's `Options` struct has a function that fills it from a ConfigReader.
//
// Threads: one at a time. Values are copied out; readers are cheap to copy.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/clock.h"

namespace YAML {
class Node;
}

namespace spate {

class ConfigReader {
 public:
  // Throws ConfigError when the file cannot be read, is not YAML, or is YAML that no settings are
  // made of: keys that are no plain text, bytes that are not UTF-8, more than 100 levels, aliases
  // that stand in themselves or unfold to more than a million entries.
  static ConfigReader from_file(const std::filesystem::path& file);
  // `name` stands for the file in messages.
  static ConfigReader from_text(const std::string& text, const std::string& name);

  // --- maps -------------------------------------------------------------------------------
  // Throws unless this is a map whose keys are all in `known` (the nearest known key is
  // named in the message) and none stands twice.
  void allow_only(std::initializer_list<std::string_view> known) const;
  bool has(std::string_view key) const;         // present and not null
  ConfigReader at(std::string_view key) const;  // throws if absent
  std::optional<ConfigReader> find(std::string_view key) const;
  std::vector<std::string> keys() const;  // in the order of the file

  // --- lists ------------------------------------------------------------------------------
  std::vector<ConfigReader> list() const;

  // --- scalars: this node's value, checked against [low, high] -------------------------------
  double number(double low = std::numeric_limits<double>::lowest(),
                double high = std::numeric_limits<double>::max()) const;
  std::int64_t integer(std::int64_t low = std::numeric_limits<std::int64_t>::min(),
                       std::int64_t high = std::numeric_limits<std::int64_t>::max()) const;
  bool boolean() const;
  std::string text() const;
  std::string one_of(std::initializer_list<std::string_view> choices) const;
  Duration seconds(double low, double high) const;       // a number of seconds
  Duration milliseconds(double low, double high) const;  // a number of milliseconds

  // --- the same for a key of this map, with a default for when it is absent --------------------
  double number_or(std::string_view key, double otherwise, double low, double high) const;
  std::int64_t integer_or(std::string_view key, std::int64_t otherwise, std::int64_t low,
                          std::int64_t high) const;
  bool boolean_or(std::string_view key, bool otherwise) const;
  std::string text_or(std::string_view key, std::string otherwise) const;
  Duration seconds_or(std::string_view key, Duration otherwise, double low, double high) const;
  Duration milliseconds_or(std::string_view key, Duration otherwise, double low, double high) const;

  bool is_map() const;
  bool is_list() const;
  bool is_scalar() const;

  const std::string& path() const { return path_; }
  std::string where() const;  // "file:line: path"
  // Throws ConfigError "<where>: expected <expected>, got <what stands there>".
  [[noreturn]] void fail(const std::string& expected) const;
  // Throws ConfigError "<where>: <message>", for checks across several keys.
  [[noreturn]] void complain(const std::string& message) const;

  // The subtree as JSON text: strings stay strings when quoted; plain scalars that read as
  // numbers or booleans become those. For free-form settings (strategy options).
  std::string to_json_text() const;

 private:
  ConfigReader(std::shared_ptr<const YAML::Node> node, std::shared_ptr<const std::string> file,
               std::string path);
  ConfigReader child(const YAML::Node& node, const std::string& name) const;

  std::shared_ptr<const YAML::Node> node_;
  std::shared_ptr<const std::string> file_;
  std::string path_;
};

// The entry of `known` with the smallest edit distance to `word`, or "" when none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace spate
