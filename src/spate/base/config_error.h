// SPDX-License-Identifier: Apache-2.0
//
// ConfigError: bad settings, a missing file, an unknown name. Thrown at start-up only,
// caught once, in main, which prints it and exits with status 2.
#pragma once

#include <stdexcept>
#include <string>

namespace spate {

class ConfigError : public std::runtime_error {
 public:
  // `what` reads as a sentence a person can act on: where (file:line, key path), what was
  // expected, what was found.
  explicit ConfigError(const std::string& what) : std::runtime_error(what) {}
};

}  // namespace spate
