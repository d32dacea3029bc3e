// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/build/onnx_file.h"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "spate/base/files.h"

namespace spate::models {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLargest = (std::size_t{1} << 31) - 1;  // bytes; a bound of protobuf

Error refuse(const fs::path& path, const std::string& why) {
  return Error{ErrorCode::InvalidArgument, path.string() + ": " + why};
}

// Takes the data of a tensor that is kept in a file of its own into the model.
Status take_in(onnx::TensorProto& tensor, const fs::path& path) {
  std::map<std::string, std::string> where;
  for (const auto& entry : tensor.external_data()) where[entry.key()] = entry.value();
  const fs::path relative = where["location"];
  // A model from elsewhere must not make us read any file of this machine.
  if (relative.empty() || relative.is_absolute() ||
      std::find(relative.begin(), relative.end(), "..") != relative.end()) {
    return refuse(path, fmt::format("weights \"{}\" lie in \"{}\", which is no file beside it",
                                    tensor.name(), relative.string()));
  }
  const fs::path file = path.parent_path() / relative;
  std::error_code failed;
  const auto size = fs::file_size(file, failed);
  if (failed) {
    return Error{ErrorCode::NotFound,
                 fmt::format("{}: its weights are in {}, which cannot be read: {}", path.string(),
                             file.string(), failed.message())};
  }
  const std::uint64_t offset = std::strtoull(where["offset"].c_str(), nullptr, 10);
  const std::uint64_t length = where["length"].empty()
                                   ? size - std::min<std::uint64_t>(offset, size)
                                   : std::strtoull(where["length"].c_str(), nullptr, 10);
  if (offset > size || length > size - offset || length > kLargest) {
    return refuse(
        path, fmt::format("weights \"{}\" reach past the end of {}", tensor.name(), file.string()));
  }
  std::string data(length, '\0');
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  if (!in.read(data.data(), static_cast<std::streamsize>(length))) {
    return Error{ErrorCode::Unavailable, "cannot read " + file.string()};
  }
  tensor.set_raw_data(std::move(data));
  tensor.clear_external_data();
  tensor.clear_data_location();
  return ok();
}

std::vector<std::int64_t> dims_of(const onnx::ValueInfoProto& value) {
  std::vector<std::int64_t> dims;
  for (const auto& dim : value.type().tensor_type().shape().dim()) {
    // Some exporters write an unknown size as 0.
    dims.push_back(dim.has_dim_value() && dim.dim_value() > 0 ? dim.dim_value() : -1);
  }
  return dims;
}

Status read_input(const onnx::GraphProto& graph, const fs::path& path, OnnxFile& out) {
  std::set<std::string> weights;  // old files list them among the inputs
  for (const auto& tensor : graph.initializer()) weights.insert(tensor.name());
  std::vector<const onnx::ValueInfoProto*> inputs;
  for (const auto& input : graph.input()) {
    if (!weights.contains(input.name())) inputs.push_back(&input);
  }
  if (inputs.size() != 1) {
    return refuse(
        path, fmt::format("the graph has {} inputs; an image classifier has one", inputs.size()));
  }
  const auto& type = inputs[0]->type().tensor_type();
  if (type.elem_type() != onnx::TensorProto::FLOAT) {
    return refuse(
        path, fmt::format("input \"{}\" is of type {}; only float32 is supported: "
                          "export the model with a float32 input",
                          inputs[0]->name(), onnx::TensorProto_DataType_Name(type.elem_type())));
  }
  out.input = inputs[0]->name();
  out.input_dims = dims_of(*inputs[0]);
  if (out.input_dims.size() != 4) {
    return refuse(path, fmt::format("input \"{}\" has {} dimensions; an image classifier's has "
                                    "four: [N, 3, H, W] or [N, H, W, 3]",
                                    out.input, out.input_dims.size()));
  }
  return ok();
}

void read_nodes(const onnx::GraphProto& graph, OnnxFile& out) {
  std::set<std::string> from_softmax;
  for (const auto& node : graph.node()) {
    if (node.op_type() == "Softmax")
      from_softmax.insert(node.output().begin(), node.output().end());
    if (node.op_type().starts_with("QLinear") || node.op_type() == "DequantizeLinear" ||
        node.op_type() == "ConvInteger" || node.op_type() == "MatMulInteger") {
      out.quantised = true;
    }
  }
  for (const auto& output : graph.output()) out.outputs.push_back(output.name());
  out.ends_in_softmax = graph.output_size() == 1 && from_softmax.contains(graph.output(0).name());
}

}  // namespace

Result<OnnxFile> read_onnx_file(const fs::path& path) {
  std::error_code failed;
  const auto size = fs::file_size(path, failed);
  if (failed) {
    return Error{ErrorCode::NotFound,
                 fmt::format("cannot read {}: {}", path.string(), failed.message())};
  }
  if (size > kLargest) return refuse(path, "larger than 2 GiB");
  OnnxFile out;
  {
    auto bytes = read_file(path);
    if (!bytes) return bytes.error();
    out.bytes = std::move(*bytes);
  }
  onnx::ModelProto model;
  if (!model.ParseFromArray(out.bytes.data(), static_cast<int>(out.bytes.size())) ||
      model.ir_version() < 1 || model.graph().node_size() == 0 ||
      model.graph().output_size() == 0) {
    return refuse(path, "not an ONNX model (or one that is damaged or cut short)");
  }
  bool changed = false;
  for (auto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) continue;
    const Status taken = take_in(tensor, path);
    if (!taken) return taken.error();
    changed = true;
  }
  if (changed) {
    if (model.ByteSizeLong() > kLargest) return refuse(path, "larger than 2 GiB with its weights");
    out.bytes = model.SerializeAsString();
  }
  const Status input = read_input(model.graph(), path, out);
  if (!input) return input.error();
  read_nodes(model.graph(), out);
  return out;
}

}  // namespace spate::models
