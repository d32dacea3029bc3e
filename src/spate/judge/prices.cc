// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/prices.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace spate::judge {
namespace {

constexpr double kMostPerHour = 1e9;
constexpr std::size_t kLongestCurrency = 12;

// It stands after each amount in tables and charts.
bool is_currency(const std::string& name) {
  return !name.empty() && name.size() <= kLongestCurrency &&
         std::none_of(name.begin(), name.end(),
                      [](unsigned char c) { return c <= ' ' || c == 127; });
}

}  // namespace

Prices read_prices(const ConfigReader& in) {
  in.allow_only({"cpu_per_hour", "memory_gib_per_hour", "currency"});
  Prices out;
  const std::string usual = out.currency;
  out.cpu_per_hour = in.number_or("cpu_per_hour", out.cpu_per_hour, 0.0, kMostPerHour);
  out.memory_gib_per_hour =
      in.number_or("memory_gib_per_hour", out.memory_gib_per_hour, 0.0, kMostPerHour);
  out.currency = in.text_or("currency", out.currency);
  if (!is_currency(out.currency)) {
    in.at("currency").fail("a name of 1 to 12 bytes without spaces, such as EUR");
  }
  if (out.currency != usual && !(in.has("cpu_per_hour") && in.has("memory_gib_per_hour"))) {
    in.complain("the currency is " + out.currency + ", but the defaults are prices in " + usual +
                ": expected both cpu_per_hour and memory_gib_per_hour");
  }
  if (out.cpu_per_hour == 0.0 && out.memory_gib_per_hour == 0.0) {
    in.complain("both prices are 0: then every strategy costs the same");
  }
  return out;
}

Prices read_price_file(const std::filesystem::path& file) {
  const ConfigReader in = ConfigReader::from_file(file);
  if (!in.is_map()) in.fail("a map of cpu_per_hour, memory_gib_per_hour and currency");
  Prices out = read_prices(in);
  (void)in.at("cpu_per_hour");
  (void)in.at("memory_gib_per_hour");
  return out;
}

nlohmann::json to_json(const Prices& prices) {
  return {{"cpu_per_hour", prices.cpu_per_hour},
          {"memory_gib_per_hour", prices.memory_gib_per_hour},
          {"currency", prices.currency}};
}

}  // namespace spate::judge
