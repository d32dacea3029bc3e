// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>

#include "spate/models/onnx_image/build/resnet50.h"

namespace spate::models {
namespace {

// What the literature says of ResNet-50 (v1.5) for 1 000 classes.
TEST(ResNet50, HasItsParametersAndItsCost) {
  const auto convolutions = resnet50_convolutions();
  EXPECT_EQ(convolutions.size(), 53U);
  std::size_t parameters = 2048U * 1000U + 1000U;
  int strides_in_3x3 = 0;
  for (const auto& spec : convolutions) {
    parameters += spec.weight_count() + 2 * static_cast<std::size_t>(spec.out);  // scale, shift
    strides_in_3x3 += spec.kernel == 3 && spec.stride == 2 ? 1 : 0;
  }
  EXPECT_EQ(parameters, 25'557'032U);
  EXPECT_EQ(strides_in_3x3, 3);  // v1.5: not in the 1 x 1 that reduces
}

TEST(ResNet50, WeightsAreSeededAndOfVarianceTwoOverFanIn) {
  const auto one = random_resnet50_weights(1);
  const auto again = random_resnet50_weights(1);
  const auto other = random_resnet50_weights(2);
  for (const auto& spec : resnet50_convolutions()) {
    const auto& weight = one.at(spec.name).weight;
    ASSERT_EQ(weight.size(), spec.weight_count());
    ASSERT_EQ(weight, again.at(spec.name).weight);
    ASSERT_NE(weight, other.at(spec.name).weight);
    double squares = 0.0;
    for (const float value : weight) squares += static_cast<double>(value) * value;
    const double expected = 2.0 / (spec.in * spec.kernel * spec.kernel);
    EXPECT_NEAR(squares / static_cast<double>(weight.size()), expected, 0.06 * expected)
        << spec.name;
  }
}

TEST(ResNet50, FoldingEqualsNormalisingAfterwards) {
  ConvWeights weights;
  weights.weight = {1.0F, -2.0F, 0.5F, 3.0F};  // two output channels of a 1 x 1 over two
  const std::vector<float> x = {0.7F, -1.1F};
  const ChannelStatistics statistics{{0.3F, -4.0F}, {2.0F, 0.25F}};
  std::vector<float> expected;
  for (std::size_t c = 0; c < 2; ++c) {
    const float y = weights.weight[2 * c] * x[0] + weights.weight[2 * c + 1] * x[1];
    expected.push_back((y - statistics.mean[c]) /
                       std::sqrt(statistics.variance[c] + kBatchNormEpsilon));
  }
  fold_batch_norm(weights, statistics);
  for (std::size_t c = 0; c < 2; ++c) {
    EXPECT_NEAR(weights.weight[2 * c] * x[0] + weights.weight[2 * c + 1] * x[1] + weights.bias[c],
                expected[c], 1e-5F);
  }
}

TEST(ResNet50, GraphIsTheClassifier) {
  auto weights = random_resnet50_weights(1);
  for (const auto& spec : resnet50_convolutions()) {
    weights[spec.name].bias.assign(static_cast<std::size_t>(spec.out), 0.0F);
  }
  const std::vector<float> head(3 * kResNet50Features, 0.0F);
  const std::vector<float> bias(3, 0.0F);
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(resnet50_graph(weights, head, bias)));
  std::map<std::string, int> operators;
  for (const auto& node : model.graph().node()) ++operators[node.op_type()];
  EXPECT_EQ(operators["Conv"], 53);
  EXPECT_EQ(operators["Relu"], 49);
  EXPECT_EQ(operators["Add"], 16);
  EXPECT_EQ(operators["MaxPool"], 1);
  EXPECT_EQ(operators["GlobalAveragePool"], 1);
  EXPECT_EQ(operators["Gemm"], 1);
  ASSERT_EQ(model.graph().output_size(), 1);
  EXPECT_EQ(model.graph().output(0).name(), "logits");
  EXPECT_EQ(model.graph().output(0).type().tensor_type().shape().dim(1).dim_value(), 3);
}

}  // namespace
}  // namespace spate::models
