// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/time_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "spate/base/csv.h"

namespace spate::judge {
namespace {

namespace chrono = std::chrono;

constexpr double kSecondsPerDay = 86400.0;

// Takes exactly `digits` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc{} || at != text.data() + digits || text.front() == '-') {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<double> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const chrono::year_month_day date(chrono::year(*year),
                                    chrono::month(static_cast<unsigned>(*month)),
                                    chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  const chrono::sys_days days = date;
  return static_cast<double>(days.time_since_epoch().count()) * kSecondsPerDay;
}

// "HH:MM", with ":SS" and a fraction if they are there.
std::optional<double> take_clock(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  double seconds = *hour * 3600.0 + *minute * 60.0;
  if (!take(text, ':')) return seconds;
  const auto second = take_digits(text, 2);
  if (!second || *second > 60) return std::nullopt;  // 60: a leap second
  seconds += *second;
  if (take(text, '.')) {
    double place = 0.1;
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
      seconds += place * (text.front() - '0');
      place *= 0.1;
    }
  }
  return seconds;
}

// Nothing left, "Z", "UTC" or "+02:00" (also "+0200"): seconds to take off.
std::optional<double> zone_offset(std::string_view text) {
  take(text, ' ');
  if (text.empty() || text == "Z" || text == "UTC") return 0.0;
  const double sign = text.front() == '-' ? -1.0 : 1.0;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  take(text, ':');
  const auto minutes = take_digits(text, 2);
  if (!hours || !minutes || !text.empty() || *hours > 14 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600.0 + *minutes * 60.0);
}

}  // namespace

std::optional<double> parse_time(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (const auto number = parse_cell(text)) return number;
  const auto day = take_date(text);
  if (!day) return std::nullopt;
  if (text.empty()) return day;
  if (!take(text, ' ') && !take(text, 'T')) return std::nullopt;
  const auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  const auto zone = zone_offset(text);
  if (!zone) return std::nullopt;
  const double at = *day + *clock - *zone;
  // A double has 0.2 µs left beside a date: a last fraction must not round into the next second.
  const double second = *day + std::floor(*clock) - *zone;
  return std::min(at, std::nextafter(second + 1.0, second));
}

std::string time_text(double unix_s) {
  const double whole = std::floor(unix_s);
  const double day = std::floor(whole / kSecondsPerDay);
  const chrono::year_month_day date{chrono::sys_days{chrono::days{static_cast<int>(day)}}};
  const int second = static_cast<int>(whole - day * kSecondsPerDay);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     second / 3600, second / 60 % 60, second % 60);
}

}  // namespace spate::judge
