// SPDX-License-Identifier: Apache-2.0
//
// GraphWriter: puts an ONNX graph together, tensor by tensor and node by node. Used by the
// builder of ResNet-50 and by tests that need small models.
//
// Threads: one.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace spate::models {

class GraphWriter {
 public:
  using AttributeValue = std::variant<std::int64_t, float, std::vector<std::int64_t>>;
  using Attributes = std::initializer_list<std::pair<const char*, AttributeValue>>;

  explicit GraphWriter(const std::string& graph_name);

  // A float32 constant. Requires data.size() == product of dims.
  const std::string& constant(const std::string& name, const std::vector<std::int64_t>& dims,
                              std::span<const float> data);
  // A node with one output, which is named as the node; returns that name.
  const std::string& node(const char* op, const std::string& name,
                          const std::vector<std::string>& inputs, Attributes attributes = {});
  // Float32 inputs and outputs; a dimension of -1 is dynamic and called "batch".
  void input(const std::string& name, const std::vector<std::int64_t>& dims);
  void output(const std::string& name, const std::vector<std::int64_t>& dims);

  // IR version 7, operator set 13: what every ONNX Runtime since 1.6 reads.
  std::string bytes() const { return model_.SerializeAsString(); }

 private:
  onnx::ModelProto model_;
  onnx::GraphProto& graph_;
};

}  // namespace spate::models
