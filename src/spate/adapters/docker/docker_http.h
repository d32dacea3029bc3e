// SPDX-License-Identifier: Apache-2.0
//
// DockerCall: one HTTP exchange with the engine over its Unix socket, on a connection of its own.
// Internal to adapters/docker.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "spate/adapters/docker/docker_client.h"

namespace spate::adapters {

struct DockerRequest {
  std::string verb;    // GET, POST, DELETE
  std::string target;  // with the version prefix
  std::string body;    // JSON, or ""
  Duration timeout{};  // 0 = none
  // Set: the body is handed over as it arrives and the response has none.
  std::function<void(std::string_view)> on_body;
  std::function<void()> on_head;  // the head of a 2xx response is here
};

struct DockerResponse {
  int status = 0;
  std::string body;
};

class DockerCall : public std::enable_shared_from_this<DockerCall> {
 public:
  virtual ~DockerCall() = default;
  // No handler is called afterwards.
  virtual void cancel() = 0;

  // `done` gets the response, whatever its status, or why there was none.
  static std::shared_ptr<DockerCall> begin(boost::asio::io_context& loop,
                                           const DockerOptions& options, DockerRequest request,
                                           std::function<void(Result<DockerResponse>)> done);
};

// The engine's {"message": "..."} of an error response as an Error that fits its status.
Error docker_error(const DockerRequest& request, const DockerResponse& response);
std::string percent_encode(std::string_view text);

}  // namespace spate::adapters
