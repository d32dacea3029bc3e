// SPDX-License-Identifier: Apache-2.0
//
// Compare: strategies x repetitions of one scenario, each a run of its own on the same schedule,
// in an order drawn from the seed for each repetition (so that a machine that gets slower or
// busier does not always hit the same strategy).
//
// Threads: the loop's thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/judge/prices.h"

namespace spate::lab {

// One run of an experiment.
struct RunKey {
  std::string label;  // of the strategy
  int repetition = 1;
};

struct CompareOptions {
  std::filesystem::path scenario;
  std::vector<std::string> strategies;  // labels
  int repetitions = 1;
  // Not empty: only these, in this order, among the runs of `strategies` and `repetitions`. `out`
  // may then hold others already, made on this machine with this scenario; their capacity holds for
  // the new ones too. What is left of an unfinished one of these is removed.
  std::vector<RunKey> runs;
  // The title of a run in the progress; unset: strategy, repetition and which of how many.
  std::function<std::string(const RunKey&)> title;
  std::filesystem::path out;  // empty: var/runs/<scenario>-<UTC time>
  std::optional<std::uint64_t> seed;
  std::optional<judge::Prices> prices;  // in place of the scenario's
  std::string broker_url;               // "" = Spate's own
  bool remeasure = false;
  std::string limits = "auto";         // auto | cgroup | duty_cycle | none
  std::string http;                    // "[address:]port" of the gateway's pages; "": a free port
  std::string backend = "process";     // process | docker: where the components run
  std::string image = "spate:latest";  // docker: the components' image
  std::string docker_socket = "/var/run/docker.sock";  // docker: the engine's
  std::filesystem::path program;                       // empty: this very program
  std::string version;                                 // of Spate
};

struct CompareOutcome {
  std::filesystem::path directory;
  int runs = 0;  // begun
  bool interrupted = false;
  std::optional<Error> failure;  // a run that could not begin; nothing was run after it
};

// The scenario does not fit the machine; the message has the arithmetic.
struct Refused {
  std::string message;
};

// Blocks until all is done and every process has ended. Throws ConfigError for bad settings and
// missing inputs, and Refused, before anything has been started.
CompareOutcome compare(const CompareOptions& options);

// The path of the running `spate`. Throws ConfigError without /proc.
std::filesystem::path this_program();

// The order of `labels` in repetition `repetition` (from 1).
std::vector<std::string> order_of(std::vector<std::string> labels, std::uint64_t seed,
                                  int repetition);

}  // namespace spate::lab
