// SPDX-License-Identifier: Apache-2.0
#include "spate/telemetry/metrics.h"

#include <prometheus/family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <sstream>

#include "spate/base/check.h"
#include "spate/base/files.h"
#include "spate/base/real_clock.h"

namespace spate::telemetry {
namespace {

bool is_metric_name(const std::string& name) {
  if (!name.starts_with("spate_") && !name.starts_with("process_")) return false;
  if (name.ends_with("_") || name.find("__") != std::string::npos) return false;
  for (const std::string_view bad : {"_ms", "_milliseconds", "_us", "_ns", "_percent", "_kb", "_mb",
                                     "_mib", "_count", "_sum", "_bucket"}) {
    if (name.ends_with(bad)) return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

void check_name(const std::string& name, const std::string& help, bool is_counter) {
  SPATE_CHECK(is_metric_name(name), "not a metric name of ours: " + name);
  SPATE_CHECK(name.ends_with("_total") == is_counter,
              "counters, and only they, end in _total: " + name);
  SPATE_CHECK(!help.empty(), "no help text: " + name);
}

// The families of one type, by name.
template <class T>
class Families {
 public:
  template <class Build, class... Args>
  T& series(prometheus::Registry& registry, Build build, const std::string& name,
            const std::string& help, const Labels& labels, const Args&... args) {
    const std::lock_guard lock(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      auto& family = build().Name(name).Help(help).Register(registry);
      found = by_name_.emplace(name, &family).first;
    }
    return found->second->Add(labels, args...);
  }

  void remove(const std::string& name, const T& series) {
    const std::lock_guard lock(mutex_);
    const auto found = by_name_.find(name);
    SPATE_CHECK(found != by_name_.end(), "no such metric: " + name);
    // Family::Remove compares the address only.
    found->second->Remove(const_cast<T*>(&series));
  }

 private:
  std::mutex mutex_;
  std::map<std::string, prometheus::Family<T>*> by_name_;  // owned by the registry
};

// A field of /proc/self/status or smaps_rollup in bytes ("VmRSS:    1234 kB"), 0 when absent.
double kilobytes_field(const std::string& text, const std::string& field) {
  const auto at = text.find("\n" + field + ":");
  if (at == std::string::npos) return 0.0;
  return std::strtod(text.c_str() + at + field.size() + 2, nullptr) * 1024.0;
}

}  // namespace

struct Metrics::State {
  // Ours are the only families, each registered once.
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Throw};
  Families<Counter> counters;
  Families<Gauge> gauges;
  Families<Histogram> histograms;
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  check_name(name, help, true);
  return state_->counters.series(state_->registry, prometheus::BuildCounter, name, help, labels);
}

Gauge& Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  check_name(name, help, false);
  return state_->gauges.series(state_->registry, prometheus::BuildGauge, name, help, labels);
}

Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                              const Labels& labels, const std::vector<double>& edges) {
  check_name(name, help, false);
  SPATE_CHECK(!edges.empty() && std::is_sorted(edges.begin(), edges.end(), std::less_equal<>{}),
              "histogram edges must ascend: " + name);
  return state_->histograms.series(state_->registry, prometheus::BuildHistogram, name, help, labels,
                                   edges);
}

void Metrics::remove(const std::string& name, const Counter& series) {
  state_->counters.remove(name, series);
}
void Metrics::remove(const std::string& name, const Gauge& series) {
  state_->gauges.remove(name, series);
}
void Metrics::remove(const std::string& name, const Histogram& series) {
  state_->histograms.remove(name, series);
}

std::string Metrics::text() const {
  auto families = state_->registry.Collect();
  std::erase_if(families, [](const auto& family) { return family.metric.empty(); });
  std::ostringstream out;
  prometheus::TextSerializer{}.Serialize(out, families);
  return std::move(out).str();
}

std::vector<double> latency_edges(const std::vector<Duration>& slos) {
  std::vector<double> edges = {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                               0.1,    0.2,    0.5,    1.0,   2.0,   5.0,   10.0, 20.0, 60.0};
  for (const Duration slo : slos) {
    if (slo > Duration{0}) edges.push_back(to_seconds(slo));
  }
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

void advance_to(Counter& counter, double total) {
  const double now = counter.Value();
  if (total > now) counter.Increment(total - now);
}

ProcessMetrics::ProcessMetrics(Metrics& metrics)
    : cpu_seconds_(metrics.counter("process_cpu_seconds_total",
                                   "User and system CPU time spent by this process, in seconds.")),
      resident_bytes_(metrics.gauge("process_resident_memory_bytes",
                                    "Resident memory of this process, shared pages included.")),
      private_bytes_(metrics.gauge("process_private_memory_bytes",
                                   "Memory that only this process holds (private pages).")),
      threads_(metrics.gauge("process_threads", "Threads of this process.")),
      open_fds_(metrics.gauge("process_open_fds", "File descriptors that are open.")) {}

void ProcessMetrics::update() {
  advance_to(cpu_seconds_, to_seconds(process_cpu_time()));
  if (const auto status = read_file("/proc/self/status")) {
    resident_bytes_.Set(kilobytes_field(*status, "VmRSS"));
    const auto at = status->find("\nThreads:");
    if (at != std::string::npos) threads_.Set(std::strtod(status->c_str() + at + 9, nullptr));
  }
  if (const auto rollup = read_file("/proc/self/smaps_rollup")) {
    private_bytes_.Set(kilobytes_field(*rollup, "Private_Clean") +
                       kilobytes_field(*rollup, "Private_Dirty"));
  }
  std::error_code error;
  double fds = 0.0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++fds;
  }
  open_fds_.Set(fds);
}

}  // namespace spate::telemetry
