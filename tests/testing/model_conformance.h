// SPDX-License-Identifier: Apache-2.0
//
// What every model must do, whatever its kind. A test file instantiates the suite with one line
// per model:
//
//   INSTANTIATE_TEST_SUITE_P(Linear, ModelConformance, ::testing::Values(ModelCase{…}),
//                            [](const auto& one) { return one.param.name; });
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "spate/models/load.h"
#include "testing/test_folder.h"

namespace spate::test {

struct BadInput {
  std::string content_type;
  std::string payload;
  std::string reason;  // stands in the message
};

struct ModelCase {
  std::string name;
  // Makes a model in `directory`.
  std::function<Status(const std::filesystem::path& directory)> build;
  // Valid inputs beside the model's own sample: (content type, payload).
  std::vector<std::pair<std::string, std::string>> good;
  std::vector<BadInput> bad;
  // How far a number in a batch's answer may lie from the same input's alone: 0 unless the
  // runtime adds up in another order for other batch sizes.
  double batch_rounding = 0.0;
};

// Whether two answers are the same, their numbers within `rounding`.
inline bool same_answer(const nlohmann::json& a, const nlohmann::json& b, double rounding) {
  if (a.is_number() && b.is_number()) {
    return std::abs(a.get<double>() - b.get<double>()) <= rounding;
  }
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (!a.is_structured()) return a == b;
  const auto left = a.flatten();
  const auto right = b.flatten();
  for (const auto& [key, value] : left.items()) {
    if (!right.contains(key) || !same_answer(value, right[key], rounding)) return false;
  }
  return left.size() == right.size();
}

class ModelConformance : public ::testing::TestWithParam<ModelCase> {
 protected:
  void SetUp() override {
    const auto built = GetParam().build(directory());
    ASSERT_TRUE(built) << built.error().message;
    model_ = load();
    ASSERT_NE(model_, nullptr);
    inputs_ = GetParam().good;
    inputs_.emplace_back("", model_->sample_payload());
  }

  std::filesystem::path directory() const { return dir_ / "model"; }

  std::unique_ptr<models::Model> load() const {
    auto loaded = models::load_model(directory());
    EXPECT_TRUE(loaded) << loaded.error().message;
    return loaded ? std::move(*loaded) : nullptr;
  }

  static std::string answer(models::Model& model, const std::string& type,
                            const std::string& payload) {
    const models::Input input{type, payload};
    const auto answers = model.predict({&input, 1});
    EXPECT_EQ(answers.size(), 1U);
    if (answers.size() != 1) return "no answer";
    return answers[0] ? models::to_json_fragment(*answers[0])
                      : "error: " + answers[0].error().message;
  }

  std::vector<std::string> all_answers(models::Model& model) const {
    std::vector<std::string> out;
    for (const auto& [type, payload] : inputs_) out.push_back(answer(model, type, payload));
    return out;
  }

  static void expect_same(const std::string& fragment, const std::string& expected) {
    EXPECT_TRUE(same_answer(nlohmann::json::parse("{" + fragment + "}"),
                            nlohmann::json::parse("{" + expected + "}"), GetParam().batch_rounding))
        << fragment << "\nis not\n"
        << expected;
  }

  TestFolder dir_;
  std::unique_ptr<models::Model> model_;
  std::vector<std::pair<std::string, std::string>> inputs_;
};

TEST_P(ModelConformance, AnswersEveryGoodInput) {
  for (const auto& text : all_answers(*model_)) {
    EXPECT_THAT(text, ::testing::AnyOf(::testing::StartsWith("\"prediction"),
                                       ::testing::StartsWith("\"class\"")));
  }
}

TEST_P(ModelConformance, SameInputSameOutputFromManyThreads) {
  const auto expected = all_answers(*model_);
  constexpr int kThreads = 4;
  constexpr int kRepeats = 3;
  std::vector<int> different(kThreads, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRepeats; ++i) {
        different[static_cast<std::size_t>(t)] += all_answers(*model_) != expected;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(different, ::testing::Each(0));
}

TEST_P(ModelConformance, BatchEqualsSingle) {
  const auto expected = all_answers(*model_);
  std::vector<models::Input> batch;
  for (const auto& [type, payload] : inputs_) batch.push_back({type, payload});
  const auto answers = model_->predict(batch);
  ASSERT_EQ(answers.size(), expected.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i]) << answers[i].error().message;
    expect_same(models::to_json_fragment(*answers[i]), expected[i]);
  }
}

TEST_P(ModelConformance, AnEmptyBatchHasNoAnswers) { EXPECT_TRUE(model_->predict({}).empty()); }

TEST_P(ModelConformance, BadInputsAreRefusedWithTheirReason) {
  ASSERT_FALSE(GetParam().bad.empty());
  for (const auto& bad : GetParam().bad) {
    const models::Input input{bad.content_type, bad.payload};
    const auto answers = model_->predict({&input, 1});
    ASSERT_EQ(answers.size(), 1U);
    ASSERT_FALSE(answers[0]) << bad.payload;
    EXPECT_EQ(answers[0].error().code, ErrorCode::InvalidArgument) << bad.payload;
    EXPECT_THAT(answers[0].error().message, ::testing::HasSubstr(bad.reason));
  }
}

TEST_P(ModelConformance, BadInputsSpoilNoOtherOfTheirBatch) {
  const auto expected = all_answers(*model_);
  std::vector<models::Input> batch;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const auto& bad = GetParam().bad[i % GetParam().bad.size()];
    batch.push_back({bad.content_type, bad.payload});
    batch.push_back({inputs_[i].first, inputs_[i].second});
  }
  const auto answers = model_->predict(batch);
  ASSERT_EQ(answers.size(), batch.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    EXPECT_FALSE(answers[2 * i]);
    ASSERT_TRUE(answers[2 * i + 1]) << answers[2 * i + 1].error().message;
    expect_same(models::to_json_fragment(*answers[2 * i + 1]), expected[i]);
  }
}

TEST_P(ModelConformance, ARestartFromDiskGivesEqualPredictions) {
  const auto expected = all_answers(*model_);
  model_.reset();
  const auto again = load();
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(all_answers(*again), expected);
}

TEST_P(ModelConformance, TheManifestIsCompleteAndItsFilesAgree) {
  const auto read = models::read_manifest(directory());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->version, model_->manifest().version);
  EXPECT_EQ(read->version.size(), 12U);
  EXPECT_FALSE(read->kind.empty());
  EXPECT_FALSE(read->files.empty());
  const auto verified = models::verify_files(directory(), *read);
  EXPECT_TRUE(verified) << verified.error().message;
}

TEST_P(ModelConformance, AChangedFileIsFoundByItsSha256) {
  const auto manifest = model_->manifest();
  for (const auto& [name, hash] : manifest.files) {
    auto bytes = read_file(directory() / name);
    ASSERT_TRUE(bytes);
    const std::string original = *bytes;
    bytes->at(bytes->size() / 2) = static_cast<char>(bytes->at(bytes->size() / 2) ^ 1);
    ASSERT_TRUE(write_file(directory() / name, *bytes));
    const auto verified = models::verify_files(directory(), manifest);
    ASSERT_FALSE(verified);
    EXPECT_THAT(verified.error().message, ::testing::HasSubstr(name));
    EXPECT_THAT(verified.error().message, ::testing::HasSubstr("sha256"));
    ASSERT_TRUE(write_file(directory() / name, original));
  }
}

// What a table model of `columns` features refuses; `first` is the first feature's name.
inline std::vector<BadInput> bad_table_inputs(std::size_t columns, const std::string& first) {
  const std::string count = std::to_string(columns) + " feature";
  std::string numbers = "0";
  for (std::size_t i = 1; i < columns; ++i) numbers += ",0";
  const std::string rest = numbers.substr(1);
  const std::string nan_row = [&] {
    const float values[] = {std::numeric_limits<float>::quiet_NaN()};
    std::string bytes(reinterpret_cast<const char*>(values), sizeof values);
    return bytes + std::string(4 * (columns - 1), '\0');
  }();
  return {
      {"application/json", "", "empty payload"},
      {"", "", "empty payload"},
      {"application/json", "{\"features\":[" + numbers, "malformed JSON"},
      {"application/json", "{\"features\":[NaN" + rest + "]}", "finite"},
      {"application/json", "{\"features\":[1e999" + rest + "]}", "JSON"},
      {"application/json", "{\"features\":[\"warm\"" + rest + "]}",
       "feature 1 (" + first + "): expected a number, got text \"warm\""},
      {"application/json", "{\"features\":[null" + rest + "]}", "expected a number, got null"},
      {"application/json", "{\"features\":[true" + rest + "]}", "expected a number, got true"},
      {"application/json", "{\"features\":[]}", "expected " + count},
      {"application/json", "{\"features\":[" + numbers + ",0]}",
       "got " + std::to_string(columns + 1) + " numbers"},
      {"application/json", "{\"features\":{\"no such\":1}}", "unknown feature \"no such\""},
      {"application/json", "{\"features\":{}}", "missing feature " + first},
      {"application/json", "{\"features\":7}", "expected a list"},
      {"application/json", "{\"instances\":[]}", "instances is empty"},
      {"application/json", "{\"instances\":[[" + numbers + "],[]]}", "instances[1]: expected"},
      {"application/json", "{\"instances\":[[" + numbers + "],3]}", "instances[1]: expected"},
      {"application/json", "{\"rows\":1}", "no \"features\" and no \"instances\""},
      {"application/json", "[1,2]", "expected a JSON object"},
      {"application/x-spate-f32", std::string(4 * columns + 1, '\0'), "multiple of"},
      {"application/x-spate-f32", nan_row, "not finite"},
      {"text/plain", "1,2", "content type \"text/plain\""},
      {"", "\xFF\xD8\xFF\xE0 jpeg", "JPEG"},
      {"image/jpeg", "\xFF\xD8\xFF\xE0 jpeg", "content type \"image/jpeg\""},
      {"", "hello", "no content type"},
  };
}

}  // namespace spate::test
