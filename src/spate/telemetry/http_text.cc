// SPDX-License-Identifier: Apache-2.0
#include "spate/telemetry/http_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "spate/base/check.h"
#include "spate/telemetry/http_server.h"

namespace spate::telemetry {

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (text.size() - i < 3) return std::nullopt;
      unsigned value = 0;
      const char* const end = text.data() + i + 3;
      const auto [at, error] = std::from_chars(text.data() + i + 1, end, value, 16);
      if (error != std::errc{} || at != end) return std::nullopt;
      out += static_cast<char>(value);
      i += 2;
    }
  }
  return out;
}

std::string query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    if (percent_decode(pair.substr(0, equals), true) == name) {
      return percent_decode(pair.substr(std::min(equals + 1, pair.size())), true).value_or("");
    }
  }
  return "";
}

bool is_loopback_host(std::string_view host) {
  const std::string_view bracketed = "[::1]";
  if (host == bracketed || host.starts_with("[::1]:")) return true;
  host = host.substr(0, host.find(':'));
  if (host == "localhost") return true;
  // 127.a.b.c in full: a name such as 127.example.org is not one of ours.
  return host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_same_site(std::string_view origin, std::string_view host) {
  if (origin.empty()) return true;
  return origin == "http://" + std::string(host) || origin == "https://" + std::string(host);
}

std::string chunk_of(std::string_view bytes) {
  SPATE_CHECK(!bytes.empty(), "an empty chunk ends the body");
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

}  // namespace spate::telemetry
