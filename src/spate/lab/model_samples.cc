// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/model_samples.h"

#include <fmt/format.h>

#include <algorithm>

#include "spate/models/dataset.h"

namespace spate::lab {
namespace {

constexpr std::size_t kSamples = 64;  // distinct samples sent in turn

}  // namespace

Result<std::vector<wire::Item>> load_samples(const ModelScenario& model) {
  const auto dataset = models::Dataset::open(model.dataset);
  if (!dataset) return dataset.error();
  const auto size = dataset->size(model.split);
  if (!size) return size.error();
  if (*size == 0) {
    return Error{ErrorCode::NotFound,
                 fmt::format("the split {} of {} is empty", model.split, model.dataset.string())};
  }
  std::vector<wire::Item> out;
  const std::size_t count = std::min(kSamples, *size);
  for (std::size_t i = 0; i < count; ++i) {
    auto sample = dataset->sample(model.split, i * *size / count);
    if (!sample) return sample.error();
    wire::Item item;
    item.content_type = sample->content_type;
    item.payload = std::move(sample->payload);
    out.push_back(std::move(item));
  }
  return out;
}

std::string profiled_name(const ModelScenario& model) {
  const auto path = model.model.lexically_normal();
  return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

}  // namespace spate::lab
