// SPDX-License-Identifier: Apache-2.0
//
// `spate model build resnet50` and `spate model import`.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>

#include "spate/app/model_command.h"
#include "spate/models/onnx_image/build/build.h"

namespace spate::app {
namespace {

using models::ImportOptions;
using models::ResNet50Options;

void print_progress(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

int build_resnet50(const ResNet50Options& options) {
  const auto module = models::onnx_build_module();
  if (!module) return fail(module.error());
  const auto built = module->build_resnet50(options);
  if (!built) return fail(built.error());
  std::printf("  held out: %s\n  backbone: random\nsaved %s (version %s)\n",
              quality_text(*built).c_str(), options.out.c_str(), built->version.c_str());
  return kDone;
}

int import_onnx(const ImportOptions& options) {
  const auto module = models::onnx_build_module();
  if (!module) return fail(module.error());
  const auto imported = module->import_onnx(options);
  if (!imported) return fail(imported.error());
  std::printf("  %s, %zu classes\n  settings: %s\nsaved %s (version %s)\n",
              imported->variant.c_str(), imported->classes.size(), imported->settings_json.c_str(),
              options.out.c_str(), imported->version.c_str());
  return kDone;
}

void add_build(CLI::App& build, Run& run) {
  auto options = std::make_shared<ResNet50Options>();
  options->threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  options->progress = print_progress;
  auto* command = build.add_subcommand(
      "resnet50", "A ResNet-50 that needs no download: random backbone, trained final layer");
  command->description(
      "Makes an image classifier with the standard ResNet-50 v1.5 graph (224 x 224 pixels, 4.1\n"
      "billion multiply-adds an image) without any download. Its convolutions are random\n"
      "(seeded), its batch normalisation is measured on training images, and its final layer is\n"
      "trained on DIR by ridge regression. It costs what any ResNet-50 costs, and its\n"
      "predictions are real, but it is not the pre-trained model: the manifest says\n"
      "\"backbone: random\". For pre-trained weights see `spate model import`.\n\n"
      "Prints the accuracy on the images held out beside that of always naming the commonest\n"
      "label. Takes about 0.1 s an image on one core, and 1 GB of memory.\n\n"
      "Example:\n"
      "  spate model build resnet50 --images var/datasets/surface --out var/models/resnet50");
  command->footer(usual_exit_text());
  command
      ->add_option("--images", options->images,
                   "data set: label/*.jpg folders, or files with a labels.csv (file,label[,split])")
      ->required()
      ->type_name("DIR");
  command->add_option("--out", options->out, "model directory to write")
      ->required()
      ->type_name("DIR");
  command->add_option("--seed", options->seed, "of the random weights; equal seeds, equal model")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--threads", options->threads, "images computed at once (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 256));
  command->callback([options, &run] {
    options->created_by =
        fmt::format("spate model build resnet50 --images {} --out {} --seed {}",
                    options->images.string(), options->out.string(), options->seed);
    run = [options] { return build_resnet50(*options); };
  });
}

void add_import(CLI::App& model, Run& run) {
  auto options = std::make_shared<ImportOptions>();
  options->progress = print_progress;
  auto* command = model.add_subcommand("import", "Take in an image classifier from an ONNX file");
  command->description(
      "Makes a model directory from an ONNX image classifier: one float32 input of\n"
      "[N or 1, 3, H, W] or [N or 1, H, W, 3], one output with a score a class. A ResNet-50 as\n"
      "torchvision exports it or as the ONNX Model Zoo has it needs no further option. Whether\n"
      "the scores are logits (softmax is then applied) or probabilities, and whether images can\n"
      "be batched, is found out by running the graph.\n\n"
      "Pictures are prepared as torchvision does it: shorter side to --resize pixels (bilinear,\n"
      "antialiased), the middle --crop x --crop, (sample / 255 - mean) / std per channel.\n\n"
      "Example:\n"
      "  spate model import resnet50.onnx --labels imagenet_classes.txt --out var/models/resnet50");
  command->footer(usual_exit_text());
  command->add_option("file", options->onnx_file, "the ONNX file")
      ->required()
      ->type_name("FILE.onnx");
  command
      ->add_option("--labels", options->labels,
                   "one label a line in the order of the scores, or a JSON list")
      ->required()
      ->type_name("FILE");
  command->add_option("--out", options->out, "model directory to write")
      ->required()
      ->type_name("DIR");
  command->add_option("--name", options->name, "of the model (default: the file's name)");
  command->add_option("--resize", options->resize, "pixels (default: crop x 256 / 224)")
      ->type_name("N")
      ->check(CLI::Range(1, 2048));
  command->add_option("--crop", options->crop, "pixels (default: what the graph takes, else 224)")
      ->type_name("N")
      ->check(CLI::Range(1, 2048));
  command->add_option("--mean", options->mean, "red green blue, of samples from 0 to 1")
      ->type_name("R G B")
      ->capture_default_str();
  command->add_option("--std", options->std, "red green blue, of samples from 0 to 1")
      ->type_name("R G B")
      ->check(CLI::Range(1e-6, 1e6))
      ->capture_default_str();
  command->add_option("--output", options->output,
                      "the graph's output to use (default: the one that fits the labels)");
  command->callback([options, &run] {
    options->created_by =
        fmt::format("spate model import {} --labels {} --out {}", options->onnx_file.string(),
                    options->labels.string(), options->out.string());
    run = [options] { return import_onnx(*options); };
  });
}

}  // namespace

void add_image_model_commands(CLI::App& model, CLI::App& build, Run& run) {
  add_build(build, run);
  add_import(model, run);
}

}  // namespace spate::app
