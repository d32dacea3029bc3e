// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "spate/base/csv.h"
#include "spate/base/sha256.h"
#include "spate/models/dataset_loader.h"

namespace spate::models {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLabelsFile = "labels.csv";
constexpr double kHeldOutShare = 0.2;

bool is_image_name(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

// Why `path` is no JPEG or PNG file, or "". Reads only the first bytes: whether the rest
// decodes is for the model to say.
std::string image_problem(const fs::path& path) {
  std::error_code failed;
  if (!fs::exists(path, failed)) return "the file does not exist";
  if (!fs::is_regular_file(path, failed)) return "is not a file";
  if (fs::file_size(path, failed) == 0) return "the file is empty";
  std::ifstream in(path, std::ios::binary);
  char head[8] = {};
  if (!in) return "cannot be read";
  in.read(head, sizeof head);
  const std::string_view start(head, static_cast<std::size_t>(in.gcount()));
  if (start.starts_with("\xFF\xD8\xFF") || start == "\x89PNG\r\n\x1A\n") return {};
  return "is neither JPEG nor PNG, by its first bytes";
}

// labels.csv may come from elsewhere: it must not lead out of the data set.
bool stays_inside(const fs::path& file) {
  if (file.empty() || file.is_absolute()) return false;
  return std::none_of(file.begin(), file.end(), [](const fs::path& part) { return part == ".."; });
}

}  // namespace

Status Dataset::Loader::read_images() {
  dataset.kind_ = Kind::Images;
  dataset.task_ = Task::Classification;
  std::error_code failed;
  auto candidates =
      fs::exists(dataset.directory_ / kLabelsFile, failed) ? list_labels_csv() : list_folders();
  if (!candidates) return candidates.error();
  if (candidates->empty()) {
    const std::string directory = dataset.directory_.string();
    return Error{ErrorCode::NotFound,
                 "no data set at " + directory +
                     ": expected train.csv, held_out.csv and dataset.json; or labels.csv and image "
                     "files; or folders label/*.jpg|jpeg|png"};
  }
  split_and_take(std::move(*candidates));
  if (dataset.items_.empty()) {
    const auto& first = dataset.skipped_.front();
    return Error{ErrorCode::InvalidArgument, dataset.directory_.string() + ": none of " +
                                                 std::to_string(dataset.skipped_.size()) +
                                                 " files is usable; " + first.source + ": " +
                                                 first.reason};
  }
  collect_classes();
  return ok();
}

Result<std::vector<Dataset::Loader::Candidate>> Dataset::Loader::list_folders() {
  std::vector<Candidate> found;
  std::error_code failed;
  for (const auto& folder : fs::directory_iterator(dataset.directory_, failed)) {
    if (!folder.is_directory()) continue;
    const auto label = folder.path().filename();
    for (const auto& entry : fs::directory_iterator(folder.path(), failed)) {
      if (!is_image_name(entry.path())) continue;
      Candidate candidate;
      candidate.item.file = label / entry.path().filename();
      candidate.item.label = label.string();
      candidate.item.source = candidate.item.file.string();
      found.push_back(std::move(candidate));
    }
  }
  if (failed) {
    return Error{ErrorCode::Internal,
                 "cannot list " + dataset.directory_.string() + ": " + failed.message()};
  }
  // The order in which a directory lists its entries is no order to rely on.
  std::sort(found.begin(), found.end(),
            [](const Candidate& a, const Candidate& b) { return a.item.source < b.item.source; });
  return found;
}

Result<std::vector<Dataset::Loader::Candidate>> Dataset::Loader::list_labels_csv() {
  const auto path = dataset.directory_ / kLabelsFile;
  const auto table = read_csv(path);
  if (!table) return table.error();
  const auto file = table->column("file");
  const auto label = table->column("label");
  const auto split = table->column("split");
  if (!file || !label) {
    return Error{ErrorCode::InvalidArgument,
                 path.string() + ": expected the columns file,label[,split]"};
  }
  std::vector<Candidate> found;
  for (std::size_t i = 0; i < table->rows.size(); ++i) {
    const auto& row = table->rows[i];
    const std::string line = path.string() + ":" + std::to_string(table->lines[i]) + ": ";
    Candidate candidate;
    candidate.item.file = row[*file];
    candidate.item.label = row[*label];
    candidate.item.source = row[*file];
    if (split) candidate.split = row[*split];
    if (!stays_inside(candidate.item.file)) {
      return Error{ErrorCode::InvalidArgument, line +
                                                   "file: expected a path inside the data set, "
                                                   "got \"" +
                                                   row[*file] + "\""};
    }
    if (candidate.item.label.empty()) {
      return Error{ErrorCode::InvalidArgument, line + "label is empty"};
    }
    if (!candidate.split.empty() && candidate.split != "train" && candidate.split != "held_out") {
      return Error{ErrorCode::InvalidArgument,
                   line + "split: expected train or held_out, got \"" + candidate.split + "\""};
    }
    found.push_back(std::move(candidate));
  }
  return found;
}

void Dataset::Loader::split_and_take(std::vector<Candidate> candidates) {
  std::map<std::string, std::vector<std::pair<std::string, std::size_t>>> unsplit;  // by label
  std::vector<Candidate> usable;
  for (auto& candidate : candidates) {
    if (auto reason = image_problem(dataset.directory_ / candidate.item.file); !reason.empty()) {
      dataset.skipped_.push_back({candidate.item.source, std::move(reason)});
      continue;
    }
    if (candidate.split.empty()) {
      unsplit[candidate.item.label].emplace_back(sha256_hex(candidate.item.source), usable.size());
    }
    usable.push_back(std::move(candidate));
  }
  for (auto& [label, members] : unsplit) {
    std::sort(members.begin(), members.end());
    // A label with two files or more has at least one on either side.
    const auto size = members.size();
    std::size_t held_out =
        static_cast<std::size_t>(std::lround(kHeldOutShare * static_cast<double>(size)));
    if (size >= 2) held_out = std::clamp<std::size_t>(held_out, 1, size - 1);
    for (std::size_t i = 0; i < size; ++i) {
      usable[members[i].second].split = i < held_out ? "held_out" : "train";
    }
  }
  for (const char* split : {"train", "held_out"}) {
    for (auto& candidate : usable) {
      if (candidate.split == split) dataset.items_.push_back(std::move(candidate.item));
    }
    if (split == std::string_view("train")) dataset.train_size_ = dataset.items_.size();
  }
}

}  // namespace spate::models
