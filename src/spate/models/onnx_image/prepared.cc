// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/prepared.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include "spate/base/sha256.h"

namespace spate::models {
namespace fs = std::filesystem;
namespace {

// Follows the model's bytes. Little-endian, as are the models.
struct Seal {
  std::array<char, 8> magic;
  std::uint64_t size;  // bytes before the seal
  std::uint64_t checksum;
};
constexpr std::array<char, 8> kMagic = {'s', 'p', 'a', 't', 'e', 'o', 'r', '1'};
static_assert(sizeof(Seal) == 24);

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

Status append_seal(const fs::path& path) {
  Seal seal{kMagic, 0, 0};
  {
    const auto file = MappedFile::open(path);
    if (!file) return file.error();
    seal.size = (*file)->bytes().size();
    seal.checksum = checksum64((*file)->bytes());
  }
  const Descriptor out(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (out.get() < 0) return error_from_errno("cannot open " + path.string(), errno);
  if (::write(out.get(), &seal, sizeof seal) != static_cast<ssize_t>(sizeof seal)) {
    return error_from_errno("cannot write " + path.string(), errno);
  }
  // Before the rename: after a power cut the name must not stand for a file half written.
  if (::fsync(out.get()) != 0) return error_from_errno("cannot sync " + path.string(), errno);
  return ok();
}

void remove_other_versions(const fs::path& folder, const PreparedKey& key) {
  const std::string ours = key.file_name();
  const std::string prefix = key.runtime + "-" + key.cpu + "-";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name != ours) fs::remove(entry.path(), ignored);
  }
}

}  // namespace

std::string PreparedKey::file_name() const {
  return fmt::format("{}-{}-{}.ort", runtime, cpu, model);
}

std::string cpu_fingerprint(std::string_view cpuinfo) {
  std::set<std::string> flags;
  std::istringstream lines{std::string(cpuinfo)};
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos ||
        !(line.starts_with("flags") || line.starts_with("Features"))) {
      continue;
    }
    std::istringstream words(line.substr(colon + 1));
    for (std::string word; words >> word;) flags.insert(word);
    break;
  }
  utsname name{};
  ::uname(&name);
  std::string text = name.machine;
  for (const auto& flag : flags) text += " " + flag;
  return sha256_hex(text).substr(0, 8);
}

std::string cpu_fingerprint() {
  std::ifstream file("/proc/cpuinfo");
  std::stringstream text;
  text << file.rdbuf();
  return cpu_fingerprint(text.str());
}

std::uint64_t checksum64(std::span<const std::byte> bytes) {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15ULL;
  std::array<std::uint64_t, 4> lanes = {1, 2, 3, 4};
  const auto mix = [](std::uint64_t state, std::uint64_t word) {
    return std::rotl((state ^ word) * kMultiplier, 29);
  };
  std::size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32) {
    std::array<std::uint64_t, 4> words;
    std::memcpy(words.data(), bytes.data() + at, 32);
    for (std::size_t i = 0; i < 4; ++i) lanes[i] = mix(lanes[i], words[i]);
  }
  std::uint64_t sum = bytes.size();
  for (const auto lane : lanes) sum = mix(sum, lane);
  for (; at < bytes.size(); ++at) sum = mix(sum, static_cast<std::uint64_t>(bytes[at]));
  return sum ^ (sum >> 31);
}

Result<PreparedModel> open_prepared_file(const fs::path& path) {
  const auto file = MappedFile::open(path);
  if (!file) return file.error();
  const auto all = (*file)->bytes();
  Seal seal{};
  const auto damaged = [&path](const std::string& how) {
    return Error{ErrorCode::InvalidArgument, fmt::format("{} is damaged: {}", path.string(), how)};
  };
  if (all.size() <= sizeof seal) return damaged("too short");
  std::memcpy(&seal, all.data() + all.size() - sizeof seal, sizeof seal);
  const auto bytes = all.first(all.size() - sizeof seal);
  if (seal.magic != kMagic || seal.size != bytes.size()) return damaged("it is incomplete");
  if (checksum64(bytes) != seal.checksum) return damaged("its checksum differs");
  return PreparedModel{*file, bytes};
}

Status make_prepared_file(const fs::path& folder, const PreparedKey& key,
                          const std::function<Status(const fs::path&)>& write) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) {
    return error_from_errno("cannot create " + folder.string(), failed.value());
  }
  const Descriptor lock(::open((folder / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (lock.get() < 0) return error_from_errno("cannot write in " + folder.string(), errno);
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return error_from_errno("cannot lock " + folder.string(), errno);
  }
  const fs::path path = folder / key.file_name();
  if (open_prepared_file(path)) return ok();  // another process made it meanwhile

  // Only the holder of the lock writes here, so the name needs nothing random; what a killed
  // process left is overwritten. The extension tells ONNX Runtime the format.
  const fs::path temporary = folder / ".making.ort";
  fs::remove(temporary, failed);
  Status made = write(temporary);
  if (made) made = append_seal(temporary);
  if (made) {
    fs::rename(temporary, path, failed);
    if (failed) made = error_from_errno("cannot write " + path.string(), failed.value());
  }
  if (!made) {
    fs::remove(temporary, failed);
    return made;
  }
  remove_other_versions(folder, key);
  return ok();
}

}  // namespace spate::models
