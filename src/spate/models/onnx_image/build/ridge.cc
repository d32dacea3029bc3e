// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/build/ridge.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "spate/base/rng.h"

namespace spate::models {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int kFolds = 5;
constexpr std::array kPenalties = {1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 10.0};

struct Standardised {
  MatrixXd features;
  VectorXd mean;
  VectorXd deviation;
};

Standardised standardise(const MatrixXd& features) {
  Standardised result;
  result.mean = features.colwise().mean().transpose();
  result.features = features.rowwise() - result.mean.transpose();
  result.deviation =
      (result.features.colwise().squaredNorm() / static_cast<double>(features.rows()))
          .cwiseSqrt()
          .transpose();
  // A feature that hardly moves must not be blown up into noise.
  const double floor = 1e-3 * result.deviation.mean() + 1e-12;
  result.deviation = result.deviation.cwiseMax(floor);
  result.features.array().rowwise() /= result.deviation.transpose().array();
  return result;
}

MatrixXd rows_of(const MatrixXd& matrix, const std::vector<int>& rows) {
  MatrixXd picked(static_cast<Eigen::Index>(rows.size()), matrix.cols());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    picked.row(static_cast<Eigen::Index>(i)) = matrix.row(rows[i]);
  }
  return picked;
}

MatrixXd one_hot(const std::vector<int>& labels, int classes) {
  MatrixXd targets = MatrixXd::Zero(static_cast<Eigen::Index>(labels.size()), classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    targets(static_cast<Eigen::Index>(i), labels[i]) = 1.0;
  }
  return targets;
}

// Solves for coefficients (features x classes) at each penalty. Works on samples x samples or
// features x features, whichever is smaller.
class RidgeSolver {
 public:
  RidgeSolver(const MatrixXd& x, const MatrixXd& y)
      : x_(x), y_mean_(y.colwise().mean()), wide_(x.rows() < x.cols()) {
    const MatrixXd centred = y.rowwise() - y_mean_;
    gram_ = wide_ ? MatrixXd(x * x.transpose()) : MatrixXd(x.transpose() * x);
    right_ = wide_ ? centred : MatrixXd(x.transpose() * centred);
    scale_ = x.squaredNorm() / static_cast<double>(x.rows());
  }

  MatrixXd coefficients(double penalty) const {
    MatrixXd regular = gram_;
    regular.diagonal().array() += penalty * scale_ + 1e-9;
    const MatrixXd solved = regular.llt().solve(right_);
    return wide_ ? MatrixXd(x_.transpose() * solved) : solved;
  }
  const Eigen::RowVectorXd& intercept() const { return y_mean_; }

 private:
  const MatrixXd& x_;
  Eigen::RowVectorXd y_mean_;
  bool wide_;
  MatrixXd gram_;
  MatrixXd right_;
  double scale_ = 0.0;
};

// Which fold each sample is in: the groups of each class dealt out in turn, in random order.
std::vector<int> deal_folds(const RidgeSamples& samples, std::uint64_t seed) {
  std::map<int, std::map<int, std::vector<int>>> by_class;  // class -> group -> samples
  for (std::size_t i = 0; i < samples.labels.size(); ++i) {
    by_class[samples.labels[i]][samples.groups[i]].push_back(static_cast<int>(i));
  }
  std::vector<int> fold(samples.labels.size());
  Rng rng(seed, "ridge.folds");
  int next = 0;
  for (const auto& [label, groups] : by_class) {
    std::vector<int> order;
    for (const auto& [group, members] : groups) order.push_back(group);
    shuffle(order, rng);
    for (const int group : order) {
      for (const int member : groups.at(group)) fold[static_cast<std::size_t>(member)] = next;
      next = (next + 1) % kFolds;
    }
  }
  return fold;
}

struct Validation {
  std::vector<MatrixXd> scores;  // per penalty: each sample's scores from a fit without its fold
};

Validation cross_validate(const MatrixXd& x, const MatrixXd& y, const std::vector<int>& fold) {
  Validation validation;
  validation.scores.assign(kPenalties.size(), MatrixXd::Zero(x.rows(), y.cols()));
  for (int held = 0; held < kFolds; ++held) {
    std::vector<int> train, test;
    for (std::size_t i = 0; i < fold.size(); ++i) {
      (fold[i] == held ? test : train).push_back(static_cast<int>(i));
    }
    if (test.empty()) continue;
    const MatrixXd x_train = rows_of(x, train);
    const MatrixXd x_test = rows_of(x, test);
    const RidgeSolver solver(x_train, rows_of(y, train));
    for (std::size_t p = 0; p < kPenalties.size(); ++p) {
      const MatrixXd scores =
          (x_test * solver.coefficients(kPenalties[p])).rowwise() + solver.intercept();
      for (std::size_t i = 0; i < test.size(); ++i) {
        validation.scores[p].row(test[i]) = scores.row(static_cast<Eigen::Index>(i));
      }
    }
  }
  return validation;
}

double accuracy(const MatrixXd& scores, const std::vector<int>& labels) {
  int right = 0;
  for (Eigen::Index i = 0; i < scores.rows(); ++i) {
    Eigen::Index best = 0;
    scores.row(i).maxCoeff(&best);
    right += best == labels[static_cast<std::size_t>(i)] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(scores.rows());
}

double log_loss(const MatrixXd& scores, const std::vector<int>& labels, double factor) {
  double loss = 0.0;
  for (Eigen::Index i = 0; i < scores.rows(); ++i) {
    const Eigen::ArrayXd logits = scores.row(i).transpose().array() * factor;
    const double largest = logits.maxCoeff();
    loss += largest + std::log((logits - largest).exp().sum()) -
            logits[labels[static_cast<std::size_t>(i)]];
  }
  return loss / static_cast<double>(scores.rows());
}

// The factor from scores to logits, by ternary search: the loss is convex in it.
double best_factor(const MatrixXd& scores, const std::vector<int>& labels) {
  double low = std::log(0.1), high = std::log(100.0);
  for (int i = 0; i < 60; ++i) {
    const double a = low + (high - low) / 3, b = high - (high - low) / 3;
    if (log_loss(scores, labels, std::exp(a)) < log_loss(scores, labels, std::exp(b))) {
      high = b;
    } else {
      low = a;
    }
  }
  return std::exp((low + high) / 2);
}

Status check_samples(const RidgeSamples& samples) {
  std::map<int, std::map<int, int>> groups;
  for (std::size_t i = 0; i < samples.labels.size(); ++i) {
    ++groups[samples.labels[i]][samples.groups[i]];
  }
  if (samples.classes < 2) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("there must be two classes at least, there are {}", samples.classes)};
  }
  for (int label = 0; label < samples.classes; ++label) {
    if (groups[label].size() < 2) {
      return Error{ErrorCode::InvalidArgument,
                   fmt::format("class {} has {} training sample(s), two are needed at least", label,
                               groups[label].size())};
    }
  }
  return ok();
}

}  // namespace

Result<RidgeClassifier> fit_ridge_classifier(const RidgeSamples& samples, std::uint64_t seed) {
  const Status checked = check_samples(samples);
  if (!checked) return checked.error();
  const Standardised data = standardise(samples.features);
  const MatrixXd targets = one_hot(samples.labels, samples.classes);
  const auto validation = cross_validate(data.features, targets, deal_folds(samples, seed));

  std::size_t best = 0;
  double least_loss = std::numeric_limits<double>::infinity();
  double factor = 1.0;
  for (std::size_t p = 0; p < kPenalties.size(); ++p) {
    const double candidate = best_factor(validation.scores[p], samples.labels);
    const double loss = log_loss(validation.scores[p], samples.labels, candidate);
    if (loss < least_loss) {
      least_loss = loss;
      best = p;
      factor = candidate;
    }
  }
  const RidgeSolver solver(data.features, targets);
  const MatrixXd coefficients = solver.coefficients(kPenalties[best]) * factor;
  RidgeClassifier fitted;
  fitted.weights = coefficients.transpose();
  fitted.weights.array().rowwise() /= data.deviation.transpose().array();
  fitted.bias = solver.intercept().transpose() * factor - fitted.weights * data.mean;
  fitted.penalty = kPenalties[best];
  fitted.validation_accuracy = accuracy(validation.scores[best], samples.labels);
  return fitted;
}

}  // namespace spate::models
