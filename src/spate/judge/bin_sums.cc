// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/bin_sums.h"

#include <fmt/format.h>

#include <cmath>

namespace spate::judge {

void BinSums::add(double unix_s, double requests) {
  // A time that lies on an edge but for rounding belongs to the bin that begins there.
  const double at = (unix_s - origin_s_) / bin_s_;
  sums_[static_cast<std::int64_t>(std::floor(at + 1e-9))] += requests;
}

void BinSums::fill_holes() {
  if (sums_.empty()) return;
  const std::int64_t last = sums_.rbegin()->first;
  for (std::int64_t i = sums_.begin()->first; i < last; ++i) sums_.try_emplace(i, 0.0);
}

Imported BinSums::take() const {
  Imported out;
  out.bin_s = bin_s_;
  out.bins.reserve(sums_.size());
  for (const auto& [index, requests] : sums_) {
    out.bins.push_back({origin_s_ + static_cast<double>(index) * bin_s_, requests});
    out.requests += requests;
  }
  return out;
}

Error import_error(const std::string& name, std::size_t line, const std::string& what) {
  return {ErrorCode::InvalidArgument, fmt::format("{}:{}: {}", name, line, what)};
}

Result<double> bin_width(const ImportOptions& options, double archive_s) {
  if (options.bin_s <= 0.0) return archive_s;
  const double factor = options.bin_s / archive_s;
  if (factor < 0.999 || std::abs(factor - std::round(factor)) > 1e-9 * factor) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("--bin must be a whole multiple of the archive's {:g} s, got {:g} s",
                             archive_s, options.bin_s)};
  }
  return options.bin_s;
}

}  // namespace spate::judge
