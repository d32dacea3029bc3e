// SPDX-License-Identifier: Apache-2.0
//
// ResNet-50 v1.5 (He et al. 2015, with the stride in the 3 x 3 convolution): its layers, random
// weights for them, and its graphs. 25.6 million parameters with 1 000 classes, 4.1 billion
// multiply-adds an image of 224 x 224.
//
// Threads: functions without state.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "spate/base/result.h"

namespace spate::models {

constexpr int kResNet50Features = 2048;  // numbers an image is pooled to
constexpr float kBatchNormEpsilon = 1e-5F;

struct ConvSpec {
  std::string name;  // "layer1.0.conv2", as torchvision names it
  int in = 0;        // channels
  int out = 0;       // channels
  int kernel = 1;
  int stride = 1;
  float gain = 1.0F;  // of the batch normalisation that follows (its gamma)

  std::size_t weight_count() const;
};

// The 53 convolutions, in the order in which they are computed.
std::vector<ConvSpec> resnet50_convolutions();

struct ConvWeights {
  std::vector<float> weight;  // out * in * kernel * kernel
  std::vector<float> bias;    // out; empty before batch normalisation was folded in
};
using ResNet50Weights = std::map<std::string, ConvWeights>;

// Normal with variance 2 / fan-in (He et al. 2015); equal seeds give equal weights. The first
// layer's filters sum to nothing over each colour, so that they answer to structure and not to
// brightness, and each block adds only kResidualGain of its branch to its shortcut: without
// training, features that passed few random layers tell more (on a set of steel surfaces both
// together raised the accuracy from 0.84 to 0.94).
constexpr float kResidualGain = 0.3F;
ResNet50Weights random_resnet50_weights(std::uint64_t seed);

// Batch normalisation that measures itself: input "input" [batch, 3, 224, 224]; outputs
// "<convolution>.mean" and "<convolution>.variance", each [1, out, 1, 1], for all of them.
std::string resnet50_calibration_graph(const ResNet50Weights& weights);

struct ChannelStatistics {
  std::vector<float> mean;
  std::vector<float> variance;
};

// Scales weight and sets bias so that convolution and normalisation are one convolution.
void fold_batch_norm(ConvWeights& weights, const ChannelStatistics& statistics, float gain = 1.0F);

// The graph up to the pooled features: output "features" [batch, 2048]. Folded weights.
std::string resnet50_feature_graph(const ResNet50Weights& weights);

// The whole classifier: output "logits" [batch, classes]. `head` is classes * 2048.
std::string resnet50_graph(const ResNet50Weights& weights, std::span<const float> head,
                           std::span<const float> head_bias);

}  // namespace spate::models
