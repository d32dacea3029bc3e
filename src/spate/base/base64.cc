// SPDX-License-Identifier: Apache-2.0
#include "spate/base/base64.h"

#include <openssl/evp.h>

namespace spate {

std::string base64_encode(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // EVP writes a closing NUL
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return Error{ErrorCode::InvalidArgument, "base64: the length is not a multiple of 4"};
  }
  if (text.empty()) return std::string();
  std::size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  // EVP_DecodeBlock skips leading white space and stops at some others, so check first.
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto bad = text.substr(0, text.size() - padding).find_first_not_of(kAlphabet);
  if (bad != std::string_view::npos) {
    return Error{ErrorCode::InvalidArgument,
                 "base64: character " + std::to_string(bad) + " is not in the alphabet"};
  }
  std::string out(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (length < 0) return Error{ErrorCode::InvalidArgument, "base64: not valid"};
  out.resize(static_cast<std::size_t>(length) - padding);
  return out;
}

}  // namespace spate
