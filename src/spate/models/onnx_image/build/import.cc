// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/build/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "spate/base/rng.h"
#include "spate/models/onnx_image/build/onnx_file.h"
#include "spate/models/onnx_image/build/runner.h"
#include "spate/models/onnx_image/onnx_image_model.h"
#include "spate/models/onnx_image/preprocess.h"

namespace spate::models {
namespace fs = std::filesystem;
namespace {

constexpr int kUsualCrop = 224;
constexpr int kLargestSide = 2048;

Error refuse(const fs::path& path, const std::string& why) {
  return Error{ErrorCode::InvalidArgument, path.string() + ": " + why};
}

std::string shape_text(const std::vector<std::int64_t>& dims) {
  std::vector<std::string> parts;
  for (const auto dim : dims) parts.push_back(dim < 0 ? "?" : std::to_string(dim));
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

// Layout and size of the picture, from the input's shape and what the user asked for.
Status settle_shape(const OnnxFile& file, const ImportOptions& options, ImageSettings& settings) {
  const auto& dims = file.input_dims;
  const std::string shape = fmt::format("input \"{}\" is {}", file.input, shape_text(dims));
  if (dims[1] == 3 || (dims[1] < 0 && dims[3] != 3)) {
    settings.layout = Layout::Nchw;
  } else if (dims[3] == 3) {
    settings.layout = Layout::Nhwc;
  } else {
    return refuse(options.onnx_file, shape +
                                         ": neither [N, 3, H, W] nor [N, H, W, 3]: only "
                                         "models of three colour channels are supported");
  }
  if (dims[0] > 1) {
    return refuse(options.onnx_file, shape +
                                         ": the batch is fixed; export the model with a "
                                         "batch of 1 or a dynamic one");
  }
  const std::int64_t height = settings.layout == Layout::Nchw ? dims[2] : dims[1];
  const std::int64_t width = settings.layout == Layout::Nchw ? dims[3] : dims[2];
  if (height > 0 && width > 0 && height != width) {
    return refuse(options.onnx_file, shape + ": only square pictures are supported");
  }
  const std::int64_t fixed = std::max(height, width);
  if (fixed > 0 && options.crop > 0 && options.crop != fixed) {
    return refuse(options.onnx_file,
                  fmt::format("{}, which --crop {} does not fit", shape, options.crop));
  }
  const std::int64_t crop = fixed > 0 ? fixed : options.crop > 0 ? options.crop : kUsualCrop;
  if (crop > kLargestSide) {
    return refuse(options.onnx_file,
                  fmt::format("{}: pictures of at most {} pixels a side", shape, kLargestSide));
  }
  settings.crop = static_cast<int>(crop);
  settings.resize = options.resize > 0
                        ? options.resize
                        : static_cast<int>(std::lround(static_cast<double>(crop) * 256 / 224));
  if (settings.resize > kLargestSide) settings.resize = kLargestSide;
  return ok();
}

// Two different pictures' worth of noise, normalised as the model wants it.
std::vector<float> probe(const ImageSettings& settings) {
  Rng rng(1, "import.probe");
  std::vector<float> data(2 * settings.tensor_size());
  const std::size_t plane = settings.tensor_size() / 3;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const std::size_t channel = settings.layout == Layout::Nhwc ? i % 3 : i / plane % 3;
    const double sample = i < settings.tensor_size() ? rng.uniform() : rng.uniform() * 0.3;
    data[i] = (static_cast<float>(sample) - settings.mean[channel]) / settings.std[channel];
  }
  return data;
}

std::vector<std::int64_t> batch_dims(const ImageSettings& settings, std::int64_t batch) {
  const std::int64_t side = settings.crop;
  if (settings.layout == Layout::Nchw) return {batch, 3, side, side};
  return {batch, side, side, 3};
}

Result<std::string> choose_output(const std::vector<Tensor>& given,
                                  const std::vector<std::string>& names, std::size_t labels,
                                  const ImportOptions& options) {
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i].data.size() == labels) return names[i];
  }
  std::vector<std::string> found;
  for (std::size_t i = 0; i < given.size(); ++i) {
    found.push_back(fmt::format("\"{}\" gives {} scores an image", names[i], given[i].data.size()));
  }
  return Error{ErrorCode::InvalidArgument,
               fmt::format("{}: output {}, but {} has {} label(s)", options.onnx_file.string(),
                           fmt::join(found, ", "), options.labels.string(), labels)};
}

bool sums_to_one(std::span<const float> scores) {
  double sum = 0.0;
  for (const float score : scores) {
    if (score < -1e-6F) return false;
    sum += score;
  }
  return std::abs(sum - 1.0) < 1e-3;
}

bool close(std::span<const float> a, std::span<const float> b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(std::abs(a[i] - b[i]) <= 1e-3F * (1.0F + std::abs(a[i])))) return false;
  }
  return true;
}

// Runs the graph on two pictures, one by one and together, and learns from what it gives.
Status learn_from_runs(const OnnxFile& file, const ImportOptions& options, std::size_t labels,
                       ImageSettings& settings) {
  auto runner = GraphRunner::open(file.bytes, 1);
  if (!runner) return refuse(options.onnx_file, runner.error().message);
  const std::vector<float> data = probe(settings);
  const std::span<const float> all(data);
  const std::size_t size = settings.tensor_size();
  std::vector<std::string> names = file.outputs;
  if (!options.output.empty()) {
    if (std::find(names.begin(), names.end(), options.output) == names.end()) {
      return refuse(options.onnx_file, fmt::format("there is no output \"{}\"; it has: {}",
                                                   options.output, fmt::join(names, ", ")));
    }
    names = {options.output};
  }
  const auto first = (*runner)->run(file.input, batch_dims(settings, 1), all.first(size), names);
  if (!first) return refuse(options.onnx_file, first.error().message);
  const auto output = choose_output(*first, names, labels, options);
  if (!output) return output.error();
  settings.output = *output;

  const auto one = (*runner)->run(file.input, batch_dims(settings, 1), all.first(size), {*output});
  const auto two = (*runner)->run(file.input, batch_dims(settings, 1), all.last(size), {*output});
  if (!one) return refuse(options.onnx_file, one.error().message);
  if (!two) return refuse(options.onnx_file, two.error().message);
  const auto& a = (*one)[0].data;
  const auto& b = (*two)[0].data;
  const bool finite = std::all_of(a.begin(), a.end(), [](float s) { return std::isfinite(s); }) &&
                      std::all_of(b.begin(), b.end(), [](float s) { return std::isfinite(s); });
  if (!finite) return refuse(options.onnx_file, "the graph gives scores that are no numbers");
  settings.output_kind = (file.ends_in_softmax || labels > 1) && sums_to_one(a) && sums_to_one(b)
                             ? OutputKind::Probabilities
                             : OutputKind::Logits;
  settings.max_batch = 1;
  if (file.input_dims[0] < 0) {
    const auto both = (*runner)->run(file.input, batch_dims(settings, 2), all, {*output});
    // A dynamic batch in the input's shape is a claim; some graphs reshape to one all the same.
    if (both && (*both)[0].data.size() == 2 * labels &&
        close(a, std::span((*both)[0].data).first(labels)) &&
        close(b, std::span((*both)[0].data).last(labels))) {
      settings.max_batch = 0;
    }
  }
  return ok();
}

}  // namespace

Result<std::vector<std::string>> read_labels(const fs::path& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  std::vector<std::string> labels;
  if (file.extension() == ".json") {
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    const bool list = json.is_array() || json.is_object();
    for (std::size_t i = 0; list && i < json.size(); ++i) {
      const auto* item = json.is_array()                    ? &json[i]
                         : json.contains(std::to_string(i)) ? &json[std::to_string(i)]
                                                            : nullptr;
      if (item == nullptr || !item->is_string()) {
        return refuse(file, fmt::format("label {} is missing or no text", i));
      }
      labels.push_back(item->get<std::string>());
    }
    if (!list) return refuse(file, "neither a JSON list nor an object of labels");
  } else {
    std::size_t start = 0;
    while (start < text->size()) {
      const std::size_t end = std::min(text->find('\n', start), text->size());
      std::string line = text->substr(start, end - start);
      line.erase(line.find_last_not_of(" \t\r") + 1);
      line.erase(0, line.find_first_not_of(" \t"));
      labels.push_back(std::move(line));
      start = end + 1;
    }
    while (!labels.empty() && labels.back().empty()) labels.pop_back();
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i].empty())
      return refuse(file, fmt::format("label {} (counted from 0) is empty", i));
  }
  if (labels.empty()) return refuse(file, "it holds no label");
  return labels;
}

Result<Manifest> import_onnx(const ImportOptions& options) {
  const auto labels = read_labels(options.labels);
  if (!labels) return labels.error();
  const auto file = read_onnx_file(options.onnx_file);
  if (!file) return file.error();
  ImageSettings settings;
  settings.mean = options.mean;
  settings.std = options.std;
  settings.input = file->input;
  settings.quantised = file->quantised;
  const Status shaped = settle_shape(*file, options, settings);
  if (!shaped) return shaped.error();
  options.progress("trying the graph");
  const Status learnt = learn_from_runs(*file, options, labels->size(), settings);
  if (!learnt) return learnt.error();

  const Status written = write_file(options.out / kOnnxFile, file->bytes);
  if (!written) return written.error();
  Manifest manifest;
  manifest.name = options.name.empty() ? options.onnx_file.stem().string() : options.name;
  manifest.kind = kOnnxImageKind;
  manifest.variant = file->quantised ? "int8" : "fp32";
  manifest.task = Task::Classification;
  manifest.classes = *labels;
  manifest.backbone = "imported";
  manifest.settings_json = to_json(settings);
  manifest.created_by = options.created_by;
  auto sealed = seal_model(options.out, manifest, {kOnnxFile});
  if (!sealed) return sealed.error();
  options.progress("preparing it for this machine");
  const auto model = load_onnx_image_model(options.out, *sealed, LoadOptions{});
  if (!model) return model.error();
  const std::string sample = (*model)->sample_payload();
  const Input input{"image/jpeg", sample};
  const auto predicted = (*model)->predict(std::span(&input, 1));
  if (!predicted[0]) return predicted[0].error();
  return *sealed;
}

}  // namespace spate::models
