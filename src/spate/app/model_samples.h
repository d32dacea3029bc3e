// SPDX-License-Identifier: Apache-2.0
//
// ModelSamples: what `spate model predict` is to answer, from whatever the user named: a row,
// a JSON request, a CSV, an image, a folder of images or a data set's split. app only.
//
// Threads: fetch() from any number of threads.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/dataset.h"
#include "spate/models/manifest.h"

namespace spate::app {

struct ModelSamples {
  std::size_t count = 0;
  // Sample `i` in [0, count); its label is "" where none is known.
  std::function<Result<models::Sample>(std::size_t i)> fetch;
  std::vector<models::SkippedSample> skipped;
  bool single = false;  // the user named one input, not many
};

// `input`: a path, else a row "1.2,3.4" or JSON. InvalidArgument says what was expected.
Result<ModelSamples> samples_of_input(const std::string& input, const models::Manifest& manifest);
Result<ModelSamples> samples_of_dataset(const std::filesystem::path& dataset,
                                        const std::string& split, const models::Manifest& manifest);

}  // namespace spate::app
