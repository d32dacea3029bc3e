// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/build/graph.h"

#include <bit>

#include "spate/base/check.h"

namespace spate::models {
namespace {

static_assert(std::endian::native == std::endian::little, "ONNX raw_data is little-endian");

void describe(onnx::ValueInfoProto& value, const std::string& name,
              const std::vector<std::int64_t>& dims) {
  value.set_name(name);
  auto* type = value.mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  for (const auto dim : dims) {
    auto* out = type->mutable_shape()->add_dim();
    if (dim < 0) {
      out->set_dim_param("batch");
    } else {
      out->set_dim_value(dim);
    }
  }
}

void set_attribute(onnx::AttributeProto& attribute, const GraphWriter::AttributeValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(*integer);
  } else if (const auto* real = std::get_if<float>(&value)) {
    attribute.set_type(onnx::AttributeProto::FLOAT);
    attribute.set_f(*real);
  } else {
    attribute.set_type(onnx::AttributeProto::INTS);
    for (const auto item : std::get<std::vector<std::int64_t>>(value)) attribute.add_ints(item);
  }
}

}  // namespace

GraphWriter::GraphWriter(const std::string& graph_name) : graph_(*model_.mutable_graph()) {
  model_.set_ir_version(7);
  model_.set_producer_name("spate");
  model_.add_opset_import()->set_version(13);
  graph_.set_name(graph_name);
}

const std::string& GraphWriter::constant(const std::string& name,
                                         const std::vector<std::int64_t>& dims,
                                         std::span<const float> data) {
  auto* tensor = graph_.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  std::size_t size = 1;
  for (const auto dim : dims) {
    tensor->add_dims(dim);
    size *= static_cast<std::size_t>(dim);
  }
  SPATE_CHECK(size == data.size(), "a tensor's data fills its shape: " + name);
  tensor->set_raw_data(data.data(), data.size_bytes());
  return tensor->name();
}

const std::string& GraphWriter::node(const char* op, const std::string& name,
                                     const std::vector<std::string>& inputs,
                                     Attributes attributes) {
  auto* node = graph_.add_node();
  node->set_op_type(op);
  node->set_name(name);
  for (const auto& input : inputs) node->add_input(input);
  node->add_output(name);
  for (const auto& [key, value] : attributes) {
    auto* attribute = node->add_attribute();
    attribute->set_name(key);
    set_attribute(*attribute, value);
  }
  return node->output(0);
}

void GraphWriter::input(const std::string& name, const std::vector<std::int64_t>& dims) {
  describe(*graph_.add_input(), name, dims);
}

void GraphWriter::output(const std::string& name, const std::vector<std::int64_t>& dims) {
  describe(*graph_.add_output(), name, dims);
}

}  // namespace spate::models
