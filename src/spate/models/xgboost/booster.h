// SPDX-License-Identifier: Apache-2.0
//
// Booster: libxgboost's handle with our errors. Used by the xgboost module only.
//
// Threads: predict() from any number of threads; the rest from one, before that.
#pragma once

#include <xgboost/c_api.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spate/base/result.h"

namespace spate::models::xgboost {

// A matrix in libxgboost's own form, for training. Missing values are NaN.
class Matrix {
 public:
  static Result<Matrix> create(std::span<const float> x, std::size_t columns,
                               std::span<const float> labels);
  DMatrixHandle handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(void* handle) const { XGDMatrixFree(handle); }
  };
  std::unique_ptr<void, Free> handle_;
};

class Booster {
 public:
  using Parameters = std::vector<std::pair<std::string, std::string>>;

  // A fresh booster for training on `matrix`, which must outlive it.
  static Result<Booster> create(const Matrix& matrix, const Parameters& parameters);
  // From what save() gave; with one thread.
  static Result<Booster> load(std::string_view bytes);

  Status train_round(int round, const Matrix& matrix);
  // In UBJSON, libxgboost's portable binary form.
  Result<std::string> save() const;
  Result<std::size_t> features() const;

  // In-place prediction of `x` (rows × columns float32, row after row): per row one value, or
  // one probability per class. The result is libxgboost's buffer of the calling thread, valid
  // until that thread's next call.
  Result<std::span<const float>> predict(std::span<const float> x, std::size_t columns) const;

 private:
  struct Free {
    void operator()(void* handle) const { XGBoosterFree(handle); }
  };
  std::unique_ptr<void, Free> handle_;
};

}  // namespace spate::models::xgboost
