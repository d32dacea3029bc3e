// SPDX-License-Identifier: Apache-2.0
//
// Clairvoyants of a whole suite: in threads, and kept in files as cells are.
#include <atomic>
#include <mutex>
#include <thread>

#include "spate/base/files.h"
#include "spate/base/sha256.h"
#include "spate/suite/clairvoyant.h"

namespace spate::suite {
namespace {

using Json = nlohmann::json;

// Equal where the results must be equal.
std::string key_of(const Suite& suite, const Demand& demand, const ClairvoyantOptions& options) {
  const Json all{{"demand", demand.settings},
                 {"seeds", suite.seeds},
                 {"version", options.version},
                 {"evaluations", options.evaluations},
                 {"prices", {suite.prices.cpu_per_hour, suite.prices.memory_gib_per_hour}}};
  return sha256_hex(all.dump());
}

std::optional<Clairvoyant> kept(const std::filesystem::path& file, const std::string& key) {
  const auto text = read_file(file);
  if (!text) return std::nullopt;
  const auto json = Json::parse(*text, nullptr, false);
  if (!json.is_object() || json.value("key", "") != key) return std::nullopt;
  return clairvoyant_from_json(json);
}

}  // namespace

Json to_json(const Clairvoyant& found) {
  return {{"demand", found.demand},
          {"plan_cost", found.plan_cost},
          {"plan_lower_cost", found.plan_lower_cost},
          {"slot_s", found.slot_s},
          {"configurations", found.configurations},
          {"cost", found.cost ? Json(*found.cost) : Json(nullptr)},
          {"slo_attainment", found.attainment},
          {"headroom", found.headroom},
          {"evaluations", found.evaluations},
          {"why", found.why}};
}

std::optional<Clairvoyant> clairvoyant_from_json(const Json& json) {
  try {
    Clairvoyant out;
    out.demand = json.at("demand");
    out.plan_cost = json.at("plan_cost");
    out.plan_lower_cost = json.at("plan_lower_cost");
    out.slot_s = json.at("slot_s");
    out.configurations = json.at("configurations");
    if (!json.at("cost").is_null()) out.cost = json.at("cost").get<double>();
    out.attainment = json.at("slo_attainment");
    out.headroom = json.at("headroom");
    out.evaluations = json.at("evaluations");
    out.why = json.at("why");
    return out;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

Result<std::vector<Clairvoyant>> find_clairvoyants(const Suite& suite,
                                                   const ClairvoyantOptions& options) {
  std::vector<Clairvoyant> out(suite.demands.size());
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // of what follows and of progress
  std::size_t done = 0;
  std::optional<Error> error;
  const auto work = [&] {
    for (std::size_t i = next++; i < suite.demands.size(); i = next++) {
      const Demand& demand = suite.demands[i];
      const auto file = options.out / "clairvoyant" / (demand.name + ".json");
      const std::string key = key_of(suite, demand, options);
      auto found = options.fresh ? std::nullopt : kept(file, key);
      const bool was_kept = found.has_value();
      Status written = ok();
      if (!was_kept) {
        found = find_clairvoyant(suite, demand, options.evaluations);
        Json json = to_json(*found);
        json["key"] = key;
        written = write_file(file, json.dump(1) + "\n");
      }
      const std::lock_guard lock(mutex);
      if (!written) error = written.error();
      out[i] = std::move(*found);
      ++done;
      if (options.progress) options.progress(out[i], done, out.size(), was_kept);
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int t = 1; t < options.threads; ++t) threads.emplace_back(work);
    work();
  }
  if (error) return *error;
  return out;
}

}  // namespace spate::suite
