// SPDX-License-Identifier: Apache-2.0
//
// Dataset: labelled samples in a directory, ready to be sent to a model. Used by influx, by
// `spate model predict` and by the builders of models.
//
//   tables   train.csv, held_out.csv and dataset.json (target, features, task, provenance)
//   images   label/*.jpg|jpeg|png folders, or files and labels.csv (file,label[,split])
//
// Splits are "train" and "held_out"; "all" is both, train first. Where images name no split,
// 1 in 5 of each label is held out: those whose sha256 of the relative path are lowest, so
// that the same folder is always split the same way.
//
// Threads: immutable after open(); any number may read at once.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/manifest.h"

namespace spate::models {

// One request's content and its true answer.
struct Sample {
  std::string payload;
  std::string content_type;  // "application/json", "image/jpeg" or "image/png"
  std::string label;         // class name, or the target's number as written in the table
  std::string source;        // "held_out.csv:12" or "scratches/3.jpg", for messages
};

// A row or file that was left out, and why.
struct SkippedSample {
  std::string source;
  std::string reason;
};

class Dataset {
 public:
  enum class Kind { Table, Images };

  // NotFound: no such directory, or one that holds no data set (and how to make one).
  // InvalidArgument: a broken dataset.json, labels.csv or table. A bad row or image file does
  // not fail: it is left out and listed in skipped(). Reads tables whole; of images only the
  // first bytes. Blocks.
  static Result<Dataset> open(const std::filesystem::path& directory);

  Kind kind() const { return kind_; }
  const std::string& name() const { return name_; }  // the directory's name
  Task task() const { return task_; }
  const std::string& target() const { return target_; }                   // tables
  const std::vector<std::string>& features() const { return features_; }  // tables
  // Classification: distinct labels, sorted. Regression: empty.
  const std::vector<std::string>& classes() const { return classes_; }
  const std::vector<SkippedSample>& skipped() const { return skipped_; }
  const std::filesystem::path& directory() const { return directory_; }
  // dataset.json as written ("{}" without one).
  const std::string& description_json() const { return description_json_; }

  // InvalidArgument for a split that is none of "train", "held_out" and "all".
  Result<std::size_t> size(std::string_view split) const;
  // Sample `i` in [0, size(split)), in the data set's fixed order. Images are read from disk on
  // each call. NotFound when the file has gone since.
  Result<Sample> sample(std::string_view split, std::size_t i) const;
  // Without reading the file: cheap.
  Result<std::string> label(std::string_view split, std::size_t i) const;
  // Images: the file of sample `i`.
  Result<std::filesystem::path> file(std::string_view split, std::size_t i) const;
  // Tables: the row's numbers, in the order of features().
  Result<std::vector<double>> row(std::string_view split, std::size_t i) const;

 private:
  struct Item {
    std::filesystem::path file;  // images: relative to the directory
    std::vector<double> row;     // tables
    std::string label;
    std::string source;
  };
  struct Loader;  // dataset.cc, dataset_images.cc
  Result<const Item*> item(std::string_view split, std::size_t i) const;

  Kind kind_ = Kind::Table;
  std::filesystem::path directory_;
  std::string name_;
  Task task_ = Task::Regression;
  std::string target_;
  std::vector<std::string> features_;
  std::vector<std::string> classes_;
  std::vector<SkippedSample> skipped_;
  std::string description_json_ = "{}";
  std::vector<Item> items_;     // train first
  std::size_t train_size_ = 0;  // items_[0, train_size_) are train
};

}  // namespace spate::models
