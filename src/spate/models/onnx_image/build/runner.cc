// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/build/runner.h"

#include "spate/models/onnx_image/runtime.h"

namespace spate::models {
namespace {

class Runner final : public GraphRunner {
 public:
  explicit Runner(Ort::Session session) : session_(std::move(session)) {}

  Result<std::vector<Tensor>> run(const std::string& input, const std::vector<std::int64_t>& dims,
                                  std::span<const float> data,
                                  const std::vector<std::string>& outputs) override {
    std::vector<const char*> names;
    for (const auto& name : outputs) names.push_back(name.c_str());
    const char* input_name = input.c_str();
    try {
      const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
      const auto value = Ort::Value::CreateTensor<float>(memory, const_cast<float*>(data.data()),
                                                         data.size(), dims.data(), dims.size());
      const auto given = session_.Run(Ort::RunOptions{nullptr}, &input_name, &value, 1,
                                      names.data(), names.size());
      std::vector<Tensor> tensors;
      for (std::size_t i = 0; i < given.size(); ++i) {
        if (!given[i].IsTensor()) return not_float(outputs[i]);
        const auto info = given[i].GetTensorTypeAndShapeInfo();
        if (info.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
          return not_float(outputs[i]);
        }
        const auto* first = given[i].GetTensorData<float>();
        tensors.push_back({info.GetShape(), {first, first + info.GetElementCount()}});
      }
      return tensors;
    } catch (const Ort::Exception& error) {
      return onnx_error("running the graph", error);
    }
  }

 private:
  static Error not_float(const std::string& output) {
    return Error{ErrorCode::Internal, "output \"" + output + "\" is not a float32 tensor"};
  }

  Ort::Session session_;
};

}  // namespace

Result<std::unique_ptr<GraphRunner>> GraphRunner::open(std::string_view model,
                                                       int intra_op_threads) {
  const Status started = start_onnx_runtime();
  if (!started) return started.error();
  try {
    auto options = onnx_session_options(intra_op_threads);
    // The builder's large batches come once: their memory goes back to the system.
    options.DisableCpuMemArena();
    options.DisableMemPattern();
    Ort::Session session(onnx_environment(), model.data(), model.size(), options);
    return std::unique_ptr<GraphRunner>(std::make_unique<Runner>(std::move(session)));
  } catch (const Ort::Exception& error) {
    return onnx_error("loading the graph", error);
  }
}

}  // namespace spate::models
