// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/predict_items.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

#include "spate/base/config_error.h"
#include "spate/worker/gateway_link.h"

namespace spate::worker {
namespace {

using models::Input;
using models::Prediction;
using ::testing::HasSubstr;
using wire::ItemCode;

// A model that answers as the test says.
class ScriptedModel final : public models::Model {
 public:
  using Answer = std::function<std::vector<Result<Prediction>>(std::span<const Input>)>;
  explicit ScriptedModel(Answer answer) : answer_(std::move(answer)) {}
  const models::Manifest& manifest() const override { return manifest_; }
  std::vector<Result<Prediction>> predict(std::span<const Input> inputs) override {
    return answer_(inputs);
  }
  std::string sample_payload() const override { return "{}"; }
  void set_intra_op_threads(int) override {}

 private:
  models::Manifest manifest_;
  Answer answer_;
};

Prediction value(double v) { return Prediction{false, {{v, {}}}}; }

const std::vector<wire::Item> kTwo = {{1, "application/json", "a", {}}, {2, "image/png", "b", {}}};

TEST(PredictItems, EachItemGetsItsOwnOutcome) {
  ScriptedModel model([](std::span<const Input> inputs) -> std::vector<Result<Prediction>> {
    EXPECT_EQ(inputs[0].payload, "a");
    EXPECT_EQ(inputs[1].content_type, "image/png");
    return {value(1.5), Error{ErrorCode::InvalidArgument, "not a row"}};
  });
  const auto results = predict_items(model, kTwo);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].request_id, 1U);
  EXPECT_EQ(results[0].code, ItemCode::Ok);
  EXPECT_EQ(results[0].body, "\"prediction\":1.5");
  EXPECT_EQ(results[1].request_id, 2U);
  EXPECT_EQ(results[1].code, ItemCode::BadInput);
  EXPECT_EQ(results[1].body, "not a row");
}

TEST(PredictItems, WhateverTheModelDoesEveryItemIsAnswered) {
  const std::vector<std::pair<ScriptedModel::Answer, const char*>> misbehaviours = {
      {[](auto) -> std::vector<Result<Prediction>> { throw std::runtime_error("out of tensors"); },
       "out of tensors"},
      {[](auto) -> std::vector<Result<Prediction>> { throw 42; }, "not an exception"},
      {[](auto) -> std::vector<Result<Prediction>> { return {value(1)}; },
       "gave 1 answers to 2 inputs"},
      {[](auto) -> std::vector<Result<Prediction>> {
         return {Error{ErrorCode::Internal, "runtime broke"},
                 Error{ErrorCode::Internal, "runtime broke"}};
       },
       "runtime broke"}};
  for (const auto& [answer, message] : misbehaviours) {
    ScriptedModel model(answer);
    const auto results = predict_items(model, kTwo);
    ASSERT_EQ(results.size(), 2U) << message;
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(results[i].request_id, kTwo[i].request_id);
      EXPECT_EQ(results[i].code, ItemCode::ModelFailed);
      EXPECT_THAT(results[i].body, HasSubstr(message));
    }
  }
}

TEST(GatewayAddress, ReadsBothForms) {
  const auto unix_socket = GatewayAddress::parse("unix:/run/gateway.sock");
  EXPECT_TRUE(unix_socket.is_unix);
  EXPECT_EQ(unix_socket.path, "/run/gateway.sock");
  const auto tcp = GatewayAddress::parse("tcp:gateway:9000");
  EXPECT_FALSE(tcp.is_unix);
  EXPECT_EQ(tcp.host, "gateway");
  EXPECT_EQ(tcp.port, "9000");
  EXPECT_EQ(GatewayAddress::parse("tcp:[::1]:9000").host, "::1");
  for (const char* bad : {"", "unix:", "tcp:", "tcp:host", "tcp:host:", "tcp::9", "/run/x"}) {
    EXPECT_THROW(GatewayAddress::parse(bad), ConfigError) << bad;
  }
  EXPECT_THROW(GatewayAddress::parse("unix:/" + std::string(120, 'x')), ConfigError);
}

}  // namespace
}  // namespace spate::worker
