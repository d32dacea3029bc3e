// SPDX-License-Identifier: Apache-2.0
//
// Serving an image model: the conformance suite, and what becomes of its prepared form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "component/onnx_image/tiny_classifiers.h"
#include "spate/models/onnx_image/onnx_image_model.h"
#include "testing/model_conformance.h"

namespace spate::test {
namespace {

namespace fs = std::filesystem;
using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

ModelCase image_case(const std::string& name, const std::string& file) {
  ModelCase model;
  model.name = name;
  model.batch_rounding = 1e-5;  // float32 sums, in the order that suits the batch
  model.build = [file](const fs::path& directory) -> Status {
    const auto manifest = import(import_options(file, directory));
    return manifest ? ok() : Status(manifest.error());
  };
  for (const auto* image : {"square.jpg", "odd_portrait.jpg", "cmyk.jpg", "one_pixel.png",
                            "palette.png", "grey_alpha.png"}) {
    const bool jpeg = std::string_view(image).ends_with("jpg");
    model.good.emplace_back(jpeg ? "image/jpeg" : "image/png", picture(image));
  }
  model.good.emplace_back("application/octet-stream", picture("grey.png"));
  const std::string whole = picture("square.jpg");
  model.bad = {
      {"", "", "the image is empty"},
      {"image/jpeg", "hello", "neither a JPEG nor a PNG"},
      {"image/jpeg", whole.substr(0, whole.size() / 2), "cut short"},
      {"image/png", picture("bits.png").substr(0, 60), "PNG"},
      {"application/json", R"({"features":[1]})", "takes image/jpeg or image/png"},
      {"text/plain", whole, "not text/plain"},
  };
  return model;
}

// With a batch of any size, and one by one.
INSTANTIATE_TEST_SUITE_P(OnnxImage, ModelConformance,
                         ::testing::Values(image_case("Dynamic", "dynamic.onnx"),
                                           image_case("Fixed", "fixed.onnx"),
                                           image_case("Probabilities", "softmax.onnx"),
                                           image_case("ChannelsLast", "nhwc.onnx")),
                         [](const auto& one) { return one.param.name; });

class PreparedForm : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto manifest = import(import_options("dynamic.onnx", directory()));
    ASSERT_TRUE(manifest) << manifest.error().message;
    manifest_ = *manifest;
  }

  fs::path directory() const { return dir_ / "model"; }
  fs::path prepared_file() const {
    for (const auto& entry : fs::directory_iterator(directory() / "prepared")) {
      if (entry.path().extension() == ".ort") return entry.path();
    }
    return {};
  }
  std::unique_ptr<models::Model> load(bool prepare = true) const {
    models::LoadOptions options;
    options.prepare = prepare;
    auto model = models::load_onnx_image_model(directory(), manifest_, options);
    EXPECT_TRUE(model) << model.error().message;
    return model ? std::move(*model) : nullptr;
  }
  static void expect_right(models::Model* model) {
    ASSERT_NE(model, nullptr);
    EXPECT_THAT(probabilities(*model, picture("square.jpg")),
                Pointwise(DoubleNear(1e-4), expected_probabilities()));
  }

  TestFolder dir_;
  models::Manifest manifest_;
};

TEST_F(PreparedForm, IsThereAfterImportAndServes) {
  ASSERT_FALSE(prepared_file().empty());
  EXPECT_THAT(prepared_file().filename().string(), HasSubstr(manifest_.version));
  const auto model = load();
  ASSERT_NE(model, nullptr);
  EXPECT_TRUE(models::uses_prepared_form(*model));
  expect_right(model.get());
}

TEST_F(PreparedForm, IsNotWrittenAgain) {
  const auto written = fs::last_write_time(prepared_file());
  expect_right(load().get());
  EXPECT_EQ(fs::last_write_time(prepared_file()), written);
}

TEST_F(PreparedForm, ServesWithoutReadingThePortableFile) {
  fs::remove(directory() / models::kOnnxFile);
  expect_right(load().get());
}

TEST_F(PreparedForm, ADamagedOneIsMadeAgain) {
  const auto file = prepared_file();
  auto bytes = read_file(file);
  ASSERT_TRUE(bytes);
  bytes->at(bytes->size() / 2) = static_cast<char>(bytes->at(bytes->size() / 2) ^ 1);
  ASSERT_TRUE(write_file(file, *bytes));
  const auto model = load();
  ASSERT_NE(model, nullptr);
  EXPECT_TRUE(models::uses_prepared_form(*model));
  expect_right(model.get());
  EXPECT_NE(read_file(file).value(), *bytes);
}

TEST_F(PreparedForm, OfAnotherVersionIsNotUsed) {
  const auto other = import(import_options("zoo.onnx", directory()));
  ASSERT_TRUE(other);
  ASSERT_NE(other->version, manifest_.version);
  manifest_ = *other;
  EXPECT_THAT(prepared_file().filename().string(), HasSubstr(other->version));
  expect_right(load().get());
}

TEST_F(PreparedForm, IsNotMadeFromAFileTheManifestDoesNotDescribe) {
  fs::remove(prepared_file());
  fs::copy_file(onnx_data() / "zoo.onnx", directory() / models::kOnnxFile,
                fs::copy_options::overwrite_existing);
  models::LoadOptions options;
  (void)models::load_onnx_image_model(directory(), manifest_, options);
  EXPECT_TRUE(prepared_file().empty());
}

TEST_F(PreparedForm, WithoutItThePortableModelServes) {
  fs::remove_all(directory() / "prepared");
  const auto model = load(false);
  ASSERT_NE(model, nullptr);
  EXPECT_FALSE(models::uses_prepared_form(*model));
  EXPECT_FALSE(fs::exists(directory() / "prepared"));
  expect_right(model.get());
}

TEST_F(PreparedForm, WhereItCannotBeWrittenThePortableModelServes) {
  fs::remove_all(directory() / "prepared");
  dir_.write("model/prepared", "a file where the folder would be");
  const auto model = load();
  ASSERT_NE(model, nullptr);
  EXPECT_FALSE(models::uses_prepared_form(*model));
  expect_right(model.get());
}

TEST_F(PreparedForm, NeitherIsAnErrorThatSaysWhatToDo) {
  fs::remove_all(directory() / "prepared");
  fs::remove(directory() / models::kOnnxFile);
  models::LoadOptions options;
  options.prepare = false;
  const auto model = models::load_onnx_image_model(directory(), manifest_, options);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::NotFound);
  EXPECT_THAT(model.error().message, HasSubstr("spate model import"));
}

TEST_F(PreparedForm, ThreadsChangeWithTheNextCall) {
  const auto model = load();
  ASSERT_NE(model, nullptr);
  for (const int threads : {2, 1, 3}) {
    model->set_intra_op_threads(threads);
    expect_right(model.get());
  }
}

}  // namespace
}  // namespace spate::test
