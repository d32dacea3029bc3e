// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/run_suite.h"

#include <fmt/format.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "spate/base/files.h"

namespace spate::suite {
namespace {

struct Job {
  const Demand* demand;
  const SuiteStrategy* strategy;
  std::uint64_t seed;
  std::filesystem::path file;
  std::string key;
};

std::vector<Job> jobs_of(const Suite& suite, const RunOptions& options) {
  std::vector<Job> out;
  for (const auto& d : suite.demands) {
    for (const auto& s : suite.strategies) {
      for (const auto seed : suite.seeds) {
        out.push_back({&d, &s, seed,
                       options.out / "cells" / d.name / fmt::format("{}-{}.json", s.label, seed),
                       cell_key(suite, d, s, seed, options.version)});
      }
    }
  }
  return out;
}

std::optional<Cell> kept_cell(const Job& job) {
  const auto text = read_file(job.file);
  if (!text) return std::nullopt;
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object() || json.value("key", "") != job.key) return std::nullopt;
  return cell_from_json(json);
}

}  // namespace

Result<std::vector<Cell>> run_suite(const Suite& suite, const scaling::StrategyRegistry& registry,
                                    const RunOptions& options) {
  const auto jobs = jobs_of(suite, options);
  std::vector<std::optional<Cell>> cells(jobs.size());
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;  // of `done`, `error` and progress
  std::size_t done = 0;
  std::optional<Error> error;
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size() && !failed; i = next++) {
      if (options.stop && options.stop()) break;
      const Job& job = jobs[i];
      std::optional<Cell> cell = options.fresh ? std::nullopt : kept_cell(job);
      const bool kept = cell.has_value();
      if (!kept) {
        cell = run_cell(suite, *job.demand, *job.strategy, job.seed, registry);
        auto json = to_json(*cell);
        json["key"] = job.key;
        if (auto written = write_file(job.file, json.dump(1) + "\n"); !written) {
          const std::lock_guard lock(mutex);
          error = written.error();
          failed = true;
          break;
        }
      }
      const std::lock_guard lock(mutex);
      ++done;
      if (options.progress) options.progress(*cell, done, jobs.size(), kept);
      cells[i] = std::move(cell);
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int t = 1; t < options.threads; ++t) threads.emplace_back(work);
    work();
  }
  if (error) return *error;
  std::vector<Cell> out;
  for (auto& c : cells) {
    if (!c) {
      return Error{ErrorCode::Unavailable,
                   fmt::format("stopped after {} of {} cells; the same command goes on from there",
                               done, jobs.size())};
    }
    out.push_back(std::move(*c));
  }
  return out;
}

}  // namespace spate::suite
