// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/worker_probe.h"

#include "spate/lab/worker_bench.h"

namespace spate::lab {
namespace {

constexpr std::size_t kDiscarded = 3;  // the first services after the limit came into force

}  // namespace

Result<ProbeResult> probe_worker(LiveLoop& loop, const ProbeOptions& options) {
  auto bench =
      WorkerBench::open(loop, {options.program, options.folder, options.socket, options.limits});
  if (!bench) return bench.error();
  scaling::ReplicaSpec spec;
  spec.model = options.model;
  spec.model_path = options.model_path.string();
  spec.cpu_request = spec.cpu_limit = options.cpu_limit;
  spec.mode = options.mode;
  const auto started = (*bench)->start(spec, options.samples);
  if (!started) return started.error();
  BenchWorker& worker = **started;
  ProbeResult out;
  out.ready_ms = to_ms(worker.ready_at - worker.ordered_at);
  out.limit_mechanism = std::string(scaling::to_string((*bench)->limit_mechanism()));
  if (const Status s = (*bench)->limit(worker, options.cpu_limit); !s) return s.error();
  for (const int batch : options.batches) {
    (*bench)->saturate(worker, batch);
    const Status enough =
        (*bench)->collect(worker, static_cast<std::size_t>(options.least) + kDiscarded,
                          options.shortest, options.longest);
    if (!enough) return enough.error();
    const std::size_t seen = worker.calls.size();  // the last ones under way do not count
    if (const Status s = (*bench)->rest(worker); !s) return s.error();
    for (std::size_t i = kDiscarded; i < seen; ++i) {
      out.service[batch].push_back(worker.calls[i].round_trip);
    }
    if (out.service[batch].empty()) {
      return Error{ErrorCode::Unavailable, "the worker of " + options.model +
                                               " answered too little within the time for it"};
    }
  }
  out.credits = worker.credits;
  return out;
}

}  // namespace spate::lab
