// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/trace_import.h"

#include <fmt/format.h>

#include "spate/base/config_reader.h"
#include "spate/base/text_file.h"
#include "spate/judge/bin_sums.h"
#include "spate/judge/time_text.h"

namespace spate::judge {
namespace {

Result<Imported> dispatch(std::string_view format, const std::vector<ImportInput>& files,
                          const ImportOptions& options) {
  if (format == "azure_functions_2019") return import_azure_functions(files, options);
  if (format == "azure_llm_2023") {
    return import_time_table(files, {"TIMESTAMP", "", 1.0, true, true}, options);
  }
  if (format == "worldcup98") {
    const bool table = !files.empty() && files.front().text.substr(0, 6) == "period";
    if (!table) return import_worldcup_log(files, options);
    // Minutes at the edge of two log files stand twice, and not always in order.
    return import_time_table(files, {"period", "count", 60.0, false, false}, options);
  }
  if (format == "wikipedia_hourly") return import_wikipedia(files, options);
  if (format == "nyc_taxi") {
    return import_time_table(files, {"timestamp", "value", 1800.0, true, false}, options);
  }
  if (format == "prometheus") return import_prometheus(files, options);
  std::vector<std::string> names;
  for (const auto& f : import_formats()) names.emplace_back(f.name);
  const std::string near = nearest_word(format, names);
  return Error{
      ErrorCode::InvalidArgument,
      fmt::format("unknown format \"{}\"{}; known: {}", format,
                  near.empty() ? "" : " (did you mean " + near + "?)", fmt::join(names, ", "))};
}

}  // namespace

const std::vector<ImportFormat>& import_formats() {
  static const std::vector<ImportFormat> formats{
      {"azure_functions_2019", "invocations_per_function_md.anon.dNN.csv, counts per minute"},
      {"azure_llm_2023", "AzureLLMInferenceTrace_*.csv, one row per request"},
      {"worldcup98", "wc_dayNN_M.gz (records of 20 bytes) or period,count per minute"},
      {"wikipedia_hourly", "Wikimedia's projectcounts or pagecounts, one file per hour"},
      {"nyc_taxi", "nyc_taxi.csv of the Numenta benchmark, counts per half hour"},
      {"prometheus", "the JSON answer of a range query (/api/v1/query_range)"}};
  return formats;
}

Result<Imported> import_trace(std::string_view format,
                              const std::vector<std::filesystem::path>& files,
                              const ImportOptions& options) {
  std::vector<ImportInput> inputs;
  for (const auto& file : files) {
    auto text = read_text_or_gz(file);
    if (!text) return text.error();
    if (text->empty()) return import_error(file.string(), 1, "the file is empty");
    inputs.push_back({file.string(), std::move(text).value()});
  }
  auto imported = dispatch(format, inputs, options);
  if (!imported) return imported;
  return with_report(std::move(imported).value(), format);
}

Result<Imported> with_report(Imported imported, std::string_view format) {
  const auto trace = influx::parse_trace(trace_csv(imported), std::string(format));
  if (!trace) return trace.error();
  imported.report = trace->report;
  return imported;
}

std::string trace_csv(const Imported& imported) {
  std::string out = "t_s,requests\n";
  for (const auto& bin : imported.bins) {
    fmt::format_to(std::back_inserter(out), "{},{}\n", bin.unix_s - imported.bins.front().unix_s,
                   bin.requests);
  }
  return out;
}

}  // namespace spate::judge
