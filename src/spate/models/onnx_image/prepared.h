// SPDX-License-Identifier: Apache-2.0
//
// Prepared models (docs/image-models.md): model.onnx, optimised for this host, in
//
//   <model directory>/prepared/<runtime version>-<CPU>-<model version>.ort
//
// mapped, and its bytes used as weights where they lie, so that every replica on the host
// shares them. A file is written once, under a lock, to a temporary name, and renamed; it ends
// in its length and a checksum of its bytes, which are compared each time it is opened.
//
// Threads and processes: any number at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "spate/base/result.h"
#include "spate/models/onnx_image/mapped_file.h"

namespace spate::models {

constexpr const char* kPreparedFolder = "prepared";

// What a prepared file is valid for.
struct PreparedKey {
  std::string runtime;  // "1.30.0"
  std::string cpu;      // cpu_fingerprint()
  std::string model;    // Manifest::version

  std::string file_name() const;  // "1.30.0-3f2a9c1d-0123456789ab.ort"
};

// 8 hex digits that differ where the CPU's instruction sets do: of the architecture and the
// sorted flags of /proc/cpuinfo's text (x86: "flags", ARM: "Features").
std::string cpu_fingerprint(std::string_view cpuinfo);
std::string cpu_fingerprint();  // this machine's

struct PreparedModel {
  std::shared_ptr<const MappedFile> file;
  std::span<const std::byte> bytes;  // the .ort model, without the seal
};

// NotFound: there is none; InvalidArgument: it is damaged, and how.
Result<PreparedModel> open_prepared_file(const std::filesystem::path& path);

// Makes `folder`/`key.file_name()` with `write` (which writes an .ort model to the path it is
// given), unless a sound one is there by the time the lock is had. Removes files of the same
// runtime and CPU for other versions of the model. Errors leave no file behind: the folder
// cannot be written, or what `write` said.
Status make_prepared_file(const std::filesystem::path& folder, const PreparedKey& key,
                          const std::function<Status(const std::filesystem::path&)>& write);

// A fast 64-bit checksum (not cryptographic: it finds accidents, not forgeries).
std::uint64_t checksum64(std::span<const std::byte> bytes);

}  // namespace spate::models
