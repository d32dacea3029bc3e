// SPDX-License-Identifier: Apache-2.0
//
// Least squares for the linear model. Columns are centred and divided by their standard
// deviation, then solved by QR with column pivoting, which stays accurate where forming XᵀX
// would lose half the digits. Used by `spate model build linear`.
//
// Threads: free functions, no shared state.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/linear.h"
#include "spate/models/training_table.h"

namespace spate::models {

struct LinearFit {
  LinearParameters parameters;
  // Features (by index) that got coefficient 0: the same value in every row, or a linear
  // combination of others to within rounding.
  std::vector<std::size_t> constant;
  std::vector<std::size_t> dependent;
};

// Minimises Σ (y_i − intercept − Σ_j coefficient_j x_ij)². `x` is rows × columns, row after
// row, all finite. InvalidArgument when there are fewer than 2 rows.
Result<LinearFit> fit_linear(std::span<const double> x, std::size_t columns,
                             std::span<const double> y);

// Reads, fits, judges by the held-out rows beside the mean of the target as baseline, saves.
// Missing cells take the mean of their column over the rows fitted on. Blocks.
Result<BuildReport> build_linear(const TableBuildOptions& options);

}  // namespace spate::models
