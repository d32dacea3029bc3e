// SPDX-License-Identifier: Apache-2.0
//
// answer_of(): runs a loop of its own until one call to the engine has answered. For start-up,
// where blocking is right; calls have time limits, so it returns.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>

#include "spate/base/result.h"

namespace spate::adapters {

template <class T>
Result<T> answer_of(boost::asio::io_context& loop,
                    const std::function<void(std::function<void(Result<T>)>)>& begin) {
  std::optional<Result<T>> answer;
  begin([&](Result<T> result) { answer.emplace(std::move(result)); });
  loop.restart();
  while (!answer && loop.run_one() > 0) {
  }
  if (!answer) return Error{ErrorCode::Internal, "the call to the Docker engine got lost"};
  return std::move(*answer);
}

}  // namespace spate::adapters
