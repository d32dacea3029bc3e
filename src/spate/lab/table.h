// SPDX-License-Identifier: Apache-2.0
//
// The comparison as a table for the terminal: a row per strategy and model.
#pragma once

#include <string>

#include "spate/lab/verdict.h"

namespace spate::lab {

struct TableStyle {
  bool colour = false;  // ANSI colours; off for files and pipes
  std::string currency = "USD";
};

// Ends with the verdict. Lines are at most 110 columns wide for names of usual length.
std::string comparison_table(const Comparison& comparison, const TableStyle& style);

// What `--detail` adds: elasticity per strategy and model, recovery after each surge, and what the
// repetitions can tell apart. "" when there is nothing of it.
std::string detail_tables(const Comparison& comparison, const TableStyle& style);

// Costs are small: a unit prefix that keeps 3 significant digits readable ("1.24 mUSD").
std::string money(double amount, const std::string& currency);

}  // namespace spate::lab
