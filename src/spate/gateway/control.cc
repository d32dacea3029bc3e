// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/control.h"

namespace spate::gateway {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::Answered:
      return "answered";
    case Outcome::BadInput:
      return "bad_input";
    case Outcome::UnknownModel:
      return "unknown_model";
    case Outcome::Overloaded:
      return "overloaded";
    case Outcome::Expired:
      return "expired";
    case Outcome::ModelFailed:
      return "model_failed";
    case Outcome::ShuttingDown:
      return "shutting_down";
  }
  return "?";
}

}  // namespace spate::gateway
