// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/build/resnet50.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>

#include "spate/base/check.h"
#include "spate/base/rng.h"
#include "spate/models/onnx_image/build/graph.h"

namespace spate::models {
namespace {

constexpr std::array<int, 4> kBlocks = {3, 4, 6, 3};
constexpr int kExpansion = 4;  // output channels of a block over its inner ones
constexpr int kStemChannels = 64;
constexpr int kSide = 224;

struct BlockSpec {
  ConvSpec reduce, spatial, expand;
  bool has_projection = false;
  ConvSpec projection;
  std::string name;
};

ConvSpec stem() { return {"conv1", 3, kStemChannels, 7, 2, 1.0F}; }

std::vector<BlockSpec> blocks() {
  std::vector<BlockSpec> all;
  int in = kStemChannels;
  for (int stage = 0; stage < 4; ++stage) {
    const int inner = kStemChannels << stage;
    for (int block = 0; block < kBlocks[static_cast<std::size_t>(stage)]; ++block) {
      const int stride = stage > 0 && block == 0 ? 2 : 1;
      BlockSpec spec;
      spec.name = fmt::format("layer{}.{}", stage + 1, block);
      spec.reduce = {spec.name + ".conv1", in, inner, 1, 1, 1.0F};
      spec.spatial = {spec.name + ".conv2", inner, inner, 3, stride, 1.0F};
      spec.expand = {spec.name + ".conv3", inner, inner * kExpansion, 1, 1, kResidualGain};
      spec.has_projection = block == 0;
      spec.projection = {spec.name + ".downsample", in, inner * kExpansion, 1, stride, 1.0F};
      all.push_back(std::move(spec));
      in = inner * kExpansion;
    }
  }
  return all;
}

// Writes a convolution (and what normalises it) on `input`, returns the output's name.
using WriteConv = std::function<std::string(const ConvSpec&, const std::string& input)>;

// Everything between the input and the pooled features; returns their name.
std::string write_body(GraphWriter& graph, const WriteConv& conv) {
  std::string x = graph.node("Relu", "relu", {conv(stem(), "input")});
  x = graph.node("MaxPool", "maxpool", {x},
                 {{"kernel_shape", std::vector<std::int64_t>{3, 3}},
                  {"strides", std::vector<std::int64_t>{2, 2}},
                  {"pads", std::vector<std::int64_t>{1, 1, 1, 1}}});
  for (const auto& block : blocks()) {
    std::string y = graph.node("Relu", block.name + ".relu1", {conv(block.reduce, x)});
    y = graph.node("Relu", block.name + ".relu2", {conv(block.spatial, y)});
    y = conv(block.expand, y);
    const std::string shortcut = block.has_projection ? conv(block.projection, x) : x;
    y = graph.node("Add", block.name + ".add", {y, shortcut});
    x = graph.node("Relu", block.name + ".relu3", {y});
  }
  return graph.node("GlobalAveragePool", "avgpool", {x});
}

std::string write_conv_node(GraphWriter& graph, const ConvSpec& spec, const std::string& input,
                            const ConvWeights& weights) {
  std::vector<std::string> inputs = {
      input, graph.constant(spec.name + ".weight", {spec.out, spec.in, spec.kernel, spec.kernel},
                            weights.weight)};
  if (!weights.bias.empty()) {
    inputs.push_back(graph.constant(spec.name + ".bias", {spec.out}, weights.bias));
  }
  const std::int64_t pad = spec.kernel / 2;
  return graph.node("Conv", spec.name, inputs,
                    {{"kernel_shape", std::vector<std::int64_t>{spec.kernel, spec.kernel}},
                     {"strides", std::vector<std::int64_t>{spec.stride, spec.stride}},
                     {"pads", std::vector<std::int64_t>{pad, pad, pad, pad}}});
}

WriteConv folded_convolutions(GraphWriter& graph, const ResNet50Weights& weights) {
  return [&graph, &weights](const ConvSpec& spec, const std::string& input) {
    SPATE_CHECK(!weights.at(spec.name).bias.empty(), "batch normalisation is folded in");
    return write_conv_node(graph, spec, input, weights.at(spec.name));
  };
}

// Takes each filter's mean over its area away.
void centre_filters(std::vector<float>& weight, const ConvSpec& spec) {
  const auto area = static_cast<std::size_t>(spec.kernel) * static_cast<std::size_t>(spec.kernel);
  for (std::size_t first = 0; first < weight.size(); first += area) {
    double mean = 0.0;
    for (std::size_t i = 0; i < area; ++i) mean += weight[first + i];
    mean /= static_cast<double>(area);
    for (std::size_t i = 0; i < area; ++i) weight[first + i] -= static_cast<float>(mean);
  }
}

}  // namespace

std::size_t ConvSpec::weight_count() const {
  return static_cast<std::size_t>(out) * static_cast<std::size_t>(in) *
         static_cast<std::size_t>(kernel) * static_cast<std::size_t>(kernel);
}

std::vector<ConvSpec> resnet50_convolutions() {
  std::vector<ConvSpec> all = {stem()};
  for (const auto& block : blocks()) {
    all.insert(all.end(), {block.reduce, block.spatial, block.expand});
    if (block.has_projection) all.push_back(block.projection);
  }
  return all;
}

ResNet50Weights random_resnet50_weights(std::uint64_t seed) {
  ResNet50Weights weights;
  for (const auto& spec : resnet50_convolutions()) {
    Rng rng(seed, "resnet50." + spec.name);  // a stream each: independent of the order
    const double deviation = std::sqrt(2.0 / (spec.in * spec.kernel * spec.kernel));
    auto& weight = weights[spec.name].weight;
    weight.resize(spec.weight_count());
    for (float& value : weight) value = static_cast<float>(deviation * rng.normal());
  }
  centre_filters(weights.at(stem().name).weight, stem());
  return weights;
}

std::string resnet50_calibration_graph(const ResNet50Weights& weights) {
  GraphWriter graph("resnet50-calibration");
  graph.input("input", {-1, 3, kSide, kSide});
  const std::string epsilon = graph.constant("epsilon", {}, std::array{kBatchNormEpsilon});
  const GraphWriter::AttributeValue axes = std::vector<std::int64_t>{0, 2, 3};
  write_body(graph, [&](const ConvSpec& spec, const std::string& input) {
    const std::string x = write_conv_node(graph, spec, input, weights.at(spec.name));
    const std::string mean = graph.node("ReduceMean", spec.name + ".mean", {x}, {{"axes", axes}});
    const std::string centred = graph.node("Sub", spec.name + ".centred", {x, mean});
    const std::string square = graph.node("Mul", spec.name + ".square", {centred, centred});
    const std::string variance =
        graph.node("ReduceMean", spec.name + ".variance", {square}, {{"axes", axes}});
    graph.output(mean, {1, spec.out, 1, 1});
    graph.output(variance, {1, spec.out, 1, 1});
    const std::string safe = graph.node("Add", spec.name + ".safe", {variance, epsilon});
    const std::string deviation = graph.node("Sqrt", spec.name + ".deviation", {safe});
    const std::string gain = graph.constant(spec.name + ".gain", {}, std::array{spec.gain});
    const std::string normal = graph.node("Div", spec.name + ".normalised", {centred, deviation});
    return std::string(graph.node("Mul", spec.name + ".scaled", {normal, gain}));
  });
  return graph.bytes();
}

void fold_batch_norm(ConvWeights& weights, const ChannelStatistics& statistics, float gain) {
  const std::size_t channels = statistics.mean.size();
  SPATE_CHECK(statistics.variance.size() == channels && weights.weight.size() % channels == 0,
              "statistics of each output channel");
  const std::size_t per_channel = weights.weight.size() / channels;
  weights.bias.resize(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const float scale = gain / std::sqrt(statistics.variance[c] + kBatchNormEpsilon);
    for (std::size_t i = 0; i < per_channel; ++i) weights.weight[c * per_channel + i] *= scale;
    weights.bias[c] = -statistics.mean[c] * scale;
  }
}

std::string resnet50_feature_graph(const ResNet50Weights& weights) {
  GraphWriter graph("resnet50-features");
  graph.input("input", {-1, 3, kSide, kSide});
  const std::string pooled = write_body(graph, folded_convolutions(graph, weights));
  graph.output(graph.node("Flatten", "features", {pooled}), {-1, kResNet50Features});
  return graph.bytes();
}

std::string resnet50_graph(const ResNet50Weights& weights, std::span<const float> head,
                           std::span<const float> head_bias) {
  const auto classes = static_cast<std::int64_t>(head_bias.size());
  GraphWriter graph("resnet50");
  graph.input("input", {-1, 3, kSide, kSide});
  const std::string pooled = write_body(graph, folded_convolutions(graph, weights));
  const std::string flat = graph.node("Flatten", "flatten", {pooled});
  const std::string weight = graph.constant("fc.weight", {classes, kResNet50Features}, head);
  const std::string bias = graph.constant("fc.bias", {classes}, head_bias);
  graph.output(graph.node("Gemm", "logits", {flat, weight, bias}, {{"transB", std::int64_t{1}}}),
               {-1, classes});
  return graph.bytes();
}

}  // namespace spate::models
