// SPDX-License-Identifier: Apache-2.0
//
// Any bytes into the readers of what comes from outside: traces, saved schedules and answers. The
// first byte chooses the reader. What a reader accepts keeps its promises.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "spate/base/check.h"
#include "spate/base/config_error.h"
#include "spate/influx/answer.h"
#include "spate/influx/schedule.h"
#include "spate/influx/trace.h"

namespace {

using namespace spate::influx;

void trace(std::string_view text) {
  auto trace = parse_trace(text, "fuzz");
  if (!trace) return;
  SPATE_CHECK(trace->bins.size() == trace->missing.size(), "a mark for each bin");
  bridge_gaps(*trace, 1);
  for (const TraceBin& bin : trace->bins) {
    SPATE_CHECK(bin.length_s > 0.0 && bin.requests >= 0.0, "a bin is wide and not negative");
  }
  (void)describe(trace->report);
}

void schedule(std::string_view text) {
  try {
    const Schedule read = parse_schedule(text, "fuzz");
    const Schedule again = parse_schedule(schedule_text(read), "again");
    SPATE_CHECK(again == read, "a schedule survives being written and read");
  } catch (const spate::ConfigError&) {
    // A complaint is what a bad file should get.
  }
}

void answer(std::string_view text) {
  static AnswerParser parser;
  const Answer answer = parser.parse(text);
  if (answer.kind == Answer::Kind::Value) {
    SPATE_CHECK(std::isfinite(answer.value), "JSON has finite numbers only");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      trace(text);
      break;
    case 1:
      schedule(text);
      break;
    default:
      answer(text);
  }
  return 0;
}
