// SPDX-License-Identifier: Apache-2.0
//
// Single-topic mode's messages: one topic (`data_influx`) for all models, JSON whose "type" says
// which one it is for, as the senders of the original experiment have it:
//
//   {"type":"numeric",        "data":[6.5, 4.9, 15.3]}     a row; {"rm":6.5, …} by name;
//   {"type":"classification", "data":[[7.4, …], [7.8, …]]} or rows
//   {"type":"image",          "data":"<base64 of a JPEG or PNG>"}
//
// For rows the member may also be called "features" or "instances", for images "image"; white
// space inside the base64 and a "data:image/…;base64," prefix are accepted. All other members
// are the sender's own and are ignored, except "id", which names the request unless the message
// has a user property `id`.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spate/base/result.h"

namespace spate::gateway {

enum class InputType : std::uint8_t { Numeric, Classification, Image };

struct SingleTopicInput {
  InputType type = InputType::Numeric;
  std::string content_type;  // application/json, image/jpeg or image/png
  std::string payload;       // as the model's own topic takes it
  std::string id;            // "" = none
};

// InvalidArgument, with a message for the sender, when it is not such a message.
Result<SingleTopicInput> read_single_topic(std::string_view payload);

}  // namespace spate::gateway
