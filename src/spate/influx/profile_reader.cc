// SPDX-License-Identifier: Apache-2.0
//
// Settings -> Profile. Every kind fills pieces and phases over its own length; finish() cuts
// them to the measured window.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "spate/base/config_error.h"
#include "spate/influx/profile.h"
#include "spate/influx/trace.h"

namespace spate::influx {
namespace {

constexpr double kMaxRate = 1e9;    // requests per second
constexpr double kMaxLength = 1e9;  // seconds, 31 years
constexpr double kSlack = 1e-9;     // of a length, for sums of decimal numbers
constexpr std::size_t kMaxPieces = 5'000'000;
// Periods, spikes and repeated steps: each is reported by name.
constexpr std::size_t kMaxPhases = 200'000;

}  // namespace

class ProfileReader {
 public:
  ProfileReader(const ConfigReader& reader, const ProfileContext& context)
      : reader_(reader), context_(context) {}

  Profile read() {
    fill();
    finish();
    Profile profile(pieces_, std::move(phases_), std::move(description_));
    profile.resolved_json_ = out_.dump();
    profile.notes_ = std::move(notes_);
    return profile;
  }

  std::optional<double> own_length() {
    // Lengths do not depend on rates, so any scale and window serve.
    if (!context_.scale) context_.scale = 1.0;
    if (!context_.duration_s) context_.duration_s = 1.0;
    fill();
    return length_;
  }

 private:
  void fill() {
    if (!reader_.is_map()) reader_.fail("a profile, for example {kind: constant, rate_per_s: 10}");
    const std::string kind = reader_.at("kind").one_of(
        {"constant", "steps", "ramp", "sine", "diurnal", "spike", "trace"});
    out_["kind"] = kind;
    if (kind == "constant") constant();
    if (kind == "steps") steps();
    if (kind == "ramp") ramp();
    if (kind == "sine") sine();
    if (kind == "diurnal") diurnal();
    if (kind == "spike") spike();
    if (kind == "trace") trace();
  }

  // `name` in units of the scale or `name`_per_s, exactly one of them. Adds it to `out`.
  double rate(const ConfigReader& from, nlohmann::ordered_json& out, const std::string& name) {
    const std::string absolute = name + "_per_s";
    const auto per_s = from.find(absolute);
    const auto relative = from.find(name);
    if (per_s && relative) {
      from.complain(fmt::format("give {} or {}, not both", absolute, name));
    }
    if (!per_s && !relative) {
      from.complain(
          fmt::format("expected a key \"{}\" (requests per second) or \"{}\" (in units "
                      "of one replica's SLO capacity), found neither",
                      absolute, name));
    }
    if (relative && !context_.scale) {
      relative->complain(fmt::format(
          "is in units of one replica's SLO capacity, which is not known here; give {}", absolute));
    }
    const double value =
        per_s ? per_s->number(0.0, kMaxRate) : relative->number(0.0, kMaxRate) * *context_.scale;
    out[absolute] = value;
    return value;
  }
  double rate(const std::string& name) { return rate(reader_, out_, name); }

  double seconds(const ConfigReader& from, nlohmann::ordered_json& out, const std::string& key,
                 double low, std::optional<double> otherwise = std::nullopt) {
    const double value = otherwise ? from.number_or(key, *otherwise, low, kMaxLength)
                                   : from.at(key).number(low, kMaxLength);
    out[key] = value;
    return value;
  }

  double window() {
    if (!context_.duration_s) {
      reader_.complain("this profile has no end of its own: the length of the run must be given");
    }
    return *context_.duration_s;
  }

  void add(const std::string& name, const Piece& piece) {
    if (!(piece.length_s > 0.0)) return;
    phases_.push_back(
        {name, at_, at_ + piece.length_s, piece.mass(piece.length_s) / piece.length_s});
    pieces_.push_back(piece);
    at_ += piece.length_s;
  }

  [[noreturn]] void too_many(const char* what, std::size_t count) const {
    reader_.complain(fmt::format("{} {} are too many to be reported (at most {} phases)", count,
                                 what, kMaxPhases));
  }

  void constant() {
    reader_.allow_only({"kind", "rate", "rate_per_s"});
    const double r = rate("rate");
    add("constant", {window(), r});
    description_ = fmt::format("constant {:.6g}/s", r);
  }

  void steps() {
    reader_.allow_only({"kind", "steps", "repeat"});
    out_["steps"] = nlohmann::ordered_json::array();
    description_ = "steps:";
    const auto list = reader_.at("steps").list();
    if (list.empty()) reader_.at("steps").fail("at least one step");
    for (const ConfigReader& step : list) {
      step.allow_only({"name", "for_s", "rate", "rate_per_s"});
      nlohmann::ordered_json out;
      const std::string name = step.text_or("name", fmt::format("step {}", pieces_.size() + 1));
      out["name"] = name;
      const double length = seconds(step, out, "for_s", 1e-3);
      const double r = rate(step, out, "rate");
      out_["steps"].push_back(std::move(out));
      if (pieces_.size() < 12) {
        description_ +=
            fmt::format("{} {:.6g} s at {:.6g}/s", pieces_.empty() ? "" : ",", length, r);
      }
      add(name, {length, r});
    }
    if (list.size() > 12) description_ += fmt::format(" and {} more", list.size() - 12);
    length_ = at_;
    repeat();
  }

  void ramp() {
    reader_.allow_only({"kind", "from", "from_per_s", "to", "to_per_s", "start_s", "over_s"});
    const double from = rate("from");
    const double to = rate("to");
    const double start = seconds(reader_, out_, "start_s", 0.0, 0.0);
    const double over = seconds(reader_, out_, "over_s", 1e-3);
    add("before", {start, from});
    add("ramp", {over, from, (to - from) / over});
    add("after", {window() - start - over, to});
    description_ = fmt::format("ramp {:.6g}/s to {:.6g}/s over {:.6g} s", from, to, over);
    if (start > 0.0) description_ += fmt::format(" after {:.6g} s", start);
  }

  // One piece and one phase per period, so that the pieces of a long run stay accurate.
  void waves(double mean, double amplitude, double period, double start_angle) {
    const double omega = 2.0 * std::numbers::pi / period;
    const auto count = static_cast<std::size_t>(std::ceil(window() / period));
    if (count > kMaxPhases) too_many("periods", count);
    for (std::size_t i = 0; i < count; ++i) {
      add(fmt::format("period {}", i + 1), {period, mean, 0.0, amplitude, omega, start_angle});
    }
  }

  void sine() {
    reader_.allow_only(
        {"kind", "mean", "mean_per_s", "amplitude", "amplitude_per_s", "period_s", "phase_ratio"});
    const double mean = rate("mean");
    const double amplitude = rate("amplitude");
    const double period = seconds(reader_, out_, "period_s", 1e-3);
    const double phase = reader_.number_or("phase_ratio", 0.0, 0.0, 1.0);
    out_["phase_ratio"] = phase;
    if (amplitude > mean * (1.0 + kSlack)) {
      reader_.complain(
          fmt::format("the amplitude ({:.6g}/s) is larger than the mean ({:.6g}/s): the rate would "
                      "fall below 0",
                      amplitude, mean));
    }
    waves(mean, amplitude, period, 2.0 * std::numbers::pi * phase);
    description_ = fmt::format("sine {:.6g}/s +- {:.6g}/s every {:.6g} s", mean, amplitude, period);
  }

  void diurnal() {
    reader_.allow_only(
        {"kind", "trough", "trough_per_s", "peak", "peak_per_s", "period_s", "peak_at_s"});
    const double trough = rate("trough");
    const double peak = rate("peak");
    const double period = seconds(reader_, out_, "period_s", 1e-3, 86400.0);
    const double peak_at = seconds(reader_, out_, "peak_at_s", 0.0, 0.5 * period);
    if (trough > peak) reader_.complain("the trough is above the peak");
    const double angle = std::numbers::pi / 2.0 - 2.0 * std::numbers::pi * peak_at / period;
    waves(0.5 * (peak + trough), 0.5 * (peak - trough), period, angle);
    description_ = fmt::format("diurnal {:.6g}/s to {:.6g}/s every {:.6g} s", trough, peak, period);
  }

  void spike() {
    reader_.allow_only({"kind", "base", "base_per_s", "peak", "peak_per_s", "at_s", "rise_s",
                        "hold_s", "fall_s", "every_s"});
    const double base = rate("base");
    const double peak = rate("peak");
    const double at = seconds(reader_, out_, "at_s", 0.0);
    const double rise = seconds(reader_, out_, "rise_s", 0.0, 0.0);
    const double hold = seconds(reader_, out_, "hold_s", 0.0);
    const double fall = seconds(reader_, out_, "fall_s", 0.0, 0.0);
    const double one = rise + hold + fall;
    const double every = reader_.has("every_s") ? seconds(reader_, out_, "every_s", 1e-3) : 0.0;
    if (!(one > 0.0)) reader_.complain("a spike of no length: rise_s, hold_s and fall_s are all 0");
    if (every > 0.0 && every < one) {
      reader_.complain(fmt::format("spikes of {:.6g} s every {:.6g} s overlap", one, every));
    }
    const double end = window();
    if (every > 0.0) {
      const auto count = static_cast<std::size_t>(std::ceil(end / every));
      if (count > kMaxPhases / 4) too_many("spikes of up to four phases", count);
    }
    for (double start = at; start < end; start += every) {
      add("base", {start - at_, base});
      if (rise > 0.0) add("rise", {rise, base, (peak - base) / rise});
      add("spike", {hold, peak});
      if (fall > 0.0) add("fall", {fall, peak, (base - peak) / fall});
      if (every == 0.0) break;
    }
    add("base", {end - at_, base});
    description_ =
        fmt::format("spike {:.6g}/s to {:.6g}/s at {:.6g} s for {:.6g} s", base, peak, at, one);
    if (every > 0.0) description_ += fmt::format(", every {:.6g} s", every);
  }

  void trace() {
    reader_.allow_only({"kind", "file", "from_s", "to_s", "time_factor", "rate_factor", "mean",
                        "mean_per_s", "peak", "peak_per_s", "gaps", "zero_run", "repeat"});
    const ConfigReader file_key = reader_.at("file");
    std::filesystem::path file = file_key.text();
    if (file.is_relative() && !context_.folder.empty()) file = context_.folder / file;
    file = std::filesystem::absolute(file).lexically_normal();
    auto trace = read_trace(file);
    if (!trace) file_key.complain(trace.error().message);
    out_["file"] = file.string();

    notes_.push_back(
        fmt::format("trace {}: {}", file.filename().string(), describe(trace->report)));
    const bool bridge = reader_.text_or("gaps", "keep") == "bridge";
    if (reader_.has("gaps")) (void)reader_.at("gaps").one_of({"keep", "bridge"});
    const auto zero_run = reader_.integer_or("zero_run", 0, 0, 1'000'000'000);
    out_["gaps"] = bridge ? "bridge" : "keep";
    out_["zero_run"] = zero_run;
    if (bridge) {
      const std::size_t changed = bridge_gaps(*trace, static_cast<std::size_t>(zero_run));
      notes_.push_back(fmt::format("{} bins without data were bridged", changed));
    }
    const double from = seconds(reader_, out_, "from_s", 0.0, 0.0);
    const double to = seconds(reader_, out_, "to_s", 0.0, trace->report.length_s);
    if (from >= to || from >= trace->report.length_s) {
      reader_.complain(
          fmt::format("nothing of the trace's {:.6g} s lies in [from_s, to_s) = "
                      "[{:.6g}, {:.6g})",
                      trace->report.length_s, from, to));
    }
    const double time_factor = reader_.number_or("time_factor", 1.0, 1e-9, 1e9);
    out_["time_factor"] = time_factor;
    trace_pieces(*trace, from, to, time_factor);
    description_ = fmt::format("trace {} over {:.6g} s, {:.6g}/s mean, {:.6g}/s peak",
                               file.filename().string(), at_, trace_mean_, trace_peak_);
    length_ = at_;
    repeat();
  }

  // time_factor stretches time and leaves rates; the rates are scaled by one of rate_factor,
  // mean and peak.
  void trace_pieces(const Trace& trace, double from, double to, double time_factor) {
    double requests = 0.0;
    double peak = 0.0;
    for (const TraceBin& bin : trace.bins) {
      const double begin = std::max(bin.from_s, from);
      const double end = std::min(bin.from_s + bin.length_s, to);
      if (!(end > begin)) continue;
      const double r = bin.requests / bin.length_s;
      pieces_.push_back({(end - begin) * time_factor, r});
      at_ += (end - begin) * time_factor;
      requests += r * (end - begin) * time_factor;
      peak = std::max(peak, r);
    }
    const double mean = requests / at_;
    const bool by_mean = reader_.has("mean") || reader_.has("mean_per_s");
    const bool by_peak = reader_.has("peak") || reader_.has("peak_per_s");
    if (int{by_mean} + int{by_peak} + int{reader_.has("rate_factor")} > 1) {
      reader_.complain("give one of rate_factor, mean(_per_s) and peak(_per_s)");
    }
    double factor = 1.0;
    if ((by_mean || by_peak) && !(mean > 0.0)) {
      reader_.complain("this part of the trace has no requests, so it cannot be scaled");
    }
    if (by_mean) {
      factor = rate("mean") / mean;
    } else if (by_peak) {
      factor = rate("peak") / peak;
    } else {
      factor = reader_.number_or("rate_factor", 1.0, 0.0, 1e9);
      out_["rate_factor"] = factor;
    }
    for (Piece& piece : pieces_) piece.rate_per_s *= factor;
    trace_mean_ = mean * factor;
    trace_peak_ = peak * factor;
    phases_.push_back({"trace", 0.0, at_, trace_mean_});
  }

  // With `repeat: true` the profile starts again at its end, until the window is full.
  void repeat() {
    const bool wanted = reader_.boolean_or("repeat", false);
    out_["repeat"] = wanted;
    if (!wanted) return;
    const double end = window();
    const auto rounds = static_cast<std::size_t>(std::max(1.0, std::ceil(end / at_ - kSlack)));
    if (rounds * pieces_.size() > kMaxPieces) {
      reader_.complain(fmt::format("repeating {} pieces {} times is too much (at most {})",
                                   pieces_.size(), rounds, kMaxPieces));
    }
    if (rounds * phases_.size() > kMaxPhases) too_many("phases", rounds * phases_.size());
    const auto pieces = pieces_;
    const auto phases = phases_;
    const double length = at_;
    for (std::size_t i = 1; i < rounds; ++i) {
      pieces_.insert(pieces_.end(), pieces.begin(), pieces.end());
      const double shift = static_cast<double>(i) * length;
      for (Phase phase : phases) {
        phase.from_s += shift;
        phase.to_s += shift;
        phases_.push_back(std::move(phase));
      }
    }
    description_ += ", repeated";
    length_.reset();
  }

  // Cuts pieces and phases to the window.
  void finish() {
    if (!context_.duration_s) return;
    const double end = *context_.duration_s;
    double total = 0.0;
    std::size_t kept = 0;
    while (kept < pieces_.size() && total < end * (1.0 - 1e-12)) {
      Piece& piece = pieces_[kept++];
      if (total + piece.length_s > end) piece.length_s = end - total;
      total += piece.length_s;
    }
    pieces_.resize(kept);
    if (total < end * (1.0 - kSlack)) {
      reader_.complain(
          fmt::format("this profile lasts {:.6g} s, but the measured window {:.6g} s: "
                      "lengthen it or say \"repeat: true\"",
                      total, end));
    }
    // A sum of decimal lengths may miss the end by its last bits.
    if (!pieces_.empty()) pieces_.back().length_s += end - total;
    std::erase_if(phases_, [&](const Phase& p) { return p.from_s >= end * (1.0 - 1e-12); });
    if (!phases_.empty()) phases_.back().to_s = end;
    cut_phase_mean();
  }

  void cut_phase_mean() {
    if (phases_.empty()) return;
    const Profile whole(pieces_, phases_);
    Phase& last = phases_.back();
    const double mass = whole.total() - whole.cumulative(last.from_s);
    if (last.to_s > last.from_s) last.rate_per_s = mass / (last.to_s - last.from_s);
  }

  const ConfigReader& reader_;
  ProfileContext context_;
  nlohmann::ordered_json out_;
  std::vector<Piece> pieces_;
  std::vector<Phase> phases_;
  std::string description_;
  std::vector<std::string> notes_;
  double at_ = 0.0;  // end of the last piece
  std::optional<double> length_;
  double trace_mean_ = 0.0;
  double trace_peak_ = 0.0;
};

Profile read_profile(const ConfigReader& reader, const ProfileContext& context) {
  return ProfileReader(reader, context).read();
}

std::optional<double> profile_length_s(const ConfigReader& reader,
                                       const std::filesystem::path& folder) {
  return ProfileReader(reader, {std::nullopt, std::nullopt, folder}).own_length();
}

}  // namespace spate::influx
