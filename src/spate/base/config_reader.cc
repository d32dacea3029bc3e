// SPDX-License-Identifier: Apache-2.0
#include "spate/base/config_reader.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/utf8.h"

namespace spate {
namespace {

std::string plain(double x) {
  if (x == std::floor(x) && std::abs(x) < 1e15) return std::to_string(static_cast<std::int64_t>(x));
  return nlohmann::json(x).dump();
}

template <class T>
std::optional<T> parse_number(const std::string& text) {
  T value{};
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (begin != end && *begin == '+') ++begin;
  const auto [at, error] = std::from_chars(begin, end, value);
  if (error != std::errc{} || at != end || begin == end) return std::nullopt;
  return value;
}

bool is_quoted(const YAML::Node& node) { return node.Tag() == "!"; }

nlohmann::ordered_json to_json(const YAML::Node& node) {
  if (node.IsMap()) {
    auto out = nlohmann::ordered_json::object();
    for (const auto& entry : node) out[entry.first.as<std::string>()] = to_json(entry.second);
    return out;
  }
  if (node.IsSequence()) {
    auto out = nlohmann::ordered_json::array();
    for (const auto& entry : node) out.push_back(to_json(entry));
    return out;
  }
  if (!node.IsScalar()) return nullptr;
  const std::string& text = node.Scalar();
  if (is_quoted(node)) return text;
  if (text == "true") return true;
  if (text == "false") return false;
  if (const auto n = parse_number<std::int64_t>(text)) return *n;
  if (const auto x = parse_number<double>(text); x && std::isfinite(*x)) return *x;
  return text;
}

// Refuses a tree that what reads it cannot walk through or hand on. An alias that stands in itself
// is one without an end, so it is found by its depth.
class TreeCheck {
 public:
  explicit TreeCheck(std::string name) : name_(std::move(name)) {}

  void check(const YAML::Node& node, int depth = 0) {
    constexpr int kMostLevels = 100;
    constexpr std::size_t kMostEntries = 1'000'000;
    if (depth > kMostLevels) {
      complain(node,
               fmt::format("more than {} levels, or an alias that stands in itself", kMostLevels));
    }
    if (++entries_ > kMostEntries) {
      complain(node, fmt::format("its aliases unfold to more than {} entries", kMostEntries));
    }
    if (node.IsScalar() && !is_utf8(node.Scalar())) complain(node, "this text is not UTF-8");
    if (node.IsSequence()) {
      for (const auto& entry : node) check(entry, depth + 1);
    }
    if (!node.IsMap()) return;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) complain(entry.first, "expected a plain text as the key");
      check(entry.first, depth + 1);
      check(entry.second, depth + 1);
    }
  }

 private:
  [[noreturn]] void complain(const YAML::Node& node, const std::string& what) const {
    throw ConfigError(fmt::format("{}:{}: {}", name_, node.Mark().line + 1, what));
  }

  std::string name_;
  std::size_t entries_ = 0;
};

std::string range_text(double low, double high) {
  const bool no_low = low == std::numeric_limits<double>::lowest();
  const bool no_high = high == std::numeric_limits<double>::max();
  if (no_low && no_high) return "";
  if (no_high) return " of at least " + plain(low);
  if (no_low) return " of at most " + plain(high);
  return " in [" + plain(low) + ", " + plain(high) + "]";
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const auto& candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t above = row[j];
        row[j] = std::min(
            {above + 1, row[j - 1] + 1, diagonal + (word[i - 1] == candidate[j - 1] ? 0U : 1U)});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

ConfigReader::ConfigReader(std::shared_ptr<const YAML::Node> node,
                           std::shared_ptr<const std::string> file, std::string path)
    : node_(std::move(node)), file_(std::move(file)), path_(std::move(path)) {}

ConfigReader ConfigReader::from_file(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (!text) throw ConfigError(text.error().message);
  return from_text(*text, file.string());
}

ConfigReader ConfigReader::from_text(const std::string& text, const std::string& name) {
  try {
    auto root = std::make_shared<const YAML::Node>(YAML::Load(text));
    TreeCheck(name).check(*root);
    return {std::move(root), std::make_shared<const std::string>(name), ""};
  } catch (const YAML::Exception& error) {
    throw ConfigError(name + ":" + std::to_string(error.mark.line + 1) +
                      ": not valid YAML: " + error.msg);
  }
}

ConfigReader ConfigReader::child(const YAML::Node& node, const std::string& name) const {
  const bool index = !name.empty() && name.front() == '[';
  return {std::make_shared<const YAML::Node>(node), file_,
          path_.empty() || index ? path_ + name : path_ + "." + name};
}

std::string ConfigReader::where() const {
  const int line = node_->Mark().line;
  return *file_ + (line >= 0 ? ":" + std::to_string(line + 1) : "") + ": " +
         (path_.empty() ? "(top level)" : path_);
}

void ConfigReader::complain(const std::string& message) const {
  throw ConfigError(where() + ": " + message);
}

void ConfigReader::fail(const std::string& expected) const {
  std::string got = "nothing";
  if (node_->IsMap()) got = "a map";
  if (node_->IsSequence()) got = "a list";
  if (node_->IsScalar()) got = "\"" + node_->Scalar() + "\"";
  complain("expected " + expected + ", got " + got);
}

void ConfigReader::allow_only(std::initializer_list<std::string_view> known) const {
  if (!node_->IsMap()) fail("a map");
  const std::vector<std::string> names(known.begin(), known.end());
  std::set<std::string> seen;
  for (const auto& entry : *node_) {
    if (!entry.first.IsScalar()) child(entry.first, "?").fail("a plain key");
    const std::string key = entry.first.Scalar();
    const ConfigReader at_key = child(entry.first, key);
    if (!seen.insert(key).second) at_key.complain("this key stands twice");
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    const std::string near = nearest_word(key, names);
    std::string all;
    for (const auto& name : names) all += (all.empty() ? "" : ", ") + name;
    at_key.complain("unknown key" + (near.empty() ? "" : "; did you mean \"" + near + "\"?") +
                    " (known here: " + all + ")");
  }
}

bool ConfigReader::is_map() const { return node_->IsMap(); }
bool ConfigReader::is_list() const { return node_->IsSequence(); }
bool ConfigReader::is_scalar() const { return node_->IsScalar(); }

bool ConfigReader::has(std::string_view key) const { return find(key).has_value(); }

std::optional<ConfigReader> ConfigReader::find(std::string_view key) const {
  if (node_->IsNull()) return std::nullopt;
  if (!node_->IsMap()) fail("a map");
  for (const auto& entry : *node_) {
    if (entry.first.IsScalar() && entry.first.Scalar() == key && !entry.second.IsNull()) {
      return child(entry.second, std::string(key));
    }
  }
  return std::nullopt;
}

ConfigReader ConfigReader::at(std::string_view key) const {
  if (auto found = find(key)) return *found;
  complain("expected a key \"" + std::string(key) + "\", found none");
}

std::vector<std::string> ConfigReader::keys() const {
  if (!node_->IsMap()) fail("a map");
  std::vector<std::string> out;
  for (const auto& entry : *node_) out.push_back(entry.first.as<std::string>());
  return out;
}

std::vector<ConfigReader> ConfigReader::list() const {
  if (!node_->IsSequence()) fail("a list");
  std::vector<ConfigReader> out;
  for (const auto& entry : *node_)
    out.push_back(child(entry, "[" + std::to_string(out.size()) + "]"));
  return out;
}

double ConfigReader::number(double low, double high) const {
  const std::string expected = "a number" + range_text(low, high);
  if (!node_->IsScalar()) fail(expected);
  const auto value = parse_number<double>(node_->Scalar());
  if (!value || !std::isfinite(*value) || *value < low || *value > high) fail(expected);
  return *value;
}

std::int64_t ConfigReader::integer(std::int64_t low, std::int64_t high) const {
  const bool no_low = low == std::numeric_limits<std::int64_t>::min();
  const bool no_high = high == std::numeric_limits<std::int64_t>::max();
  const std::string expected =
      "a whole number" +
      range_text(no_low ? std::numeric_limits<double>::lowest() : static_cast<double>(low),
                 no_high ? std::numeric_limits<double>::max() : static_cast<double>(high));
  if (!node_->IsScalar()) fail(expected);
  const auto value = parse_number<std::int64_t>(node_->Scalar());
  if (!value || *value < low || *value > high) fail(expected);
  return *value;
}

bool ConfigReader::boolean() const {
  if (node_->IsScalar() && node_->Scalar() == "true") return true;
  if (node_->IsScalar() && node_->Scalar() == "false") return false;
  fail("true or false");
}

std::string ConfigReader::text() const {
  if (!node_->IsScalar()) fail("a text");
  return node_->Scalar();
}

std::string ConfigReader::one_of(std::initializer_list<std::string_view> choices) const {
  if (node_->IsScalar()) {
    for (const auto choice : choices) {
      if (node_->Scalar() == choice) return std::string(choice);
    }
  }
  std::string all;
  for (const auto choice : choices) all += (all.empty() ? "" : ", ") + std::string(choice);
  fail("one of " + all);
}

Duration ConfigReader::seconds(double low, double high) const {
  return from_seconds(number(low, high));
}
Duration ConfigReader::milliseconds(double low, double high) const {
  return from_ms(number(low, high));
}

double ConfigReader::number_or(std::string_view key, double otherwise, double low,
                               double high) const {
  const auto found = find(key);
  return found ? found->number(low, high) : otherwise;
}
std::int64_t ConfigReader::integer_or(std::string_view key, std::int64_t otherwise,
                                      std::int64_t low, std::int64_t high) const {
  const auto found = find(key);
  return found ? found->integer(low, high) : otherwise;
}
bool ConfigReader::boolean_or(std::string_view key, bool otherwise) const {
  const auto found = find(key);
  return found ? found->boolean() : otherwise;
}
std::string ConfigReader::text_or(std::string_view key, std::string otherwise) const {
  const auto found = find(key);
  return found ? found->text() : std::move(otherwise);
}
Duration ConfigReader::seconds_or(std::string_view key, Duration otherwise, double low,
                                  double high) const {
  const auto found = find(key);
  return found ? found->seconds(low, high) : otherwise;
}
Duration ConfigReader::milliseconds_or(std::string_view key, Duration otherwise, double low,
                                       double high) const {
  const auto found = find(key);
  return found ? found->milliseconds(low, high) : otherwise;
}

std::string ConfigReader::to_json_text() const { return to_json(*node_).dump(); }

}  // namespace spate
