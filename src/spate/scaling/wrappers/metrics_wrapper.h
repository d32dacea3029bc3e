// SPDX-License-Identifier: Apache-2.0
//
// metrics_wrapper(): the wrapper `metrics`, a delay and a noise of a strategy's own samplers, live
// and simulated. wrappers.h has the list it stands in.
//
// Threads: any.
#pragma once

#include "spate/scaling/wrappers/wrappers.h"

namespace spate::scaling {

WrapperInfo metrics_wrapper();

}  // namespace spate::scaling
