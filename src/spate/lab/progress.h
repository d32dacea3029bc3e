// SPDX-License-Identifier: Apache-2.0
//
// Progress: what a person sees while a run goes on: phase, time left, and per model the rate, p99,
// replicas and CPU per replica. On a terminal a block that is rewritten in place; elsewhere a
// plain line every few seconds.
//
// Threads: the loop's thread.
#pragma once

#include <cstdio>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/clock.h"

namespace spate::lab {

struct ModelProgress {
  std::string model;
  double rate_per_s = 0.0;  // offered now
  double answered_per_s = 0.0;
  double p99_ms = 0.0;  // of the last second
  double slo_ms = 0.0;
  int ready = 0;
  int starting = 0;
  double cpu_limit = 0.0;
  double queue = 0.0;
  std::optional<int> wanted{};  // replicas; unset until a file tells
};

struct ProgressView {
  std::string run;    // "vertical, repetition 2 (run 5 of 9)"
  std::string phase;  // "heavy"
  double t_s = 0.0;   // below 0 in the warm-up
  double duration_s = 0.0;
  std::vector<ModelProgress> models;
};

// From influx.progress.json and the last whole line of series.jsonl in `run`. Fields that no file
// tells yet stay as they are.
void read_progress(const std::filesystem::path& run, ProgressView& view);

// One line, at most about 110 columns.
std::string progress_line(const ProgressView& view);
// A line for the run and one per model.
std::string progress_block(const ProgressView& view);

class ProgressPrinter {
 public:
  // Borrows `out`. `terminal`: rewrite in place.
  ProgressPrinter(std::FILE* out, bool terminal) : out_(out), terminal_(terminal) {}
  void show(const ProgressView& view, TimePoint now);
  // A line of its own, for what happens now and then.
  void say(const std::string& line);
  // Leaves the block behind; the next output starts on a fresh line.
  void finish();

 private:
  void clear();

  std::FILE* out_;
  bool terminal_;
  int lines_ = 0;  // of the block now on the screen
  TimePoint last_{};
};

}  // namespace spate::lab
