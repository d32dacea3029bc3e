// SPDX-License-Identifier: Apache-2.0
//
// Result<T>: a value, or the Error that prevented it. The member names are those
// of std::expected, so that type can replace this one when the toolchain has it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace spate {

enum class ErrorCode {
  InvalidArgument,
  NotFound,
  Timeout,
  Unavailable,
  Exhausted,
  PermissionDenied,
  Internal
};

std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;  // what was tried, on what, and what came back
};

// Error from errno: "<what>: <strerror>", with the code that fits.
Error error_from_errno(std::string_view what, int error_number);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // Require has_value().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Requires !has_value().
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<std::monostate>;
inline Status ok() { return Status{std::monostate{}}; }

}  // namespace spate
