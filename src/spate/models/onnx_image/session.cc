// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/session.h"

#include <onnxruntime_session_options_config_keys.h>

#include "spate/models/onnx_image/runtime.h"

namespace spate::models {
namespace {

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
      return onnx_error("running the model", error);
    }
  }

 private:
  std::shared_ptr<const MappedFile> file_;  // before session_, which reads from it until it ends
  Ort::Session session_;
  const ImageSettings settings_;
};

}  // namespace

Result<std::string> onnx_runtime_version() {
  const Status started = start_onnx_runtime();
  if (!started) return started.error();
  return Ort::GetVersionString();
}

Result<std::shared_ptr<OnnxSession>> OnnxSession::open_portable(
    const std::filesystem::path& onnx_file, const ImageSettings& settings, int intra_op_threads) {
  const Status started = start_onnx_runtime();
  if (!started) return started.error();
  try {
    Ort::Session session(onnx_environment(), onnx_file.c_str(),
                         onnx_session_options(intra_op_threads));
    return std::shared_ptr<OnnxSession>(
        std::make_shared<Session>(std::move(session), nullptr, settings));
  } catch (const Ort::Exception& error) {
    return onnx_error("loading " + onnx_file.string(), error);
  }
}

Result<std::shared_ptr<OnnxSession>> OnnxSession::open_prepared(
    std::shared_ptr<const MappedFile> file, std::span<const std::byte> bytes,
    const ImageSettings& settings, int intra_op_threads) {
  const Status started = start_onnx_runtime();
  if (!started) return started.error();
  try {
    auto options = onnx_session_options(intra_op_threads);
    options.AddConfigEntry(kOrtSessionOptionsConfigLoadModelFormat, "ORT");
    options.AddConfigEntry(kOrtSessionOptionsConfigUseORTModelBytesDirectly, "1");
    options.AddConfigEntry(kOrtSessionOptionsConfigUseORTModelBytesForInitializers, "1");
    // Repacked weights are a private copy. Without it fp32 is as fast (its blocked layout is
    // already in the file) and starts sooner; int8 would be 3 to 4 times slower.
    options.AddConfigEntry(kOrtSessionOptionsConfigDisablePrepacking,
                           settings.quantised ? "0" : "1");
    Ort::Session session(onnx_environment(), bytes.data(), bytes.size(), options);
    return std::shared_ptr<OnnxSession>(
        std::make_shared<Session>(std::move(session), std::move(file), settings));
  } catch (const Ort::Exception& error) {
    return onnx_error("loading the prepared model", error);
  }
}

Status OnnxSession::write_prepared(const std::filesystem::path& onnx_file,
                                   const std::filesystem::path& ort_file) {
  const Status started = start_onnx_runtime();
  if (!started) return started;
  try {
    auto options = onnx_session_options(1);
    options.AddConfigEntry(kOrtSessionOptionsConfigSaveModelFormat, "ORT");
    options.AddConfigEntry(kOrtSessionOptionsConfigDisablePrepacking, "1");
    options.SetOptimizedModelFilePath(ort_file.c_str());
    const Ort::Session session(onnx_environment(), onnx_file.c_str(), options);
    return ok();
  } catch (const Ort::Exception& error) {
    return onnx_error("preparing " + onnx_file.string(), error);
  }
}

}  // namespace spate::models
