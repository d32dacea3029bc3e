// SPDX-License-Identifier: Apache-2.0
//
// Wrappers: rules around any strategy, named in the scenario beside it:
//
//   strategies:
//     calm: {kind: horizontal, wrap: [{kind: cooldown, in_s: 60}, {kind: keep_warm, replicas: 1}]}
//
// The first of the list is the innermost: it changes what the strategy asked, the next one what
// the first made of it. What a wrapper changed stands in the decision's reason. The scenario's
// bounds are applied after all of them.
//
//   limits          replicas and CPU per replica within a range of its own
//   cooldown        no change outwards or inwards for a time after a change
//   dead_band       no change that is smaller than a number or a share of the replicas
//   scale_in_guard  scaling in only to the largest request of a window, and by few at a time
//   keep_warm       parked replicas kept besides (Target::warm_pool)
//   metrics         readings that are late or inexact
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "spate/base/config_reader.h"
#include "spate/scaling/strategies.h"

namespace spate::scaling {

struct WrapperInfo {
  // Name, summary, source and options, `kind` included; `make` is unset.
  StrategyInfo info;
  std::function<std::unique_ptr<Strategy>(const StrategyOptions&, std::unique_ptr<Strategy>)> wrap;
};

const std::vector<WrapperInfo>& wrappers();

// `inner` within the wrappers of `list` (a list of maps with `kind`; nothing = none). Throws
// ConfigError.
std::unique_ptr<Strategy> wrap(std::unique_ptr<Strategy> inner,
                               const std::optional<ConfigReader>& list);

}  // namespace spate::scaling
