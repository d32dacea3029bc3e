// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/influx/trace.h"
#include "spate/judge/prometheus_server.h"
#include "spate/judge/time_text.h"
#include "spate/judge/trace_import.h"
#include "spate/telemetry/http_get.h"

namespace spate::app {
namespace {

struct ImportArguments {
  std::string format;
  std::vector<std::string> files;
  std::string out;
  judge::ImportOptions options;
  std::string values = "rate";
  judge::RangeQuery range;  // prometheus with --url
  std::string start;
  std::string end;
};

constexpr Duration kServerPatience = std::chrono::seconds(120);
constexpr std::size_t kLargestAnswer = std::size_t{64} << 20;  // 11 000 points are below 1 MiB

Result<judge::Fetched> fetch(const std::string& url) {
  auto answer = telemetry::http_get(url, kServerPatience, kLargestAnswer);
  if (!answer) return answer.error();
  return judge::Fetched{answer->status, std::move(answer->body)};
}

double time_of(const char* option, const std::string& text) {
  const auto at = judge::parse_time(text);
  if (at) return *at;
  throw ConfigError(
      fmt::format("{}: expected a time such as 2026-03-01T00:00:00Z or Unix seconds, got \"{}\"",
                  option, text));
}

Result<judge::Imported> imported_from(ImportArguments& arguments) {
  auto& range = arguments.range;
  if (range.url.empty()) {
    if (arguments.files.empty()) {
      throw ConfigError("expected the archive's files (or --url with the format prometheus)");
    }
    if (!range.query.empty() || !arguments.start.empty() || !arguments.end.empty() ||
        range.step_s != 0.0) {
      throw ConfigError("--query, --start, --end and --step belong to --url");
    }
    return judge::import_trace(arguments.format, {arguments.files.begin(), arguments.files.end()},
                               arguments.options);
  }
  if (arguments.format != "prometheus" || !arguments.files.empty()) {
    throw ConfigError("--url asks a server: it takes the format prometheus and no files");
  }
  if (range.url.rfind("https:", 0) == 0) {
    throw ConfigError(
        "--url: only plain http; for https fetch the answer with curl and import the file "
        "(docs/traces.md)");
  }
  if (range.query.empty() || arguments.start.empty() || arguments.end.empty() ||
      range.step_s == 0.0) {
    throw ConfigError("--url needs --query, --start, --end and --step");
  }
  range.start_s = time_of("--start", arguments.start);
  range.end_s = time_of("--end", arguments.end);
  return judge::import_range_query(range, arguments.options, fetch);
}

int import(ImportArguments& arguments) {
  arguments.options.per_second = arguments.values == "rate";
  const auto imported = imported_from(arguments);
  if (!imported) return fail(imported.error());
  if (auto written = write_file(arguments.out, judge::trace_csv(*imported)); !written) {
    return fail(written.error());
  }
  const double from = imported->bins.front().unix_s;
  fmt::print("{}: {:.0f} requests{}\n", arguments.out, imported->requests,
             from > 0.0 ? " from " + judge::time_text(from) : std::string());
  fmt::print("{}\n", influx::describe(imported->report));
  for (const auto& note : imported->notes) fmt::print("{}\n", note);
  return kDone;
}

int info(const std::vector<std::string>& files) {
  int status = kDone;
  for (const auto& file : files) {
    const auto trace = influx::read_trace(file);
    if (!trace) {
      status = fail(trace.error());
      continue;
    }
    fmt::print("{}: {:.0f} requests in {:.6g} h\n{}\n", file, trace->report.requests,
               trace->report.length_s / 3600.0, influx::describe(trace->report));
  }
  return status;
}

}  // namespace

void add_trace_command(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "trace", "Demand that was recorded: imports archives into t_s,requests. See docs/traces.md.");
  command->require_subcommand(1);

  std::string formats;
  for (const auto& format : judge::import_formats()) {
    formats += fmt::format("\n  {:<22} {}", format.name, format.input);
  }
  auto arguments = std::make_shared<ImportArguments>();
  auto* add = command->add_subcommand("import",
                                      "Makes a trace that profiles of kind \"trace\" read. Files "
                                      "may be gzip-compressed.\n\nFormats:" +
                                          formats);
  add->add_option("format", arguments->format, "the archive's format")->required();
  add->add_option("files", arguments->files, "the archive's files");
  add->add_option("--out", arguments->out, "the file to write")->required();
  add->add_option("--bin", arguments->options.bin_s,
                  "width of a bin in seconds, a multiple of the archive's (default: as it is)")
      ->check(CLI::Range(1e-3, 1e7));
  add->add_option(
      "--select", arguments->options.select,
      "azure_functions_2019: beginnings of function hashes; wikipedia_hourly: projects");
  add->add_option("--values", arguments->values,
                  "prometheus: rate (requests per second) or count (requests per step)")
      ->check(CLI::IsMember({"rate", "count"}));
  auto& range = arguments->range;
  add->add_option("--url", range.url, "prometheus: ask this server instead of reading files")
      ->type_name("http://HOST:PORT");
  add->add_option("--query", range.query, "with --url: what to ask, giving one series")
      ->type_name("PROMQL");
  add->add_option("--start", arguments->start, "with --url: time of the first point")
      ->type_name("TIME");
  add->add_option("--end", arguments->end, "with --url: time of the last point")->type_name("TIME");
  add->add_option("--step", range.step_s, "with --url: seconds between two points")
      ->check(CLI::Range(1e-3, 1e7));
  add->footer(
      "Example:\n  spate trace import azure_llm_2023 code.csv.gz --out var/traces/code.csv\n\n" +
      exit_text({{kDone, "written"},
                 {kFailed, "a server or the file system failed"},
                 {kBadSettings, "bad settings, or an archive that is missing or damaged"}}));
  add->callback([arguments, &run] { run = [arguments] { return import(*arguments); }; });

  auto files = std::make_shared<std::vector<std::string>>();
  auto* show = command->add_subcommand("info", "Says what is in a trace: totals, bursts and gaps.");
  show->add_option("files", *files, "t_s,requests")->required();
  show->footer("Example:\n  spate trace info var/traces/code.csv\n\n" + usual_exit_text());
  show->callback([files, &run] { run = [files] { return info(*files); }; });
}

}  // namespace spate::app
