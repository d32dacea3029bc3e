// SPDX-License-Identifier: Apache-2.0
//
// Prices: what reserved CPU and memory cost. Scenarios and suites have them under `prices`; a file
// of its own (`--prices FILE`, docs/prices.md) has the same keys.
//
// Used by lab and suite. Threads: plain data.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "spate/base/config_reader.h"

namespace spate::judge {

struct Prices {
  double cpu_per_hour = 0.0405;         // one CPU reserved for an hour
  double memory_gib_per_hour = 0.0045;  // one GiB held for an hour
  std::string currency = "USD";
};

// {cpu_per_hour, memory_gib_per_hour, currency}. A price that is left out has its default, which is
// one in USD: with another currency both must be there. Not both may be 0. Throws ConfigError.
Prices read_prices(const ConfigReader& in);

// A file of prices: both must be there. Throws ConfigError.
Prices read_price_file(const std::filesystem::path& file);

nlohmann::json to_json(const Prices& prices);

}  // namespace spate::judge
