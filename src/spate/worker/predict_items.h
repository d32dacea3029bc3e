// SPDX-License-Identifier: Apache-2.0
//
// predict_items(): one batch through a model, whatever the model does.
//
// Threads: any; blocks for as long as the computation takes.
#pragma once

#include <vector>

#include "spate/models/model.h"
#include "spate/wire/messages.h"

namespace spate::worker {

// One result per item, in order, request ids filled in. A bad input is BadInput for that item
// alone; a model that reports another error, throws, or answers too few is ModelFailed.
std::vector<wire::ItemResult> predict_items(models::Model& model,
                                            const std::vector<wire::Item>& items) noexcept;

}  // namespace spate::worker
