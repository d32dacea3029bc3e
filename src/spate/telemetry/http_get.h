// SPDX-License-Identifier: Apache-2.0
//
// http_get: one GET over plain HTTP/1.1, waiting for the answer. For short-lived commands
// (`spate health`) and tests; a server's loop must not call it.
//
// Threads: any; it blocks the calling one for at most `timeout`.
#pragma once

#include <cstddef>
#include <string>

#include "spate/base/clock.h"
#include "spate/base/result.h"

namespace spate::telemetry {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// `url`: http://HOST[:PORT][/PATH], HOST a name or an address ("[::1]" for IPv6). No redirects,
// no TLS. InvalidArgument: not such a URL. Unavailable: nobody answers there, or not in HTTP.
// Timeout: no whole answer within `timeout`. Exhausted: a body above `max_body_bytes`.
Result<HttpAnswer> http_get(const std::string& url, Duration timeout,
                            std::size_t max_body_bytes = 64U << 10);

}  // namespace spate::telemetry
