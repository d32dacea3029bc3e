// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/build/build_resnet50.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "spate/base/files.h"
#include "spate/base/rng.h"
#include "spate/models/dataset.h"
#include "spate/models/onnx_image/build/resnet50.h"
#include "spate/models/onnx_image/build/ridge.h"
#include "spate/models/onnx_image/build/runner.h"
#include "spate/models/onnx_image/image.h"
#include "spate/models/onnx_image/onnx_image_model.h"
#include "spate/models/onnx_image/preprocess.h"

namespace spate::models {
namespace {

// Enough for steady statistics (the deepest layers see 49 positions an image), and a bound on
// memory: about 30 MB an image.
constexpr std::size_t kCalibrationImages = 24;
constexpr std::size_t kMinimumPerClass = 5;

ImageSettings resnet50_settings() {
  ImageSettings settings;  // 256, 224, ImageNet's mean and deviation
  settings.input = "input";
  settings.output = "logits";
  return settings;
}

// Runs `work(i)` for i in [0, count) on `threads` threads. The first error stops all.
Status in_parallel(std::size_t count, int threads, const std::function<Status(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::optional<Error> failed;
  const auto loop = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      const Status done = work(i);
      if (done) continue;
      const std::lock_guard lock(mutex);
      if (!failed) failed = done.error();
      next = count;
    }
  };
  std::vector<std::thread> workers;
  for (int t = 1; t < threads; ++t) workers.emplace_back(loop);
  loop();
  for (auto& worker : workers) worker.join();
  return failed ? Status(*failed) : ok();
}

Image mirrored(const Image& image) {
  Image out = image;
  const auto width = static_cast<std::size_t>(image.width);
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        out.rgb[(y * width + x) * 3 + c] = image.rgb[(y * width + width - 1 - x) * 3 + c];
      }
    }
  }
  return out;
}

Result<Image> load_image(const Dataset& dataset, const char* split, std::size_t i) {
  const auto sample = dataset.sample(split, i);
  if (!sample) return sample.error();
  auto image = decode_image(sample->payload);
  if (!image) {
    return Error{image.error().code, fmt::format("{}: {}", sample->source, image.error().message)};
  }
  return image;
}

Status check_dataset(const Dataset& dataset) {
  const std::string where = dataset.directory().string();
  if (dataset.kind() != Dataset::Kind::Images) {
    return Error{ErrorCode::InvalidArgument,
                 where + " is a data set of tables; resnet50 is trained on images"};
  }
  const auto train = dataset.size("train");
  if (!train) return train.error();
  const auto held_out = dataset.size("held_out");
  if (!held_out) return held_out.error();
  if (*held_out == 0) {
    return Error{ErrorCode::InvalidArgument,
                 where + " holds out no image to measure the accuracy with"};
  }
  std::map<std::string, std::size_t> counts;
  for (std::size_t i = 0; i < *train; ++i) ++counts[*dataset.label("train", i)];
  if (counts.size() < 2) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("{} has {} label(s) to train on; two are needed at least", where,
                             counts.size())};
  }
  for (const auto& label : dataset.classes()) {
    if (counts[label] < kMinimumPerClass) {
      return Error{ErrorCode::InvalidArgument,
                   fmt::format("{}: label \"{}\" has {} image(s) to train on; {} are needed at "
                               "least",
                               where, label, counts[label], kMinimumPerClass)};
    }
  }
  return ok();
}

// Measures each batch normalisation on a few training images and folds it in.
Status calibrate(ResNet50Weights& weights, const Dataset& dataset, std::size_t train_size,
                 const ResNet50Options& options) {
  const ImageSettings settings = resnet50_settings();
  std::vector<std::size_t> order(train_size);
  for (std::size_t i = 0; i < train_size; ++i) order[i] = i;
  Rng rng(options.seed, "resnet50.calibration");
  shuffle(order, rng);
  order.resize(std::min(train_size, kCalibrationImages));
  const std::size_t size = settings.tensor_size();
  std::vector<float> batch(order.size() * size);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto image = load_image(dataset, "train", order[i]);
    if (!image) return image.error();
    preprocess(*image, settings, std::span(batch).subspan(i * size, size));
  }
  const auto convolutions = resnet50_convolutions();
  std::vector<std::string> outputs;
  for (const auto& spec : convolutions) {
    outputs.push_back(spec.name + ".mean");
    outputs.push_back(spec.name + ".variance");
  }
  const auto runner = GraphRunner::open(resnet50_calibration_graph(weights), options.threads);
  if (!runner) return runner.error();
  auto measured = (*runner)->run(
      "input", {static_cast<std::int64_t>(order.size()), 3, settings.crop, settings.crop}, batch,
      outputs);
  if (!measured) return measured.error();
  for (std::size_t i = 0; i < convolutions.size(); ++i) {
    fold_batch_norm(weights.at(convolutions[i].name),
                    {std::move((*measured)[2 * i].data), std::move((*measured)[2 * i + 1].data)},
                    convolutions[i].gain);
  }
  return ok();
}

// Pooled features of each training image and of its mirror image, and their labels.
Result<RidgeSamples> extract_features(const ResNet50Weights& weights, const Dataset& dataset,
                                      std::size_t train_size, const ResNet50Options& options) {
  const ImageSettings settings = resnet50_settings();
  const auto opened = GraphRunner::open(resnet50_feature_graph(weights), 1);
  if (!opened) return opened.error();
  GraphRunner& runner = **opened;
  RidgeSamples samples;
  samples.classes = static_cast<int>(dataset.classes().size());
  samples.features.resize(static_cast<Eigen::Index>(2 * train_size), kResNet50Features);
  samples.labels.resize(2 * train_size);
  samples.groups.resize(2 * train_size);
  std::atomic<std::size_t> done{0};
  const Status extracted = in_parallel(train_size, options.threads, [&](std::size_t i) -> Status {
    const auto image = load_image(dataset, "train", i);
    if (!image) return image.error();
    const std::string label = *dataset.label("train", i);
    const auto& classes = dataset.classes();
    const int index =
        static_cast<int>(std::find(classes.begin(), classes.end(), label) - classes.begin());
    std::vector<float> tensor(settings.tensor_size());
    for (const std::size_t row : {2 * i, 2 * i + 1}) {
      preprocess(row % 2 == 0 ? *image : mirrored(*image), settings, tensor);
      const auto features =
          runner.run("input", {1, 3, settings.crop, settings.crop}, tensor, {"features"});
      if (!features) return features.error();
      samples.features.row(static_cast<Eigen::Index>(row)) =
          Eigen::Map<const Eigen::RowVectorXf>((*features)[0].data.data(), kResNet50Features)
              .cast<double>();
      samples.labels[row] = index;
      samples.groups[row] = static_cast<int>(i);
    }
    const std::size_t now = ++done;
    if (now % 50 == 0 || now == train_size) {
      options.progress(fmt::format("features of {} of {} training images", now, train_size));
    }
    return ok();
  });
  if (!extracted) return extracted.error();
  return samples;
}

std::string classifier_bytes(const ResNet50Weights& weights, const RidgeClassifier& classifier) {
  const auto classes = static_cast<std::size_t>(classifier.bias.size());
  std::vector<float> head(classes * kResNet50Features);
  std::vector<float> bias(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    const auto row = static_cast<Eigen::Index>(c);
    bias[c] = static_cast<float>(classifier.bias[row]);
    for (std::size_t f = 0; f < kResNet50Features; ++f) {
      head[c * kResNet50Features + f] =
          static_cast<float>(classifier.weights(row, static_cast<Eigen::Index>(f)));
    }
  }
  return resnet50_graph(weights, head, bias);
}

// Accuracy of the finished model, as it will be served, on the images held out.
Result<double> measure_accuracy(Model& model, const Dataset& dataset, std::size_t held_out,
                                const ResNet50Options& options) {
  std::atomic<std::size_t> right{0};
  const Status measured = in_parallel(held_out, options.threads, [&](std::size_t i) -> Status {
    const auto sample = dataset.sample("held_out", i);
    if (!sample) return sample.error();
    const Input input{sample->content_type, sample->payload};
    const auto predicted = model.predict(std::span(&input, 1));
    if (!predicted[0]) {
      return Error{predicted[0].error().code,
                   fmt::format("{}: {}", sample->source, predicted[0].error().message)};
    }
    if (predicted[0]->rows[0].top[0].label == sample->label) ++right;
    return ok();
  });
  if (!measured) return measured.error();
  return static_cast<double>(right) / static_cast<double>(held_out);
}

// Share of the images held out that have the label most common in training.
double majority_accuracy(const Dataset& dataset, std::size_t train, std::size_t held_out) {
  std::map<std::string, std::size_t> counts;
  for (std::size_t i = 0; i < train; ++i) ++counts[*dataset.label("train", i)];
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  std::size_t right = 0;
  for (std::size_t i = 0; i < held_out; ++i) {
    right += *dataset.label("held_out", i) == most->first ? 1U : 0U;
  }
  return static_cast<double>(right) / static_cast<double>(held_out);
}

}  // namespace

Result<Manifest> build_resnet50(const ResNet50Options& options) {
  const auto dataset = Dataset::open(options.images);
  if (!dataset) return dataset.error();
  const Status checked = check_dataset(*dataset);
  if (!checked) return checked.error();
  for (const auto& skipped : dataset->skipped()) {
    options.progress(fmt::format("left out {}: {}", skipped.source, skipped.reason));
  }
  const std::size_t train = *dataset->size("train");
  const std::size_t held_out = *dataset->size("held_out");
  options.progress(fmt::format("{} images to train on, {} held out, {} labels", train, held_out,
                               dataset->classes().size()));

  ResNet50Weights weights = random_resnet50_weights(options.seed);
  options.progress("measuring batch normalisation");
  const Status calibrated = calibrate(weights, *dataset, train, options);
  if (!calibrated) return calibrated.error();
  const auto samples = extract_features(weights, *dataset, train, options);
  if (!samples) return samples.error();
  options.progress("training the final layer");
  const auto classifier = fit_ridge_classifier(*samples, options.seed);
  if (!classifier) return classifier.error();

  const Status written =
      write_file(options.out / kOnnxFile, classifier_bytes(weights, *classifier));
  if (!written) return written.error();
  Manifest manifest;
  manifest.name = "resnet50";
  manifest.kind = kOnnxImageKind;
  manifest.variant = "fp32";
  manifest.task = Task::Classification;
  manifest.classes = dataset->classes();
  manifest.backbone = "random";
  manifest.settings_json = to_json(resnet50_settings());
  manifest.created_by = options.created_by;
  auto sealed = seal_model(options.out, manifest, {kOnnxFile});
  if (!sealed) return sealed.error();
  options.progress("measuring the accuracy on the images held out");
  const auto model = load_onnx_image_model(options.out, *sealed, LoadOptions{});
  if (!model) return model.error();
  const auto accuracy = measure_accuracy(**model, *dataset, held_out, options);
  if (!accuracy) return accuracy.error();
  sealed->held_out = {{"accuracy", *accuracy},
                      {"baseline_accuracy", majority_accuracy(*dataset, train, held_out)},
                      {"held_out_rows", static_cast<double>(held_out)},
                      {"train_rows", static_cast<double>(train)},
                      {"validation_accuracy", classifier->validation_accuracy}};
  const Status described = write_manifest(options.out, *sealed);
  if (!described) return described.error();
  return *sealed;
}

}  // namespace spate::models
