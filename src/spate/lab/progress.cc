// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "spate/lab/run_files.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

constexpr Duration kPlainEvery = std::chrono::seconds(5);
constexpr std::size_t kBarWidth = 24;

Json last_line(const std::filesystem::path& file) {
  // A series of an hour is some megabytes; its end is enough.
  constexpr long kTail = 1 << 16;
  std::FILE* in = std::fopen(file.c_str(), "rb");
  if (in == nullptr) return nullptr;
  std::fseek(in, 0, SEEK_END);
  const long size = std::ftell(in);
  const long from = std::max(0L, size - kTail);
  std::fseek(in, from, SEEK_SET);
  std::string text(static_cast<std::size_t>(size - from), '\0');
  text.resize(std::fread(text.data(), 1, text.size(), in));
  std::fclose(in);
  const auto end = text.rfind('\n');
  if (end == std::string::npos) return nullptr;
  const auto begin = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
  const std::size_t first = begin == std::string::npos ? 0 : begin + 1;
  Json value = Json::parse(text.substr(first, end - first), nullptr, false);
  return value.is_discarded() ? Json() : value;
}

std::string milliseconds(double ms) {
  if (ms <= 0.0) return "-";
  return ms >= 1000.0 ? fmt::format("{:.1f} s", ms / 1000.0) : fmt::format("{:.0f} ms", ms);
}

std::string left_text(const ProgressView& view) {
  const double left = std::max(0.0, view.duration_s - std::max(0.0, view.t_s));
  return fmt::format("{}:{:02d} left", static_cast<int>(left) / 60, static_cast<int>(left) % 60);
}

}  // namespace

void read_progress(const std::filesystem::path& run, ProgressView& view) {
  if (const auto text = read_file(run / "influx.progress.json")) {
    const Json json = Json::parse(*text, nullptr, false);
    if (json.is_object()) {
      view.t_s = number_of(json, "t_s");
      view.phase = text_of(json, "phase");
      for (auto& m : view.models) {
        const auto models = json.find("models");
        if (models == json.end() || !models->contains(m.model)) continue;
        const Json& entry = (*models)[m.model];
        m.rate_per_s = number_of(entry, "rate_per_s");
        m.answered_per_s = number_of(entry, "answered_last_s");
        m.p99_ms = number_of(entry, "p99_ms_last_s");
      }
    }
  }
  const Json series = last_line(run / "series.jsonl");
  if (!series.is_object() || !series.contains("models")) return;
  for (auto& m : view.models) {
    if (!series["models"].contains(m.model)) continue;
    const Json& entry = series["models"][m.model];
    if (entry.contains("wanted")) m.wanted = static_cast<int>(number_of(entry, "wanted"));
    m.ready = static_cast<int>(number_of(entry, "ready"));
    m.starting = static_cast<int>(number_of(entry, "starting"));
    m.cpu_limit = number_of(entry, "cpu_limit");
    m.queue = number_of(entry, "queue");
  }
}

std::string progress_line(const ProgressView& view) {
  std::string out = fmt::format("{}: {}, {}", view.run, view.phase, left_text(view));
  for (const auto& m : view.models) {
    out += fmt::format(" | {} {:.1f}/s p99 {} {}x{:g} CPU", m.model, m.rate_per_s,
                       milliseconds(m.p99_ms), m.ready, m.cpu_limit);
  }
  return out;
}

std::string progress_block(const ProgressView& view) {
  const double done =
      view.duration_s > 0.0 ? std::clamp(view.t_s / view.duration_s, 0.0, 1.0) : 0.0;
  const auto filled = static_cast<std::size_t>(std::lround(done * kBarWidth));
  std::string bar;
  for (std::size_t i = 0; i < kBarWidth; ++i) bar += i < filled ? "█" : "░";
  std::string out = fmt::format("{}  {}  {}  {}\n", view.run, bar, left_text(view), view.phase);
  for (const auto& m : view.models) {
    std::string replicas = fmt::format("{} x {:g} CPU", m.ready, m.cpu_limit);
    if (m.starting > 0) replicas += fmt::format(" (+{} starting)", m.starting);
    out += fmt::format(
        "  {:<12} {:>7.1f}/s offered {:>7.1f}/s answered   p99 {:>8} of {:<8} "
        "queue {:>4.0f}   {}\n",
        m.model, m.rate_per_s, m.answered_per_s, milliseconds(m.p99_ms), milliseconds(m.slo_ms),
        m.queue, replicas);
  }
  return out;
}

void ProgressPrinter::clear() {
  if (lines_ > 0) std::fprintf(out_, "\x1b[%dA\x1b[J", lines_);
  lines_ = 0;
}

void ProgressPrinter::show(const ProgressView& view, TimePoint now) {
  if (!terminal_) {
    if (last_ != TimePoint{} && now - last_ < kPlainEvery) return;
    last_ = now;
    std::fprintf(out_, "%s\n", progress_line(view).c_str());
  } else {
    clear();
    const std::string block = progress_block(view);
    lines_ = static_cast<int>(std::count(block.begin(), block.end(), '\n'));
    std::fputs(block.c_str(), out_);
  }
  std::fflush(out_);
}

void ProgressPrinter::say(const std::string& line) {
  if (terminal_) clear();
  std::fprintf(out_, "%s\n", line.c_str());
  std::fflush(out_);
}

void ProgressPrinter::finish() {
  if (terminal_) clear();
  last_ = TimePoint{};
}

}  // namespace spate::lab
