// SPDX-License-Identifier: Apache-2.0
#include "spate/base/result.h"

#include <cerrno>
#include <cstring>

namespace spate {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return "invalid argument";
    case ErrorCode::NotFound:
      return "not found";
    case ErrorCode::Timeout:
      return "timeout";
    case ErrorCode::Unavailable:
      return "unavailable";
    case ErrorCode::Exhausted:
      return "exhausted";
    case ErrorCode::PermissionDenied:
      return "permission denied";
    case ErrorCode::Internal:
      return "internal";
  }
  return "unknown";
}

Error error_from_errno(std::string_view what, int error_number) {
  ErrorCode code = ErrorCode::Internal;
  switch (error_number) {
    case ENOENT:
      code = ErrorCode::NotFound;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::PermissionDenied;
      break;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
      code = ErrorCode::Exhausted;
      break;
    case ETIMEDOUT:
      code = ErrorCode::Timeout;
      break;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EAGAIN:
      code = ErrorCode::Unavailable;
      break;
    case EINVAL:
      code = ErrorCode::InvalidArgument;
      break;
    default:
      break;
  }
  return Error{code, std::string(what) + ": " + std::strerror(error_number)};
}

}  // namespace spate
