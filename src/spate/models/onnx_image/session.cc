// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/session.h"

// The API table is asked for by hand, so that a library too old for the headers is an error
// message and not a crash.
#define ORT_API_MANUAL_INIT
#include <fmt/format.h>
#include <onnxruntime_cxx_api.h>
#include <onnxruntime_session_options_config_keys.h>

namespace spate::models {
namespace {

Status start_runtime() {
  static const Status started = []() -> Status {
    const OrtApi* api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (api == nullptr) {
      return Error{ErrorCode::Unavailable,
                   fmt::format("the ONNX Runtime found is version {}, spate was built for 1.{} or "
                               "newer: run scripts/setup, or point ONNXRUNTIME_ROOT at another",
                               OrtGetApiBase()->GetVersionString(), ORT_API_VERSION)};
    }
    Ort::InitApi(api);
    return ok();
  }();
  return started;
}

// One per process, never destroyed: sessions may outlive static objects.
Ort::Env& environment() {
  static auto* env = new Ort::Env(ORT_LOGGING_LEVEL_ERROR, "spate");
  return *env;
}

Ort::SessionOptions common_options(int intra_op_threads) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(intra_op_threads);
  options.SetInterOpNumThreads(1);
  options.SetExecutionMode(ExecutionMode::ORT_SEQUENTIAL);
  options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_ENABLE_ALL);
  // Threads that spin while they wait would spend the CPU limit of a small container.
  options.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0");
  return options;
}

Error runtime_error(const std::string& doing, const Ort::Exception& error) {
  return Error{ErrorCode::Internal, fmt::format("{}: ONNX Runtime: {}", doing, error.what())};
}

class Session final : public OnnxSession {
 public:
  Session(Ort::Session session, std::shared_ptr<const MappedFile> file, ImageSettings settings)
      : file_(std::move(file)), session_(std::move(session)), settings_(std::move(settings)) {}

  Result<std::vector<float>> run(std::span<const float> images, std::size_t count) override {
    const std::int64_t n = static_cast<std::int64_t>(count);
    const std::int64_t side = settings_.crop;
    const std::array<std::int64_t, 4> shape = settings_.layout == Layout::Nchw
                                                  ? std::array<std::int64_t, 4>{n, 3, side, side}
                                                  : std::array<std::int64_t, 4>{n, side, side, 3};
    const char* input_name = settings_.input.c_str();
    const char* output_name = settings_.output.c_str();
    try {
      const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
      const auto input = Ort::Value::CreateTensor<float>(memory, const_cast<float*>(images.data()),
                                                         images.size(), shape.data(), shape.size());
      auto outputs =
          session_.Run(Ort::RunOptions{nullptr}, &input_name, &input, 1, &output_name, 1);
      const auto info = outputs[0].GetTensorTypeAndShapeInfo();
      if (info.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
        return Error{ErrorCode::Internal, "the graph's output is not float32"};
      }
      const auto* scores = outputs[0].GetTensorData<float>();
      return std::vector<float>(scores, scores + info.GetElementCount());
    } catch (const Ort::Exception& error) {
      return runtime_error("running the model", error);
    }
  }

 private:
  std::shared_ptr<const MappedFile> file_;  // before session_, which reads from it until it ends
  Ort::Session session_;
  const ImageSettings settings_;
};

}  // namespace

Result<std::string> onnx_runtime_version() {
  const Status started = start_runtime();
  if (!started) return started.error();
  return Ort::GetVersionString();
}

Result<std::shared_ptr<OnnxSession>> OnnxSession::open_portable(
    const std::filesystem::path& onnx_file, const ImageSettings& settings, int intra_op_threads) {
  const Status started = start_runtime();
  if (!started) return started.error();
  try {
    Ort::Session session(environment(), onnx_file.c_str(), common_options(intra_op_threads));
    return std::shared_ptr<OnnxSession>(
        std::make_shared<Session>(std::move(session), nullptr, settings));
  } catch (const Ort::Exception& error) {
    return runtime_error("loading " + onnx_file.string(), error);
  }
}

Result<std::shared_ptr<OnnxSession>> OnnxSession::open_prepared(
    std::shared_ptr<const MappedFile> file, std::span<const std::byte> bytes,
    const ImageSettings& settings, int intra_op_threads) {
  const Status started = start_runtime();
  if (!started) return started.error();
  try {
    auto options = common_options(intra_op_threads);
    options.AddConfigEntry(kOrtSessionOptionsConfigLoadModelFormat, "ORT");
    options.AddConfigEntry(kOrtSessionOptionsConfigUseORTModelBytesDirectly, "1");
    options.AddConfigEntry(kOrtSessionOptionsConfigUseORTModelBytesForInitializers, "1");
    // Repacked weights are a private copy. Without it fp32 is as fast (its blocked layout is
    // already in the file) and starts sooner; int8 would be 3 to 4 times slower.
    options.AddConfigEntry(kOrtSessionOptionsConfigDisablePrepacking,
                           settings.quantised ? "0" : "1");
    Ort::Session session(environment(), bytes.data(), bytes.size(), options);
    return std::shared_ptr<OnnxSession>(
        std::make_shared<Session>(std::move(session), std::move(file), settings));
  } catch (const Ort::Exception& error) {
    return runtime_error("loading the prepared model", error);
  }
}

Status OnnxSession::write_prepared(const std::filesystem::path& onnx_file,
                                   const std::filesystem::path& ort_file) {
  const Status started = start_runtime();
  if (!started) return started;
  try {
    auto options = common_options(1);
    options.AddConfigEntry(kOrtSessionOptionsConfigSaveModelFormat, "ORT");
    options.AddConfigEntry(kOrtSessionOptionsConfigDisablePrepacking, "1");
    options.SetOptimizedModelFilePath(ort_file.c_str());
    const Ort::Session session(environment(), onnx_file.c_str(), options);
    return ok();
  } catch (const Ort::Exception& error) {
    return runtime_error("preparing " + onnx_file.string(), error);
  }
}

}  // namespace spate::models
