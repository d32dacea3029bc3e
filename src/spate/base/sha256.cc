// SPDX-License-Identifier: Apache-2.0
#include "spate/base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <memory>

#include "spate/base/check.h"

namespace spate {
namespace {

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    SPATE_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1, "SHA-256 exists");
  }
  void update(std::string_view bytes) {
    SPATE_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "digest update");
  }
  std::string hex() {
    std::array<unsigned char, 32> out{};
    SPATE_CHECK(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1, "digest final");
    std::string text;
    for (const unsigned char byte : out) {
      constexpr char kDigits[] = "0123456789abcdef";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  Digest digest;
  digest.update(bytes);
  return digest.hex();
}

Result<std::string> sha256_hex_of_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return error_from_errno("cannot open " + path.string(), errno);
  Digest digest;
  std::string block(1 << 16, '\0');
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    digest.update(std::string_view(block.data(), static_cast<std::size_t>(in.gcount())));
  }
  return digest.hex();
}

}  // namespace spate
