// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/onnx_image_model.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "spate/base/check.h"
#include "spate/base/log.h"
#include "spate/base/sha256.h"
#include "spate/models/onnx_image/prepared.h"
#include "spate/models/onnx_image/scores.h"
#include "spate/models/onnx_image/session.h"

namespace spate::models {
namespace fs = std::filesystem;
namespace {

// Opens sessions of one model directory: over the prepared bytes if there are any.
class SessionSource {
 public:
  SessionSource(fs::path onnx_file, ImageSettings settings)
      : onnx_file_(std::move(onnx_file)), settings_(std::move(settings)) {}

  void use_prepared(PreparedModel prepared) { prepared_ = std::move(prepared); }
  void forget_prepared() { prepared_ = {}; }
  bool is_prepared() const { return prepared_.file != nullptr; }

  Result<std::shared_ptr<OnnxSession>> open(int threads) const {
    if (is_prepared()) {
      return OnnxSession::open_prepared(prepared_.file, prepared_.bytes, settings_, threads);
    }
    return OnnxSession::open_portable(onnx_file_, settings_, threads);
  }

 private:
  fs::path onnx_file_;
  ImageSettings settings_;
  PreparedModel prepared_;
};

class OnnxImageModel final : public Model {
 public:
  OnnxImageModel(Manifest manifest, ImageSettings settings, SessionSource source,
                 std::shared_ptr<OnnxSession> session, int threads)
      : manifest_(std::move(manifest)),
        settings_(std::move(settings)),
        source_(std::move(source)),
        session_(std::move(session)),
        session_threads_(threads),
        wanted_threads_(threads) {}

  const Manifest& manifest() const override { return manifest_; }
  std::vector<Result<Prediction>> predict(std::span<const Input> inputs) override;
  std::string sample_payload() const override;
  void set_intra_op_threads(int threads) override {
    SPATE_CHECK(threads >= 1, "at least one thread computes");
    const std::lock_guard lock(mutex_);
    wanted_threads_ = threads;
  }
  bool is_prepared() const { return source_.is_prepared(); }

 private:
  std::shared_ptr<OnnxSession> session();
  Status read_input(const Input& input, std::span<float> tensor) const;

  // Constant after construction.
  const Manifest manifest_;
  const ImageSettings settings_;
  const SessionSource source_;

  std::mutex mutex_;  // protects what follows
  std::shared_ptr<OnnxSession> session_;
  int session_threads_;
  int wanted_threads_;
};

std::shared_ptr<OnnxSession> OnnxImageModel::session() {
  const std::lock_guard lock(mutex_);
  if (wanted_threads_ != session_threads_) {
    auto opened = source_.open(wanted_threads_);
    if (opened) {
      session_ = *opened;  // the old one ends with the last call that still uses it
      session_threads_ = wanted_threads_;
    } else {
      spdlog::warn("model {}: cannot change to {} threads, staying at {}: {}", manifest_.name,
                   wanted_threads_, session_threads_, opened.error().message);
      wanted_threads_ = session_threads_;
    }
  }
  return session_;
}

Status OnnxImageModel::read_input(const Input& input, std::span<float> tensor) const {
  if (!input.content_type.empty() && !input.content_type.starts_with("image/") &&
      input.content_type != "application/octet-stream") {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("model {} takes image/jpeg or image/png, not {}", manifest_.name,
                             input.content_type)};
  }
  const auto image = decode_image(input.payload);
  if (!image) return image.error();
  preprocess(*image, settings_, tensor);
  return ok();
}

std::vector<Result<Prediction>> OnnxImageModel::predict(std::span<const Input> inputs) {
  std::vector<Result<Prediction>> results(inputs.size(), Prediction{});
  const std::size_t size = settings_.tensor_size();
  std::vector<float> tensors(inputs.size() * size);
  std::vector<std::size_t> good;  // which input each tensor is of
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Status read = read_input(inputs[i], std::span(tensors).subspan(good.size() * size, size));
    if (read) {
      good.push_back(i);
    } else {
      results[i] = read.error();
    }
  }
  const std::size_t most = settings_.max_batch == 0 ? std::max<std::size_t>(good.size(), 1)
                                                    : static_cast<std::size_t>(settings_.max_batch);
  const auto running = session();
  for (std::size_t first = 0; first < good.size(); first += most) {
    const std::size_t count = std::min(most, good.size() - first);
    const auto scores = running->run(std::span(tensors).subspan(first * size, count * size), count);
    const auto rows = scores ? rank_scores(*scores, count, manifest_.classes, settings_)
                             : Result<std::vector<RowPrediction>>(scores.error());
    for (std::size_t i = 0; i < count; ++i) {
      if (rows) {
        results[good[first + i]] = Prediction{false, {(*rows)[i]}};
      } else {
        results[good[first + i]] = rows.error();
      }
    }
  }
  return results;
}

// A photograph's size and an uneven pattern, so that decoding costs what it costs in earnest.
std::string OnnxImageModel::sample_payload() const {
  Image image;
  image.width = 320;
  image.height = 240;
  image.rgb.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) *
                   3);
  std::uint32_t noise = 1;
  for (std::size_t i = 0; i < image.rgb.size(); ++i) {
    noise = noise * 1664525U + 1013904223U;
    image.rgb[i] = static_cast<std::uint8_t>(90 + (i / 3 % 320) / 4 + (noise >> 27));
  }
  const auto jpeg = encode_jpeg(image, 90);
  return {reinterpret_cast<const char*>(jpeg.data()), jpeg.size()};
}

// Makes the prepared form. The portable file's hash is compared first: what is prepared would be
// served for as long as it lies there.
Status prepare(const fs::path& directory, const Manifest& manifest, const PreparedKey& key) {
  const fs::path onnx_file = directory / kOnnxFile;
  const auto stated = manifest.files.find(kOnnxFile);
  const auto made =
      make_prepared_file(directory / kPreparedFolder, key, [&](const fs::path& path) -> Status {
        const auto sha = sha256_hex_of_file(onnx_file);
        if (!sha) return sha.error();
        if (stated != manifest.files.end() && *sha != stated->second) {
          return Error{ErrorCode::InvalidArgument,
                       fmt::format("{} is not the file its manifest describes (sha256 {}, expected "
                                   "{})",
                                   onnx_file.string(), *sha, stated->second)};
        }
        spdlog::info("preparing model {} for this machine (once, a few seconds)", manifest.name);
        return OnnxSession::write_prepared(onnx_file, path);
      });
  // Preparing needed a private copy of all weights: give it back.
  ::malloc_trim(0);
  return made;
}

// The session over the prepared form, if it can be had.
Result<std::shared_ptr<OnnxSession>> open_prepared_form(const fs::path& directory,
                                                        const Manifest& manifest,
                                                        const LoadOptions& options,
                                                        SessionSource& source) {
  const auto runtime = onnx_runtime_version();
  if (!runtime) return runtime.error();
  const PreparedKey key{*runtime, cpu_fingerprint(), manifest.version};
  const fs::path path = directory / kPreparedFolder / key.file_name();
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto prepared = open_prepared_file(path);
    std::string problem;
    if (prepared) {
      source.use_prepared(*prepared);
      auto session = source.open(options.intra_op_threads);
      if (session) return session;
      source.forget_prepared();
      problem = session.error().message;
      std::error_code ignored;  // sound bytes that the runtime refuses: make it again
      if (attempt == 0 && options.prepare) fs::remove(path, ignored);
    } else {
      problem = prepared.error().message;
      if (prepared.error().code != ErrorCode::NotFound) {
        spdlog::warn("model {}: {}{}", manifest.name, problem,
                     options.prepare && attempt == 0 ? "; making it again" : "");
      }
    }
    if (attempt == 1 || !options.prepare) return Error{ErrorCode::Unavailable, problem};
    const Status made = prepare(directory, manifest, key);
    if (!made) return made.error();
  }
  return Error{ErrorCode::Internal, "unreachable"};
}

}  // namespace

Result<std::unique_ptr<Model>> load_onnx_image_model(const fs::path& directory,
                                                     const Manifest& manifest,
                                                     const LoadOptions& options) {
  const auto settings = parse_image_settings(manifest.settings_json);
  if (!settings) {
    return Error{settings.error().code,
                 fmt::format("{}: {}", directory.string(), settings.error().message)};
  }
  const auto runtime = onnx_runtime_version();
  if (!runtime) return runtime.error();
  const fs::path onnx_file = directory / kOnnxFile;
  SessionSource source(onnx_file, *settings);
  auto session = open_prepared_form(directory, manifest, options, source);
  if (!session) {
    if (options.prepare) {
      spdlog::warn(
          "model {}: no prepared form ({}); loading the portable one, which takes longer "
          "and gives each replica its own copy of the weights",
          manifest.name, session.error().message);
    }
    if (!fs::exists(onnx_file)) {
      return Error{ErrorCode::NotFound,
                   fmt::format("{} is missing; make the model again with `spate model build` or "
                               "`spate model import`",
                               onnx_file.string())};
    }
    session = source.open(options.intra_op_threads);
    if (!session) return session.error();
  }
  return std::unique_ptr<Model>(std::make_unique<OnnxImageModel>(
      manifest, *settings, std::move(source), *session, options.intra_op_threads));
}

bool uses_prepared_form(const Model& model) {
  return dynamic_cast<const OnnxImageModel&>(model).is_prepared();
}

}  // namespace spate::models
