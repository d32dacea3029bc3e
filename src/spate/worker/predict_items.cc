// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/predict_items.h"

#include <exception>
#include <utility>

namespace spate::worker {
namespace {

using wire::ItemCode;
using wire::ItemResult;

ItemResult to_item(std::uint64_t request_id, const Result<models::Prediction>& result) {
  if (result) {
    return {request_id, ItemCode::Ok, models::to_json_fragment(*result)};
  }
  const bool bad_input = result.error().code == ErrorCode::InvalidArgument;
  return {request_id, bad_input ? ItemCode::BadInput : ItemCode::ModelFailed,
          result.error().message};
}

std::vector<ItemResult> all_failed(const std::vector<wire::Item>& items, const std::string& why) {
  std::vector<ItemResult> out;
  out.reserve(items.size());
  for (const wire::Item& item : items) {
    out.push_back({item.request_id, ItemCode::ModelFailed, why});
  }
  return out;
}

}  // namespace

// noexcept: only running out of memory here could throw, and then there is nothing to answer with.
std::vector<ItemResult> predict_items(models::Model& model,
                                      const std::vector<wire::Item>& items) noexcept {
  try {
    std::vector<models::Input> inputs;
    inputs.reserve(items.size());
    for (const wire::Item& item : items) inputs.push_back({item.content_type, item.payload});
    const auto predictions = model.predict(inputs);
    if (predictions.size() != items.size()) {
      return all_failed(items, "the model gave " + std::to_string(predictions.size()) +
                                   " answers to " + std::to_string(items.size()) + " inputs");
    }
    std::vector<ItemResult> out;
    out.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      out.push_back(to_item(items[i].request_id, predictions[i]));
    }
    return out;
  } catch (const std::exception& error) {
    return all_failed(items, std::string("the model threw: ") + error.what());
  } catch (...) {
    return all_failed(items, "the model threw something that is not an exception");
  }
}

}  // namespace spate::worker
