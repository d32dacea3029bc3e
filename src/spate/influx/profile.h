// SPDX-License-Identifier: Apache-2.0
//
// Profile: demand over time as a rate and its exact integral. influx and the simulator make
// their arrivals from it, lab draws it and names its phases.
//
//   rate(t)        requests per second, t in [0, duration)
//   cumulative(t)  = integral of rate from 0 to t, in closed form
//   inverse(n)     the earliest t with cumulative(t) >= n
//
// A profile is a row of pieces, each a straight line or a sine. docs/influx.md shows every kind
// as it stands in a scenario.
//
// Threads: immutable after construction.
#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/config_reader.h"
#include "spate/influx/sine_walk.h"

namespace spate::influx {

// A stretch of the profile that a person would name. Phases tile [0, duration).
struct Phase {
  std::string name;
  double from_s = 0.0;
  double to_s = 0.0;
  double rate_per_s = 0.0;  // mean over the phase
};

// rate(u) = rate + slope * u + amplitude * sin(omega * u + angle), with u = t - start of the
// piece, and never below 0 (the maker sees to that).
struct Piece {
  double length_s = 0.0;
  double rate_per_s = 0.0;
  double slope_per_s2 = 0.0;
  double amplitude_per_s = 0.0;
  double omega = 0.0;  // radians per second; > 0 where amplitude is not 0
  double angle = 0.0;  // radians

  double rate(double u) const;
  double mass(double u) const;       // integral of rate from 0 to u
  double when(double wanted) const;  // inverse of mass, in [0, length]
};

class Profile {
 public:
  // Empty: duration 0.
  Profile() = default;
  // Requires every length > 0 and every rate >= 0 within its piece. Phases may be empty; one
  // that covers everything is made then.
  explicit Profile(const std::vector<Piece>& pieces, std::vector<Phase> phases = {},
                   std::string description = "");
  static Profile constant(double rate_per_s, double duration_s);

  double duration_s() const { return duration_s_; }
  double total() const { return total_; }  // expected number of requests
  double peak_per_s() const { return peak_; }

  double rate(double t_s) const;          // 0 outside [0, duration)
  double cumulative(double t_s) const;    // clamped outside
  double inverse(double requests) const;  // infinity beyond total(); 0 for <= 0

  // The phase in force at t, the last one from the end on; nullptr for an empty profile.
  const Phase* phase_at(double t_s) const;
  const std::vector<Phase>& phases() const { return phases_; }
  // One line for people: "steps: 15 s at 2.1/s, 30 s at 10.5/s".
  const std::string& description() const { return description_; }
  // JSON text of the same profile with every rate in requests per second and absolute paths:
  // reading it back gives an equal profile. "" unless made by read_profile().
  const std::string& resolved_json() const { return resolved_json_; }
  // What a person should know about the source (gaps in a trace); also in the report.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  friend class ProfileCursor;
  friend class ProfileReader;
  struct Placed {
    Piece piece;
    double from_s;
    double before;  // cumulative(from_s)
    double mass;    // of the piece
  };

  std::vector<Placed> placed_;
  std::vector<Phase> phases_;
  std::string description_;
  std::string resolved_json_;
  std::vector<std::string> notes_;
  double duration_s_ = 0.0;
  double total_ = 0.0;
  double peak_ = 0.0;
};

// Walks a profile in steps of expected requests, O(1) amortised, without losing precision over
// a long run. Borrows the profile.
class ProfileCursor {
 public:
  explicit ProfileCursor(const Profile& profile) : profile_(&profile) {}
  // Moves on by `requests` >= 0 and returns the time in seconds; infinity once past the end.
  double advance(double requests);
  // Expected requests from here until `t_s`; 0 when that lies behind. What lies beyond the
  // profile's end has none.
  double until(double t_s) const;
  void move_to(double t_s);  // no effect when that lies behind
  bool over() const;         // at the end

 private:
  const Profile* profile_;
  std::size_t index_ = 0;
  double offset_ = 0.0;  // requests since the start of piece index_
  SineWalk sine_;
};

struct ProfileContext {
  // Length of the measured window. Absent: the profile's own length, which constant, sine,
  // diurnal, ramp and spike do not have. A profile with a length of its own is cut at the
  // window's end; one that is shorter than the window is an error.
  std::optional<double> duration_s;
  // Requests per second that 1 stands for in `rate` and its like (one replica's SLO capacity).
  // Absent: only the `..._per_s` keys are allowed.
  std::optional<double> scale;
  // Relative trace files are looked up here; empty: the working directory.
  std::filesystem::path folder;
};

// Reads a profile strictly. Throws ConfigError.
Profile read_profile(const ConfigReader& reader, const ProfileContext& context);

// The length that the profile has of itself (steps, trace; with `repeat` none). Throws
// ConfigError on a bad profile.
std::optional<double> profile_length_s(const ConfigReader& reader,
                                       const std::filesystem::path& folder = {});

}  // namespace spate::influx
