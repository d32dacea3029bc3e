// SPDX-License-Identifier: Apache-2.0
//
// `spate model import` on one tiny classifier in each form in which ONNX files come.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "component/onnx_image/tiny_classifiers.h"
#include "spate/models/load.h"
#include "testing/child_process.h"
#include "testing/test_folder.h"

namespace spate::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

struct Form {
  std::string file;
  std::string input;
  std::string layout;
  std::string output_kind;
  int max_batch;
};

class ImportForm : public ::testing::TestWithParam<Form> {};

TEST_P(ImportForm, GivesTorchsProbabilities) {
  const TestFolder dir;
  const auto manifest = import(import_options(GetParam().file, dir / "model"));
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->backbone, "imported");
  EXPECT_EQ(manifest->variant, "fp32");
  const json settings = json::parse(manifest->settings_json);
  EXPECT_EQ(settings["input"], GetParam().input);
  EXPECT_EQ(settings["layout"], GetParam().layout);
  EXPECT_EQ(settings["output_kind"], GetParam().output_kind);
  EXPECT_EQ(settings["max_batch"], GetParam().max_batch);
  EXPECT_EQ(settings["crop"], 32);
  EXPECT_EQ(settings["resize"], 37);

  const auto model = models::load_model(dir / "model");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_THAT(probabilities(**model, picture("square.jpg")),
              Pointwise(DoubleNear(1e-4), expected_probabilities()));
}

INSTANTIATE_TEST_SUITE_P(
    Forms, ImportForm,
    ::testing::Values(Form{"dynamic.onnx", "input", "nchw", "logits", 0},
                      Form{"fixed.onnx", "input", "nchw", "logits", 1},
                      Form{"softmax.onnx", "input", "nchw", "probabilities", 0},
                      Form{"zoo.onnx", "data", "nchw", "logits", 0},
                      Form{"nhwc.onnx", "nhwc", "nhwc", "logits", 0},
                      Form{"reshape.onnx", "input", "nchw", "logits", 1},
                      Form{"external.onnx", "input", "nchw", "logits", 0}),
    [](const auto& one) { return one.param.file.substr(0, one.param.file.find('.')); });

TEST(Import, WeightsOfOtherFilesAreTakenIn) {
  const TestFolder dir;
  ASSERT_TRUE(import(import_options("external.onnx", dir / "model")));
  EXPECT_FALSE(std::filesystem::exists(dir / "model" / "external.bin"));
  ASSERT_TRUE(models::load_model(dir / "model"));
}

void expect_refused(const models::ImportOptions& options, const std::string& reason) {
  const auto manifest = import(options);
  ASSERT_FALSE(manifest) << reason;
  EXPECT_EQ(manifest.error().code, ErrorCode::InvalidArgument);
  EXPECT_THAT(manifest.error().message, HasSubstr(reason));
  EXPECT_FALSE(std::filesystem::exists(options.out / models::kManifestFile)) << reason;
}

TEST(Import, FormsThatAreNotSupportedAreSaid) {
  const TestFolder dir;
  const auto out = dir / "model";
  expect_refused(import_options("two_inputs.onnx", out), "has 2 inputs");
  expect_refused(import_options("uint8.onnx", out), "only float32");
  expect_refused(import_options("batch8.onnx", out), "the batch is fixed");
  expect_refused(import_options("grey.onnx", out), "three colour channels");
}

TEST(Import, WrongFilesAndOptionsAreSaid) {
  const TestFolder dir;
  auto options = import_options("dynamic.onnx", dir / "model");
  options.labels = dir.write("three.txt", "a\nb\nc\n");
  expect_refused(options, "gives 5 scores an image, but");
  options = import_options("dynamic.onnx", dir / "model");
  options.crop = 64;
  expect_refused(options, "--crop 64 does not fit");
  options = import_options("dynamic.onnx", dir / "model");
  options.output = "pooled";
  expect_refused(options, "no output \"pooled\"; it has: output");
  options = import_options("dynamic.onnx", dir / "model");
  options.onnx_file = dir.write("text.onnx", "this is a text");
  expect_refused(options, "not an ONNX model");
  const auto whole = read_file(onnx_data() / "dynamic.onnx");
  ASSERT_TRUE(whole);
  options.onnx_file = dir.write("cut.onnx", std::string_view(*whole).substr(0, 900));
  expect_refused(options, "cut.onnx");
  options.onnx_file = dir / "none.onnx";
  EXPECT_EQ(import(options).error().code, ErrorCode::NotFound);
}

TEST(Import, AFailureLeavesThePreviousModel) {
  const TestFolder dir;
  const auto before = import(import_options("dynamic.onnx", dir / "model"));
  ASSERT_TRUE(before);
  ASSERT_FALSE(import(import_options("grey.onnx", dir / "model")));
  const auto after = models::load_model(dir / "model");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ((*after)->manifest().version, before->version);
}

TEST(Import, TheCommand) {
  const TestFolder dir;
  ChildProcess command({SPATE_BINARY_DIR "/spate", "model", "import",
                        (onnx_data() / "zoo.onnx").string(), "--labels",
                        (onnx_data() / "labels.txt").string(), "--out", (dir / "model").string(),
                        "--name", "tiny"});
  ASSERT_EQ(command.wait(), 0) << command.output();
  EXPECT_THAT(command.output(), AllOf(HasSubstr("fp32, 5 classes"), HasSubstr("saved ")));
  ChildProcess predict({SPATE_BINARY_DIR "/spate", "model", "predict", (dir / "model").string(),
                        std::string(SPATE_SOURCE_DIR) + "/tests/data/images/square.jpg"});
  ASSERT_EQ(predict.wait(), 0) << predict.output();
  EXPECT_THAT(predict.output(), HasSubstr("class c (0.627)"));
  ChildProcess refused({SPATE_BINARY_DIR "/spate", "model", "import",
                        (onnx_data() / "grey.onnx").string(), "--labels",
                        (onnx_data() / "labels.txt").string(), "--out", (dir / "m2").string()});
  EXPECT_EQ(refused.wait(), 2);
  EXPECT_THAT(refused.output(), HasSubstr("three colour channels"));
}

}  // namespace
}  // namespace spate::test
