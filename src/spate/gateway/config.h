// SPDX-License-Identifier: Apache-2.0
//
// GatewayConfig: the settings of `spate gateway`, read strictly from gateway.json. The lab writes
// that file for each run; in a cluster a person does. Every field states its unit, range and
// default; a key that is not listed here is refused with its place.
//
// Threads: any; plain data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/config_reader.h"

namespace spate::gateway {

// Where the MQTT broker is ("broker").
struct BrokerConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 1883;  // 1 to 65535
  std::string username;       // "" = none
  // File whose first line is the password; read at start. "" = none.
  std::string password_file;
};

// Where HTTP is served ("http"): /metrics, the API, the dashboard.
struct HttpConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0 = a free one; gateway.state.json says which
};

// "strategy"
struct StrategyConfig {
  std::string name = "none";
  std::string options_json = "{}";  // the strategy's own settings, checked by the strategy
};

// "actuator"
struct ActuatorConfig {
  std::string kind = "process";
  std::string limits = "auto";      // auto | cgroup | duty_cycle | none
  std::string options_json = "{}";  // "options": the engine's own settings, checked by the actuator
};

// How the next worker for a batch is chosen ("dispatch").
enum class DispatchPolicy : std::uint8_t { LeastOutstanding, PowerOfTwo, RoundRobin };
std::string_view to_string(DispatchPolicy policy);

// One model route (an entry of "models").
struct ModelConfig {
  std::string name;  // route: [A-Za-z0-9_.-]{1,64}, unique
  std::string path;  // model directory, handed to the workers

  Duration slo_latency = std::chrono::seconds(1);  // "slo_latency_ms", (0, 3 600 000]
  double slo_target = 0.95;                        // (0, 1]

  double cpu_request = 0.5;         // CPUs reserved per replica, [0.01, 256]
  double cpu_limit = 0.5;           // CPUs a replica may use at first, [0.01, 256]
  std::string mode = "throughput";  // throughput | latency (design 3.3)
  int replicas = 1;                 // at start, [0, 10 000]
  int min_replicas = 1;             // default: replicas
  int max_replicas = 1;             // default: replicas
  double min_cpu = 0.5;             // CPUs per replica; default: cpu_limit
  double max_cpu = 0.5;             // default: cpu_limit
  double cpu_ceiling = 0.5;         // CPUs over all replicas; default: max_replicas x max_cpu
  int warm_pool = 0;                // parked replicas at the start, [0, 64]
  int max_warm_pool = 0;            // of a strategy; default: warm_pool or max_replicas
  bool scaled = true;               // false: the strategy does not see it

  // Requests per batch at most, [1, 4096], default 1. Larger batches raise throughput of models
  // that profit from them and the latency of every request in them.
  int max_batch = 1;
  // How long an incomplete batch may wait for more, [0, 60 000] ms. Default 0: never; the
  // batch is what happens to wait when a worker is free.
  Duration max_delay{0};
  // Bounds of what waits (dispatched requests do not count). Beyond: `overloaded`.
  std::size_t max_queue_messages = 10'000;   // [1, 10 000 000]
  std::size_t max_queue_bytes = 256U << 20;  // payload bytes, [1, 2^40]
  // Attempts per request, [1, 100]. An attempt ends without an answer when its worker dies or
  // hangs; after the last one the request ends with `model_failed`.
  int max_attempts = 3;
  // A worker that has not answered a batch for so long is taken for hung, (0, 3 600 000] ms.
  // Also how long a hung worker can hold back acknowledgements. Keep well above the service time
  // of a full batch at the smallest CPU limit.
  Duration attempt_timeout = std::chrono::seconds(10);
  DispatchPolicy dispatch = DispatchPolicy::LeastOutstanding;
  // Refuse with `overloaded` on arrival what by the estimate cannot be answered in time. Off:
  // only the bounds of the queue refuse, and late requests expire.
  bool early_overload = true;
  // Kept free between the expected answer and the deadline, for the way back to the sender,
  // [0, 60 000] ms, never more than a tenth of the budget. Larger: fewer late answers, more
  // refusals.
  Duration deadline_margin = std::chrono::milliseconds(25);
  // Deadline budget of a request that states none, [0, 3 600 000] ms. 0 = none: it waits for as
  // long as it takes.
  Duration default_deadline{0};
  // Larger payloads are `bad_input`, [1, 2^26 - 4096] bytes and at most max_queue_bytes.
  // Default: 32 MiB or max_queue_bytes, whichever is less.
  std::size_t max_payload_bytes = 32U << 20;
};

// Which route takes which "type" in single-topic mode ("single_topic_routes").
struct SingleTopicRoutes {
  std::string numeric = "linear";
  std::string classification = "xgboost";
  std::string image = "resnet50";
};

struct GatewayConfig {
  BrokerConfig broker;
  // Names the gateway's MQTT sessions (`spate-<run_id>-<model>`): a gateway that comes back with
  // the same run_id gets what the broker kept for it. [A-Za-z0-9_.-]{1,64}.
  std::string run_id;
  std::filesystem::path run_dir;
  std::string worker_listen;  // "unix:/path" or "tcp:host:port" (port 0 = a free one)
  std::string token_file;     // its content, without trailing white space, is the shared token
  HttpConfig http;
  // Label `run` of what service discovery names, so that runs can be told apart and compared in
  // Prometheus. "run_label", default: run_id.
  std::string run_label;
  // Further components' /metrics for service discovery, "host:port" by component ("influx").
  // "metrics_targets"
  std::map<std::string, std::string> metrics_targets;
  // Topic of single-topic mode; "" = off.
  std::string single_topic;
  SingleTopicRoutes single_topic_routes;
  StrategyConfig strategy;
  ActuatorConfig actuator;
  std::vector<ModelConfig> models;

  // A request whose `sent_unix_us` lies further than this from our clock, either way, has its
  // deadline counted from receipt (and is counted). (0, 3 600 000] ms, default 60 000.
  // "max_clock_difference_ms"
  Duration max_clock_difference = std::chrono::seconds(60);
  // Answer requests for models that have no route with `unknown_model`. Costs the broker one
  // more QoS 0 delivery per request; off where every microsecond counts.
  bool answer_unknown_models = true;
  // How long stop() lets waiting requests finish, [0, 3600] s. "shutdown_grace_s"
  Duration shutdown_grace = std::chrono::seconds(10);
  // A worker that sends nothing for so long is dead, [1, 3600] s; it is pinged every second, or
  // four times within it.
  // "heartbeat_timeout_s"
  Duration heartbeat_timeout = std::chrono::seconds(10);
};

// Throws ConfigError with file, line, path, what was expected and what stands there.
GatewayConfig read_gateway_config(const ConfigReader& reader);
GatewayConfig read_gateway_config(const std::filesystem::path& file);

}  // namespace spate::gateway
