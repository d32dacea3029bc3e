// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/answer.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"

namespace spate::influx {

std::string_view to_string(Rejection reason) {
  switch (reason) {
    case Rejection::BadInput:
      return "bad_input";
    case Rejection::UnknownModel:
      return "unknown_model";
    case Rejection::Overloaded:
      return "overloaded";
    case Rejection::ModelFailed:
      return "model_failed";
    case Rejection::ShuttingDown:
      return "shutting_down";
    case Rejection::RefusedByBroker:
      return "refused_by_broker";
    case Rejection::Other:
      return "other";
  }
  return "other";
}

namespace {

Rejection rejection_of(std::string_view word) {
  for (std::size_t i = 0; i < kRejections; ++i) {
    const auto reason = static_cast<Rejection>(i);
    if (reason != Rejection::RefusedByBroker && to_string(reason) == word) return reason;
  }
  return Rejection::Other;
}

Answer malformed(std::string_view why, std::string_view id = {}) {
  Answer answer;
  answer.text = why;
  answer.id = id;
  return answer;
}

}  // namespace

struct AnswerParser::State {
  simdjson::dom::parser parser;
  std::string padded;  // simdjson reads past the end of what it parses
};

AnswerParser::AnswerParser() : state_(std::make_unique<State>()) {}
AnswerParser::~AnswerParser() = default;

Answer AnswerParser::parse(std::string_view payload) {
  std::string& padded = state_->padded;
  padded.assign(payload);
  padded.append(simdjson::SIMDJSON_PADDING, '\0');
  simdjson::dom::object object;
  const auto parsed = state_->parser.parse(padded.data(), payload.size(), false).get(object);
  if (parsed == simdjson::INCORRECT_TYPE) return malformed("not a JSON object");
  if (parsed != simdjson::SUCCESS) return malformed("not valid JSON");

  Answer answer;
  simdjson::dom::element field;
  if (object["id"].get(field) == simdjson::SUCCESS && !field.is_null() &&
      field.get(answer.id) != simdjson::SUCCESS) {
    return malformed("\"id\" is not a text");
  }
  if (object["error"].get(field) == simdjson::SUCCESS) {
    if (field.get(answer.text) != simdjson::SUCCESS) {
      return malformed("\"error\" is not a text", answer.id);
    }
    if (answer.text == "expired") {
      answer.kind = Answer::Kind::Expired;
      return answer;
    }
    answer.kind = Answer::Kind::Rejected;
    answer.rejection = rejection_of(answer.text);
    return answer;
  }
  if (object["class"].get(field) == simdjson::SUCCESS) {
    if (field.get(answer.text) != simdjson::SUCCESS) {
      return malformed("\"class\" is not a text", answer.id);
    }
    answer.kind = Answer::Kind::Class;
    return answer;
  }
  if (object["prediction"].get(field) == simdjson::SUCCESS) {
    if (field.get(answer.value) != simdjson::SUCCESS) {
      return malformed("\"prediction\" is not a number", answer.id);
    }
    answer.kind = Answer::Kind::Value;
    return answer;
  }
  return malformed("none of \"prediction\", \"class\" and \"error\"", answer.id);
}

bool same_value(double got, double want) {
  return std::abs(got - want) <= kValueTolerance * std::max(1.0, std::abs(want));
}

namespace {

Expected expected_of(const nlohmann::json& json) {
  Expected expected;
  if (const auto at = json.find("class"); at != json.end()) {
    expected.predicted_class = at->get<std::string>();
  } else {
    expected.predicted_value = json.at("prediction").get<double>();
  }
  const auto label = json.find("label");
  if (label == json.end() || label->is_null()) return expected;
  if (expected.predicted_class) {
    expected.label_class = label->is_string() ? label->get<std::string>() : label->dump();
  } else {
    expected.label_value = label->get<double>();
  }
  return expected;
}

}  // namespace

std::vector<Expected> read_expected(const std::filesystem::path& file, std::size_t samples) {
  std::ifstream in(file);
  if (!in) {
    throw ConfigError(fmt::format(
        "cannot read the expected answers {}; make them with: spate model predict MODEL_DIR "
        "--dataset DIR --split SPLIT --expected {}",
        file.string(), file.string()));
  }
  std::vector<Expected> all(samples);
  std::vector<bool> seen(samples, false);
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto complain = [&](const std::string& what) {
      throw ConfigError(fmt::format("{}:{}: {}", file.string(), number, what));
    };
    try {
      const auto json = nlohmann::json::parse(line);
      const auto i = json.at("i").get<std::size_t>();
      if (i >= samples)
        complain(fmt::format("the data set has {} samples, no sample {}", samples, i));
      if (seen[i]) complain(fmt::format("sample {} stands twice", i));
      seen[i] = true;
      all[i] = expected_of(json);
    } catch (const nlohmann::json::exception& error) {
      complain(std::string("not an expected answer: ") + error.what());
    }
  }
  const auto missing = std::find(seen.begin(), seen.end(), false);
  if (missing != seen.end()) {
    throw ConfigError(fmt::format("{}: sample {} of {} is not there", file.string(),
                                  missing - seen.begin(), samples));
  }
  return all;
}

}  // namespace spate::influx
