// SPDX-License-Identifier: Apache-2.0
//
// Any text as a machine profile. One that is accepted gives the simulator figures that it can
// compute with.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "spate/base/check.h"
#include "spate/base/config_error.h"
#include "spate/sim/machine_profile.h"

namespace {

using namespace spate;
using namespace spate::sim;

void check(const Law& law) {
  Rng rng(1, "fuzz");
  const double drawn = law.sample_ns(rng);
  SPATE_CHECK(std::isfinite(drawn) && drawn >= 0.0, "a time that can be waited for");
  SPATE_CHECK(std::isfinite(law.mean_ns()) && law.mean_ns() >= 0.0, "a mean likewise");
}

void check(const ServiceLaws& laws) {
  for (const auto& entry : laws.entries) check(entry.law);
  SPATE_CHECK(std::adjacent_find(laws.entries.begin(), laws.entries.end(),
                                 [](const auto& a, const auto& b) { return a.batch >= b.batch; }) ==
                  laws.entries.end(),
              "sizes of batches rise");
  if (laws.entries.empty()) return;
  for (const int batch : {1, 2, 3, 8, 1024}) {
    SPATE_CHECK(std::isfinite(laws.mean_ns(batch)), "the mean of any batch");
    const auto draw = laws.of(batch);
    SPATE_CHECK(draw.law != nullptr && std::isfinite(draw.scale), "a law for any batch");
  }
}

void check(const StartLaws& start) {
  check(start.spawn);
  check(start.to_main);
  check(start.load);
}

void check(const ProfiledModel& model) {
  check(model.service);
  check(model.service_threads);
  check(model.service_rested);
  check(model.start);
  if (model.start_busy) check(*model.start_busy);
  for (const int batch : {1, 16, 4096}) (void)memory_bytes_of(model, batch);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const MachineProfile profile = read_machine_profile(ConfigReader::from_text(text, "fuzz"));
    for (const auto* law :
         {&profile.limit_delay, &profile.decide, &profile.to_gateway, &profile.from_gateway}) {
      check(*law);
    }
    for (const auto& transport : profile.transport) check(transport.law);
    for (const auto& model : profile.models) {
      check(model);
      SPATE_CHECK(&profile.model(model.name) == &model, "each model has a name of its own");
    }
  } catch (const ConfigError&) {
    // A complaint is what a bad file should get; any other exception is a fault.
  }
  return 0;
}
