// SPDX-License-Identifier: Apache-2.0
//
// Measuring a machine and its models for a profile: real workers on a bench (worker_bench.h) for
// everything that is a worker's own, and one light live run for what broker and gateway add.
// docs/profile.md says what is measured how, and why.
//
// Threads: the loop's thread.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "spate/lab/profile_samples.h"
#include "spate/lab/scenario.h"

namespace spate::lab {

struct ProfileOptions {
  std::filesystem::path program;  // the `spate` binary
  std::filesystem::path work;     // working folder, made and removed
  std::string spate_version;
  std::string limits = "auto";
  std::vector<int> batches = {1, 2, 4, 8};  // ascending, from 1
  std::vector<double> check_cpus = {0.3, 0.5, 1.0};
  double seconds = 4.0;  // for a point: so long with at least 60 calls, at most twice that
  int starts = 10;       // of each model, idle and busy
  int limit_changes = 12;
  double live_seconds = 16.0;  // of the live run, 0: no live run (no transport is measured)
  // Shares of the CPUs beside whose use transport is measured: ascending from 0, at most 1.
  std::vector<double> loads = {0.0, 0.1, 0.25, 0.5, 0.75, 1.0};
  // Where progress is told; never empty.
  std::function<void(const std::string&)> say = [](const std::string&) {};
};

// Blocks for some minutes. Each model once, by its directory's name. Errors name the model and
// what failed; an interrupt is one.
Result<ProfileSamples> measure_profile(LiveLoop& loop, const std::vector<ModelScenario>& models,
                                       const ProfileOptions& options);

// The parts, for themselves. `cores` >= 1: CPUs of the machine.
Result<ModelSamples> measure_model(LiveLoop& loop, WorkerBench& bench, const ModelScenario& model,
                                   int cores, const ProfileOptions& options);
Result<std::vector<FollowSample>> measure_follows(LiveLoop& loop, WorkerBench& bench,
                                                  const ModelScenario& model,
                                                  const ProfileOptions& options);
// `call_s`: a call's mean, by which the load is kept light.
Result<TransportSamples> measure_transport(LiveLoop& loop, const ModelScenario& model,
                                           double call_s, const ProfileOptions& options);
// The same beside workers of `heavy` that use from none to all of the CPUs. Each is kept to about
// 0.3 CPU and called for one request at a time, so that they compute and stand in turn: the kernel
// then moves the rest from CPU to CPU, and away from one that computes only late.
Result<std::vector<TransportSamples::Loaded>> measure_loaded_transport(
    LiveLoop& loop, WorkerBench& bench, const ModelScenario& heavy, const ModelScenario& model,
    double call_s, int cores, const ProfileOptions& options);
// What a bench is told to start.
scaling::ReplicaSpec bench_spec(const ModelScenario& model, const char* mode, double cpus);

}  // namespace spate::lab
