// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/sha256.h"
#include "spate/influx/schedule.h"

namespace spate::influx {
namespace {

constexpr std::string_view kFirstLine = "# spate-schedule 1";
constexpr std::string_view kColumns = "at_ns,model,sample";

[[noreturn]] void complain(const std::string& name, std::size_t line, const std::string& what) {
  throw ConfigError(fmt::format("{}:{}: {}", name, line, what));
}

// Takes the text up to the next line feed (also without one at the end).
std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

template <class T>
bool take_number(const char*& at, const char* end, T& value) {
  const auto [next, error] = std::from_chars(at, end, value);
  if (error != std::errc{}) return false;
  at = next;
  return true;
}

bool parse_row(std::string_view line, PlannedRequest& request) {
  const char* at = line.data();
  const char* end = at + line.size();
  std::int64_t ns = 0;
  if (!take_number(at, end, ns) || at == end || *at++ != ',') return false;
  if (!take_number(at, end, request.model) || at == end || *at++ != ',') return false;
  if (!take_number(at, end, request.sample) || at != end) return false;
  request.at = Duration{ns};
  return true;
}

struct Header {
  Schedule schedule;  // without requests
  std::size_t requests = 0;
  std::string sha256;
};

Header parse_header(std::string_view line, const std::string& name) {
  if (line.substr(0, 2) != "# ") complain(name, 2, "expected \"# \" and a JSON object");
  try {
    const auto json = nlohmann::json::parse(line.substr(2));
    Header header;
    for (const auto& model : json.at("models")) {
      header.schedule.models.push_back(
          {model.at("name").get<std::string>(), model.at("samples").get<std::uint32_t>()});
    }
    header.schedule.warm_up = Duration{json.at("warm_up_ns").get<std::int64_t>()};
    header.schedule.duration = Duration{json.at("duration_ns").get<std::int64_t>()};
    header.schedule.seed = json.at("seed").get<std::uint64_t>();
    header.schedule.run = json.at("run").get<std::uint64_t>();
    header.requests = json.at("requests").get<std::size_t>();
    header.sha256 = json.at("sha256").get<std::string>();
    return header;
  } catch (const nlohmann::json::exception& error) {
    complain(name, 2, std::string("not a schedule's header: ") + error.what());
  }
}

}  // namespace

std::string schedule_text(const Schedule& schedule) {
  fmt::memory_buffer rows;
  for (const PlannedRequest& r : schedule.requests) {
    fmt::format_to(std::back_inserter(rows), "{},{},{}\n", r.at.count(), r.model, r.sample);
  }
  const std::string_view body(rows.data(), rows.size());
  nlohmann::ordered_json header;
  header["models"] = nlohmann::ordered_json::array();
  for (const ScheduleModel& model : schedule.models) {
    header["models"].push_back({{"name", model.name}, {"samples", model.samples}});
  }
  header["warm_up_ns"] = schedule.warm_up.count();
  header["duration_ns"] = schedule.duration.count();
  header["seed"] = schedule.seed;
  header["run"] = schedule.run;
  header["requests"] = schedule.requests.size();
  header["sha256"] = sha256_hex(body);
  return fmt::format("{}\n# {}\n{}\n{}", kFirstLine, header.dump(), kColumns, body);
}

Schedule parse_schedule(std::string_view text, const std::string& name) {
  std::string_view rest = text;
  if (take_line(rest) != kFirstLine) {
    complain(name, 1, fmt::format("a schedule's first line is \"{}\"", kFirstLine));
  }
  Header header = parse_header(take_line(rest), name);
  if (take_line(rest) != kColumns) complain(name, 3, fmt::format("expected \"{}\"", kColumns));
  Schedule& schedule = header.schedule;
  // The checksum comes after the rows, so that a mistake of an editor is named by its line.
  const std::string_view body = rest;
  schedule.requests.reserve(std::min(header.requests, body.size() / 5));
  for (std::size_t line = 4; !rest.empty(); ++line) {
    PlannedRequest request;
    const std::string_view row = take_line(rest);
    if (!parse_row(row, request)) {
      complain(name, line, fmt::format("expected {}, got \"{}\"", kColumns, row));
    }
    if (request.model >= schedule.models.size()) {
      complain(name, line, fmt::format("there is no model {}", request.model));
    }
    if (request.sample >= schedule.models[request.model].samples) {
      complain(name, line,
               fmt::format("model {} has {} samples, there is no sample {}",
                           schedule.models[request.model].name,
                           schedule.models[request.model].samples, request.sample));
    }
    if (request.at < -schedule.warm_up || request.at >= schedule.duration) {
      complain(name, line, "the time lies outside the run");
    }
    if (!schedule.requests.empty() && request.at < schedule.requests.back().at) {
      complain(name, line, "times must not fall from row to row");
    }
    schedule.requests.push_back(request);
  }
  if (schedule.requests.size() != header.requests) {
    complain(name, 2,
             fmt::format("the header promises {} requests, the file has {}", header.requests,
                         schedule.requests.size()));
  }
  if (sha256_hex(body) != header.sha256) {
    complain(name, 2, "the rows do not match the checksum: the file was changed");
  }
  return std::move(schedule);
}

void save_schedule(const Schedule& schedule, const std::filesystem::path& file) {
  const auto status = write_file(file, schedule_text(schedule));
  if (!status) throw ConfigError("schedule: " + status.error().message);
}

Schedule load_schedule(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (!text) throw ConfigError("schedule: " + text.error().message);
  return parse_schedule(*text, file.string());
}

}  // namespace spate::influx
