// SPDX-License-Identifier: Apache-2.0
//
// Synthetic experiment directories, for tests of the summary and the report: what an experiment
// with three strategies would leave, computed by a small fluid model. Nothing in it is measured.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace spate::test {

struct SyntheticExperiment {
  std::vector<std::string> strategies = {"none", "horizontal", "vertical"};
  int repetitions = 1;
  // Times each phase of 15/30/30/30 s.
  double stretch = 1.0;
  // Runs that are marked invalid or disturbed, by name ("vertical-2").
  std::vector<std::string> invalid;
  std::vector<std::string> disturbed;
};

// Writes everything that `spate compare` does except summary.json and report.html.
void write_experiment(const std::filesystem::path& directory, const SyntheticExperiment& what);

}  // namespace spate::test
