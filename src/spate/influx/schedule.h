// SPDX-License-Identifier: Apache-2.0
//
// Schedule: every request of a run, fixed before it begins: when it is meant to leave, for which
// model, with which sample of the data set. Equal settings and seeds give equal bytes, so every
// strategy that is compared, and the simulator, sees the same demand.
//
// Random streams are named: the times of a model come from "arrivals/<model>" (its warm-up from
// "warm_up/<model>"), its samples from "payload/<model>". Adding a model or changing one's rate
// leaves the others' requests as they are.
//
// Threads: one object, one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/rng.h"
#include "spate/influx/arrivals.h"
#include "spate/influx/profile.h"

namespace spate::influx {

struct PlannedRequest {
  Duration at{0};            // from the start of the measured window; negative in the warm-up
  std::uint32_t model = 0;   // index into Schedule::models
  std::uint32_t sample = 0;  // index into the model's data set
  friend bool operator==(const PlannedRequest&, const PlannedRequest&) = default;
};

struct ScheduleModel {
  std::string name;
  std::uint32_t samples = 1;  // size of the data set, at least 1
  friend bool operator==(const ScheduleModel&, const ScheduleModel&) = default;
};

struct Schedule {
  std::vector<ScheduleModel> models;
  Duration warm_up{0};   // the run starts at -warm_up
  Duration duration{0};  // the measured window is [0, duration)
  std::uint64_t seed = 0;
  std::uint64_t run = 0;
  std::vector<PlannedRequest> requests;  // by time; at the same instant by model

  std::size_t warm_up_requests() const;  // those before 0 come first
  friend bool operator==(const Schedule&, const Schedule&) = default;
};

// The times of one model, in seconds from the profile's start, one at a time: what the
// simulator uses for runs that are too long to hold.
class ArrivalTimes {
 public:
  ArrivalTimes(std::shared_ptr<const Profile> profile, const ArrivalOptions& law, Rng rng);
  // The next time in nanoseconds from the profile's start, rounded down, below its end; nothing
  // when the profile is over.
  std::optional<Duration> next();

 private:
  std::shared_ptr<const Profile> profile_;
  std::unique_ptr<Arrivals> law_;
  Rng rng_;
  ProfileCursor cursor_;
  std::optional<Modulation> modulation_;
  Duration end_;
  bool first_ = true;
};

// Sample indices: the data set in random order, then in another random order, and so on. Each
// sample is used equally often, so a short run meets the data set's mix of labels.
class SampleOrder {
 public:
  SampleOrder(std::uint32_t samples, Rng rng);  // Requires samples > 0.
  std::uint32_t next();

 private:
  std::vector<std::uint32_t> order_;
  std::size_t at_ = 0;
  Rng rng_;
};

struct DemandModel {
  std::string name;
  std::uint32_t samples = 1;
  std::shared_ptr<const Profile> profile;  // its duration is the measured window's
  ArrivalOptions arrivals;
};

struct ScheduleOptions {
  std::uint64_t seed = 1;
  std::uint64_t run = 0;
  double warm_up_s = 0.0;  // at the profile's first rate
  double duration_s = 0.0;
  std::vector<DemandModel> models;
};

// One request after another of all models, in order. Memory does not grow with the run.
class ScheduleStream {
 public:
  explicit ScheduleStream(const ScheduleOptions& options);
  std::optional<PlannedRequest> next();

 private:
  struct Source {
    std::optional<ArrivalTimes> warm_up;
    ArrivalTimes times;
    SampleOrder samples;
    Duration next{0};
    bool over = false;
  };
  void advance(Source& source);

  Duration warm_up_{0};
  std::vector<Source> sources_;
};

// Throws ConfigError for more than 2^32 - 1 requests or a model without samples or profile.
Schedule make_schedule(const ScheduleOptions& options);

// --- files ------------------------------------------------------------------------------------
// Text: line 1 "# spate-schedule 1", line 2 "# " and a JSON object (models, samples, warm_up_ns,
// duration_ns, seed, run, requests, sha256 of everything after line 3), line 3
// "at_ns,model,sample", then one request a line.

std::string schedule_text(const Schedule& schedule);
// Throws ConfigError with "name:line: ..." when the text is not in that form, out of order, out of
// range, or was changed (checksum).
Schedule parse_schedule(std::string_view text, const std::string& name);
void save_schedule(const Schedule& schedule, const std::filesystem::path& file);
Schedule load_schedule(const std::filesystem::path& file);

}  // namespace spate::influx
