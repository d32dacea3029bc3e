// SPDX-License-Identifier: Apache-2.0
//
// Runs a suite: every cell on a pool of threads, what is done already taken from its file.
//
// Threads: run_suite() starts its own and joins them; `progress` is called under a lock.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/suite/cell.h"
#include "spate/suite/suite.h"

namespace spate::suite {

struct RunOptions {
  std::filesystem::path out;
  int threads = 1;
  bool fresh = false;   // cells are simulated again even if their files are there
  std::string version;  // cells of another version are simulated again
  std::function<void(const Cell& cell, std::size_t done, std::size_t total, bool kept)> progress;
  // Asked before each cell; true ends the run (what is done is kept).
  std::function<bool()> stop;
};

// In the order demand, strategy, seed. A cell's file is written as soon as it is done:
// <out>/cells/<demand>/<strategy>-<seed>.json. Errors: a file that cannot be written; Unavailable
// when it was stopped.
Result<std::vector<Cell>> run_suite(const Suite& suite, const scaling::StrategyRegistry& registry,
                                    const RunOptions& options);

}  // namespace spate::suite
