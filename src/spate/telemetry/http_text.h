// SPDX-License-Identifier: Apache-2.0
//
// The text side of HttpServer: percent-decoding, Host and Origin rules. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace spate::telemetry {

// Nothing on a '%' that two hex digits do not follow. `plus_is_space`: in query strings.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// True for "localhost", 127.0.0.0/8 and [::1], each with or without a port.
bool is_loopback_host(std::string_view host);

// True when a request to `host` (its Host header) was sent by a page of the same site, or by no
// page at all (no Origin header).
bool is_same_site(std::string_view origin, std::string_view host);

// The bytes of one HTTP/1.1 chunk. Requires !bytes.empty(): an empty chunk would end the body.
std::string chunk_of(std::string_view bytes);

}  // namespace spate::telemetry
