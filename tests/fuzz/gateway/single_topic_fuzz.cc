// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a message of single-topic mode, and as the text in a result's JSON. What is
// accepted has a payload; every refusal says why.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "spate/base/check.h"
#include "spate/gateway/request.h"
#include "spate/gateway/single_topic.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto input = spate::gateway::read_single_topic(text);
  if (input) {
    SPATE_CHECK(!input->payload.empty() && !input->content_type.empty(), "accepted without input");
  } else {
    SPATE_CHECK(!input.error().message.empty(), "refused without a reason");
  }
  // A string that JSON readers take: quoted, nothing below U+0020 and no lone quote inside.
  std::string json;
  spate::gateway::append_json_string(json, text);
  SPATE_CHECK(json.size() >= 2 && json.front() == '"' && json.back() == '"', "no quotes");
  for (std::size_t i = 1; i + 1 < json.size(); ++i) {
    SPATE_CHECK(static_cast<unsigned char>(json[i]) >= 0x20, "a control character");
    if (json[i] == '\\') {
      ++i;
    } else {
      SPATE_CHECK(json[i] != '"', "a quote that ends the string early");
    }
  }
  return 0;
}
