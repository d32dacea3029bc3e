// SPDX-License-Identifier: Apache-2.0
#include "spate/models/linear_fit.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace spate::models {
namespace {

// A pivot below this share of the largest is taken for rounding: the column adds nothing that
// the data can tell. Standardised columns make one threshold fit all units.
constexpr double kRankThreshold = 1e-10;
// A standard deviation below this share of the column's magnitude is rounding of a constant.
constexpr double kConstantThreshold = 1e-12;

std::vector<double> column_means(const TrainingTable& table) {
  const std::size_t columns = table.features.size();
  std::vector<double> means(columns);
  for (std::size_t j = 0; j < columns; ++j) {
    double sum = 0.0;
    std::size_t count = 0;
    for (std::size_t i = 0; i < table.rows(); ++i) {
      if (std::isnan(table.at(i, j))) continue;
      sum += table.at(i, j);
      ++count;
    }
    means[j] = count > 0 ? sum / static_cast<double>(count) : 0.0;
  }
  return means;
}

void impute(TrainingTable& table, const std::vector<double>& means) {
  for (std::size_t k = 0; k < table.x.size(); ++k) {
    if (std::isnan(table.x[k])) table.x[k] = means[k % means.size()];
  }
}

Result<LinearFit> fit_table(TrainingTable table) {
  const auto y = numeric_target(table);
  if (!y) return y.error();
  impute(table, column_means(table));
  return fit_linear(table.x, table.features.size(), *y);
}

std::map<std::string, double> judge(const LinearFit& fit, const TrainingTable& fitted,
                                    TrainingTable held_out, const std::vector<double>& y) {
  impute(held_out, fit.parameters.means);
  Manifest manifest;
  manifest.features = held_out.features;
  const LinearModel model(manifest, fit.parameters);
  const auto fitted_y = *numeric_target(fitted);
  const double baseline =
      std::accumulate(fitted_y.begin(), fitted_y.end(), 0.0) / static_cast<double>(fitted_y.size());
  const double n = static_cast<double>(y.size());
  const double mean = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double squared = 0.0;
  double absolute = 0.0;
  double baseline_squared = 0.0;
  double variance = 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double error = y[i] - model.value(held_out.x.data() + i * held_out.features.size());
    squared += error * error;
    absolute += std::abs(error);
    baseline_squared += (y[i] - baseline) * (y[i] - baseline);
    variance += (y[i] - mean) * (y[i] - mean);
  }
  std::map<std::string, double> quality{{"held_out_rows", n},
                                        {"rmse", std::sqrt(squared / n)},
                                        {"mae", absolute / n},
                                        {"baseline_rmse", std::sqrt(baseline_squared / n)}};
  if (variance > 0.0) quality["r2"] = 1.0 - squared / variance;
  return quality;
}

std::string names(const std::vector<std::size_t>& chosen, const TrainingTable& table) {
  std::string out;
  for (const auto j : chosen) out += (out.empty() ? "" : ", ") + table.features[j];
  return out;
}

}  // namespace

Result<LinearFit> fit_linear(std::span<const double> x, std::size_t columns,
                             std::span<const double> y) {
  if (y.size() < 2) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("least squares needs at least 2 rows, got {}", y.size())};
  }
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto rows = static_cast<Eigen::Index>(y.size());
  const Eigen::Map<const Matrix> raw(x.data(), rows, static_cast<Eigen::Index>(columns));
  const Eigen::Map<const Eigen::VectorXd> target(y.data(), rows);
  const Eigen::RowVectorXd means = raw.colwise().mean();
  const double target_mean = target.mean();

  LinearFit fit;
  fit.parameters.means.assign(means.data(), means.data() + means.size());
  fit.parameters.coefficients.assign(columns, 0.0);
  std::vector<std::size_t> used;
  std::vector<double> scales;
  for (std::size_t j = 0; j < columns; ++j) {
    const auto column = static_cast<Eigen::Index>(j);
    const double scale = std::sqrt((raw.col(column).array() - means(column)).square().mean());
    if (scale <= kConstantThreshold * raw.col(column).cwiseAbs().maxCoeff()) {
      fit.constant.push_back(j);
    } else {
      used.push_back(j);
      scales.push_back(scale);
    }
  }
  Eigen::MatrixXd standard(rows, static_cast<Eigen::Index>(used.size()));
  for (std::size_t k = 0; k < used.size(); ++k) {
    const auto column = static_cast<Eigen::Index>(used[k]);
    standard.col(static_cast<Eigen::Index>(k)) =
        (raw.col(column).array() - means(column)) / scales[k];
  }
  fit.parameters.intercept = target_mean;
  if (used.empty()) return fit;

  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr;
  qr.setThreshold(kRankThreshold);
  qr.compute(standard);
  const Eigen::VectorXd centred = target.array() - target_mean;
  // Not qr.solve(), which divides by every pivot that is not exactly zero, rounding included.
  const Eigen::Index rank = qr.rank();
  Eigen::VectorXd rotated = centred;
  rotated.applyOnTheLeft(qr.householderQ().adjoint());
  const Eigen::VectorXd pivoted = qr.matrixQR()
                                      .topLeftCorner(rank, rank)
                                      .triangularView<Eigen::Upper>()
                                      .solve(rotated.head(rank));
  Eigen::VectorXd solution = Eigen::VectorXd::Zero(standard.cols());
  for (Eigen::Index k = 0; k < rank; ++k) {
    solution(qr.colsPermutation().indices()(k)) = pivoted(k);
  }
  for (Eigen::Index k = rank; k < standard.cols(); ++k) {
    fit.dependent.push_back(used[static_cast<std::size_t>(qr.colsPermutation().indices()(k))]);
  }
  std::sort(fit.dependent.begin(), fit.dependent.end());
  for (std::size_t k = 0; k < used.size(); ++k) {
    const double coefficient = solution(static_cast<Eigen::Index>(k)) / scales[k];
    fit.parameters.coefficients[used[k]] = coefficient;
    fit.parameters.intercept -= coefficient * means(static_cast<Eigen::Index>(used[k]));
  }
  return fit;
}

Result<BuildReport> build_linear(const TableBuildOptions& options) {
  auto data = load_training_data(options);
  if (!data) return data.error();
  BuildReport report;
  report.notes = data->notes;
  if (data->final_fit.missing_cells() > 0) {
    report.notes.emplace_back("missing cells take their column's mean over the rows fitted on");
  }
  report.notes.push_back(data->how_split);

  Manifest manifest;
  if (data->held_out.rows() > 0) {
    const auto fit = fit_table(data->fit);
    if (!fit) return fit.error();
    const auto y = numeric_target(data->held_out);
    if (!y) return y.error();
    manifest.held_out = judge(*fit, data->fit, data->held_out, *y);
  }
  const auto fit = fit_table(data->final_fit);
  if (!fit) return fit.error();
  if (!fit->constant.empty()) {
    report.notes.push_back("the same value in every row, so without effect: " +
                           names(fit->constant, data->final_fit));
  }
  if (!fit->dependent.empty()) {
    report.notes.push_back("a combination of other features, so given coefficient 0: " +
                           names(fit->dependent, data->final_fit));
  }
  manifest.name = "linear";
  manifest.kind = "linear";
  manifest.variant = "least_squares";
  manifest.task = Task::Regression;
  manifest.features = data->final_fit.features;
  manifest.target = data->final_fit.target;
  manifest.created_by = options.created_by;
  nlohmann::json settings;
  settings["fitted_rows"] = data->final_fit.rows();
  settings["missing_cells"] = data->final_fit.missing_cells();
  settings["rank"] = manifest.features.size() - fit->constant.size() - fit->dependent.size();
  settings["split"] = data->how_split;
  manifest.settings_json = settings.dump();
  auto saved = save_linear(options.out, std::move(manifest), fit->parameters);
  if (!saved) return saved.error();
  report.manifest = std::move(*saved);
  return report;
}

}  // namespace spate::models
