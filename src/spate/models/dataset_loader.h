// SPDX-License-Identifier: Apache-2.0
//
// Dataset::Loader: fills a Dataset being opened. Private to dataset.cc (tables) and
// dataset_images.cc (images).
#pragma once

#include <string>

#include "spate/models/dataset.h"

namespace spate::models {

struct Dataset::Loader {
  Dataset& dataset;

  Status read_tables();
  Status read_images();

 private:
  struct Candidate {
    Item item;
    std::string split;  // "", "train" or "held_out"
  };

  Status read_table(const std::string& file_name);
  // Why the target's cell cannot serve as a label, or "".
  std::string target_problem(const std::string& cell) const;
  Error missing_column(const std::string& file_name, const std::string& column) const;
  void collect_classes();

  Result<std::vector<Candidate>> list_folders();
  Result<std::vector<Candidate>> list_labels_csv();
  void split_and_take(std::vector<Candidate> candidates);
};

}  // namespace spate::models
