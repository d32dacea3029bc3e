// SPDX-License-Identifier: Apache-2.0
//
// WorkerListener: accepts the connections that workers dial in with, on "unix:/path" or
// "tcp:host:port". A Unix socket's file is readable and writable by its owner only; a file left
// behind by a gateway that was killed is replaced, one that somebody listens on is not.
//
// Threads: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/gateway/worker_link.h"

namespace spate::gateway {

class WorkerListener {
 public:
  using Accepted = std::function<void(WorkerLink::Socket)>;

  // InvalidArgument: the address cannot be read. Unavailable or PermissionDenied: it cannot be
  // bound.
  static Result<std::unique_ptr<WorkerListener>> listen(boost::asio::io_context& loop, Clock& clock,
                                                        const std::string& address,
                                                        Accepted accepted);
  virtual ~WorkerListener() = default;

  // "unix:/path" or "tcp:host:port" with the port that was bound.
  virtual const std::string& address() const = 0;
};

}  // namespace spate::gateway
