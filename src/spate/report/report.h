// SPDX-License-Identifier: Apache-2.0
//
// Report: report.html, one file that needs no network: the comparison, every run over time, how
// it was measured. Made from a Summary, which is made from an experiment's directory, so it can be
// made again from the directory alone (`spate report DIR`).
//
// Threads: pure functions over files.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "spate/base/result.h"
#include "spate/lab/summary.h"
#include "spate/lab/validate.h"

namespace spate::report {

// What the page's script draws: everything in summary.json, plus each run's series as columns.
// Times are seconds from the start of the measured window.
nlohmann::json report_data(const lab::Summary& summary);

// The page. Unavailable when this build has no chart library in it (scripts/setup, build again).
Result<std::string> render(const nlohmann::json& data);

// Writes report.html into the summary's directory and returns its path.
Result<std::filesystem::path> write_report(const lab::Summary& summary);

// One model's series of one run as columns: {"influx": {t, offered, …}, "gateway": {t, queue, …}}.
// The gateway's are its readings at `t`, but `reserved`: the mean since the reading before, from
// the scaling events, as cost is. `reserved_from` is "events", or "samples" where it is a reading,
// too: a run without events, or a simulated one too long to keep them all.
nlohmann::json series_data(const lab::RunFiles& files, const std::string& model);

// The page of `spate validate`: its summary.json and the series of every live and simulated run.
nlohmann::json validation_data(const lab::ValidationOutcome& outcome);
Result<std::string> render_validation(const nlohmann::json& data);

// Writes report.html into `directory` and returns its path.
Result<std::filesystem::path> write_validation(const lab::ValidationOutcome& outcome,
                                               const std::filesystem::path& directory);

// The page of `spate capacity`: `curve` is its file (docs/capacity.md), as lab::curve_json() makes
// it.
nlohmann::json capacity_data(const nlohmann::json& curve);
Result<std::string> render_capacity(const nlohmann::json& data);

}  // namespace spate::report
