// SPDX-License-Identifier: Apache-2.0
//
// Answer: what a result message says, read from its JSON; and what it should say.
//
// Threads: an AnswerParser belongs to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spate::influx {

// Why a request was not answered with a prediction. Expired is counted apart.
enum class Rejection : std::uint8_t {
  BadInput,
  UnknownModel,
  Overloaded,
  ModelFailed,
  ShuttingDown,
  RefusedByBroker,  // the broker's own reason code, no result message
  Other,            // a word that Spate does not know
};
inline constexpr std::size_t kRejections = 7;
std::string_view to_string(Rejection reason);

struct Answer {
  enum class Kind : std::uint8_t { Malformed, Class, Value, Rejected, Expired };
  Kind kind = Kind::Malformed;
  Rejection rejection = Rejection::Other;
  double value = 0.0;
  std::string_view text;  // Class: the label. Malformed: what is wrong. Rejected: the word
  std::string_view id;    // "" when absent; views are valid until the next parse
};

class AnswerParser {
 public:
  AnswerParser();
  ~AnswerParser();
  AnswerParser(const AnswerParser&) = delete;
  AnswerParser& operator=(const AnswerParser&) = delete;
  // Never fails: what is no result is Malformed.
  Answer parse(std::string_view payload);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What an offline prediction of the same model said, and the data set's own truth.
struct Expected {
  std::optional<std::string> predicted_class;
  std::optional<double> predicted_value;
  std::optional<std::string> label_class;
  std::optional<double> label_value;
};

// |got - want| <= 1e-3 * max(1, |want|): absolute below 1, relative from 1 on.
inline constexpr double kValueTolerance = 1e-3;
bool same_value(double got, double want);

// Reads a file of expected answers, as `spate model predict … --expected FILE` writes it: one
// JSON object a line by sample index, {"i":0,"class":"pits","label":"pits"} or
// {"i":0,"prediction":12.5,"label":12.7}; `label` may be absent. Every index in [0, samples)
// must be there once. Throws ConfigError with "file:line: ...".
std::vector<Expected> read_expected(const std::filesystem::path& file, std::size_t samples);

}  // namespace spate::influx
