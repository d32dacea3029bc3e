// SPDX-License-Identifier: Apache-2.0
//
// Archives with forms of their own: Azure Functions 2019, the WorldCup 98 log, Wikimedia's hourly
// counts.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "spate/base/csv.h"
#include "spate/judge/bin_sums.h"
#include "spate/judge/time_text.h"

namespace spate::judge {
namespace {

constexpr double kSecondsPerDay = 86400.0;
constexpr std::size_t kMinutesPerDay = 1440;
constexpr std::size_t kLeadingColumns = 4;  // HashOwner, HashApp, HashFunction, Trigger

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view take_cell(std::string_view& line, char separator) {
  const auto end = line.find(separator);
  const std::string_view cell = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return cell;
}

bool selected(const std::vector<std::string>& wanted, std::string_view name) {
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](const std::string& w) {
           return name.substr(0, w.size()) == w;
         });
}

// The day, from 0, that a file's name ("….d03.csv") says; nothing when it says none.
std::optional<std::size_t> day_of(const std::string& name) {
  for (auto at = name.rfind(".d"); at != std::string::npos && at > 0;
       at = name.rfind(".d", at - 1)) {
    std::size_t day = 0;
    const char* from = name.data() + at + 2;
    const auto [end, error] = std::from_chars(from, name.data() + name.size(), day);
    if (error == std::errc{} && end == from + 2 && day > 0) return day - 1;
  }
  return std::nullopt;
}

Status check_azure_header(const std::string& name, std::string_view line) {
  const std::string begin = "HashOwner,HashApp,HashFunction,Trigger,1,2,";
  const auto columns = 1 + static_cast<std::size_t>(std::count(line.begin(), line.end(), ','));
  if (line.substr(0, begin.size()) != begin || columns != kLeadingColumns + kMinutesPerDay) {
    return import_error(name, 1,
                        fmt::format("expected the header HashOwner,HashApp,HashFunction,Trigger,1,"
                                    "2,…,1440; got {} columns that begin \"{}\"",
                                    columns, line.substr(0, 50)));
  }
  return ok();
}

// One function's minutes added to `minutes`.
Status add_azure_row(const std::string& name, std::size_t number, std::string_view line,
                     std::vector<double>& minutes) {
  for (std::size_t m = 0; m < kMinutesPerDay; ++m) {
    if (line.empty()) {
      return import_error(name, number, fmt::format("expected 1440 counts, got {}", m));
    }
    const std::string_view cell = take_cell(line, ',');
    const auto count = parse_cell(cell);
    if (!count || *count < 0.0) {
      return import_error(name, number, fmt::format("minute {} is no count: \"{}\"", m + 1, cell));
    }
    minutes[m] += *count;
  }
  if (!line.empty()) return import_error(name, number, "more than 1440 counts");
  return ok();
}

}  // namespace

Result<Imported> import_azure_functions(const std::vector<ImportInput>& files,
                                        const ImportOptions& options) {
  const auto width = bin_width(options, 60.0);
  if (!width) return width.error();
  BinSums sums(*width);
  std::size_t functions = 0;
  std::vector<std::size_t> days;
  for (std::size_t f = 0; f < files.size(); ++f) {
    const std::size_t day = day_of(files[f].name).value_or(f);
    if (std::find(days.begin(), days.end(), day) != days.end()) {
      return import_error(files[f].name, 1, fmt::format("day {} is given twice", day + 1));
    }
    days.push_back(day);
    std::string_view text = files[f].text;
    if (auto status = check_azure_header(files[f].name, take_line(text)); !status) {
      return status.error();
    }
    std::vector<double> minutes(kMinutesPerDay, 0.0);
    for (std::size_t number = 2; !text.empty(); ++number) {
      std::string_view line = take_line(text);
      if (line.empty()) continue;
      for (int skip = 0; skip < 2; ++skip) take_cell(line, ',');
      const std::string_view function = take_cell(line, ',');
      take_cell(line, ',');
      if (!selected(options.select, function)) continue;
      ++functions;
      if (auto status = add_azure_row(files[f].name, number, line, minutes); !status) {
        return status.error();
      }
    }
    for (std::size_t m = 0; m < kMinutesPerDay; ++m) {
      sums.add(static_cast<double>(day) * kSecondsPerDay + 60.0 * static_cast<double>(m),
               minutes[m]);
    }
  }
  if (functions == 0) {
    return import_error(files.empty() ? "azure_functions_2019" : files.front().name, 1,
                        "no function of that hash is in the files");
  }
  Imported out = sums.take();
  out.notes.push_back(fmt::format("{} rows of functions over {} days", functions, days.size()));
  return out;
}

Result<Imported> import_worldcup_log(const std::vector<ImportInput>& files,
                                     const ImportOptions& options) {
  constexpr std::size_t kRecordBytes =
      20;  // time, client, object, size, method, status, type, server
  const auto width = bin_width(options, 60.0);
  if (!width) return width.error();
  BinSums sums(*width);
  for (const auto& file : files) {
    if (file.text.empty() || file.text.size() % kRecordBytes != 0) {
      return import_error(file.name, 1,
                          fmt::format("expected records of 20 bytes (or a table with the header "
                                      "period,count), got {} bytes",
                                      file.text.size()));
    }
    for (std::size_t at = 0; at < file.text.size(); at += kRecordBytes) {
      std::uint32_t time = 0;  // big endian, seconds since 1970
      for (std::size_t b = 0; b < 4; ++b) {
        time = time << 8 | static_cast<unsigned char>(file.text[at + b]);
      }
      sums.add(static_cast<double>(time), 1.0);
    }
  }
  return sums.take();
}

namespace {

// "…projectcounts-20160101-030000": the hour that the file counts, by its name. Wikimedia's older
// dumps (pagecounts-raw) name the hour's end, some seconds late; the newer (pageviews) its end
// exactly. Only distances count here, so the stamp's hour is taken as it is.
std::optional<double> hour_of(const std::string& name) {
  for (std::size_t at = 0; at + 15 <= name.size(); ++at) {
    const std::string_view part = std::string_view(name).substr(at, 15);
    if (part[8] != '-') continue;
    if (at > 0 && std::isdigit(static_cast<unsigned char>(name[at - 1])) != 0) continue;
    const auto digits = [](std::string_view text) {
      return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
    };
    if (!digits(part.substr(0, 8)) || !digits(part.substr(9))) continue;
    const std::string text = fmt::format("{}-{}-{} {}:00", part.substr(0, 4), part.substr(4, 2),
                                         part.substr(6, 2), part.substr(9, 2));
    return parse_time(text);
  }
  return std::nullopt;
}

}  // namespace

Result<Imported> import_wikipedia(const std::vector<ImportInput>& files,
                                  const ImportOptions& options) {
  const auto width = bin_width(options, 3600.0);
  if (!width) return width.error();
  const std::vector<std::string> wanted =
      options.select.empty() ? std::vector<std::string>{"en"} : options.select;
  BinSums sums(*width);
  std::vector<double> hours;
  for (const auto& file : files) {
    const auto hour = hour_of(file.name);
    if (!hour) {
      return import_error(file.name, 1,
                          "the name says no hour: expected …-YYYYMMDD-HHMMSS as Wikimedia's dumps "
                          "have it");
    }
    if (std::find(hours.begin(), hours.end(), *hour) != hours.end()) {
      return import_error(file.name, 1, "the hour " + time_text(*hour) + " is given twice");
    }
    hours.push_back(*hour);
    std::string_view text = file.text;
    double requests = 0.0;
    bool found = false;
    for (std::size_t number = 1; !text.empty(); ++number) {
      std::string_view line = take_line(text);
      if (line.empty()) continue;
      const std::string_view project = take_cell(line, ' ');
      take_cell(line, ' ');  // the page's title, "-" in sums of projects
      const std::string_view cell = take_cell(line, ' ');
      if (std::find(wanted.begin(), wanted.end(), project) == wanted.end()) continue;
      const auto count = parse_cell(cell);
      if (!count || *count < 0.0) {
        return import_error(file.name, number,
                            fmt::format("expected \"project title count bytes\", the count is "
                                        "\"{}\"",
                                        cell));
      }
      requests += *count;
      found = true;
    }
    if (!found) {
      return import_error(file.name, 1,
                          fmt::format("the project {} is not in it", fmt::join(wanted, ", ")));
    }
    sums.add(*hour, requests);
  }
  return sums.take();
}

}  // namespace spate::judge
