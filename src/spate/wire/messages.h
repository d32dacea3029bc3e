// SPDX-License-Identifier: Apache-2.0
//
// The messages between gateway and worker (design 3.3). Workers dial in over a Unix socket or
// TCP; each message travels as one length-prefixed, versioned binary frame (codec.h).
//
// A worker's life: Register -> Registered (or Refused) -> [loads] -> Ready -> Batch* ->
// Drain or Draining -> last BatchResult -> Goodbye -> connection closed.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "spate/base/clock.h"

namespace spate::wire {

inline constexpr std::uint8_t kVersion = 1;
// A longer frame is a protocol error; both sides close.
inline constexpr std::uint32_t kMaxFrameBytes = 64U << 20;

// --- worker -> gateway ------------------------------------------------------------------------

// First frame of a connection, sent before the model is loaded, so that the gateway sees a
// starting replica. Sent again, with the same replica id, after the gateway came back; what was
// unanswered on the old connection is forgotten by the worker and never answered on the new one.
// Ready follows each Registered as soon as the model is loaded, so at once when it was.
struct Register {
  std::string token;         // shared secret; a wrong one is Refused
  std::string model;         // route, for example "resnet50"
  std::string variant;       // for example "fp32"
  std::string version;       // the manifest's version
  std::string replica_id;    // unique in a run; chosen by whoever started the worker
  std::int64_t pid = 0;      // in the worker's own pid namespace
  std::string container_id;  // "" outside an engine
  double cpu_limit = 0.0;    // CPUs, as the worker sees its limit; 0 = none
  std::uint32_t max_batch = 1;
  bool ready = false;  // true when it re-registers with its model loaded
  // Where it serves /metrics, "host:port"; ":port" = at the address it dials from; "" = nowhere.
  std::string metrics_address{};
};

// The model is loaded and warmed. Durations are the start phases, for the start-up report.
struct Ready {
  Duration exec_to_main{};    // process start until main
  Duration load{};            // model load
  Duration warm_up{};         // first prediction
  std::uint32_t credits = 1;  // how many batches it accepts at once (its concurrency)
};

// The number of batches it accepts at once has changed (it followed a new CPU limit).
struct Credits {
  std::uint32_t credits = 1;
};

// Expired: the item's budget was over before its turn came; it was not computed.
enum class ItemCode : std::uint8_t { Ok = 0, BadInput = 1, ModelFailed = 2, Expired = 3 };

struct ItemResult {
  std::uint64_t request_id = 0;
  ItemCode code = ItemCode::Ok;
  // Ok: a JSON fragment without braces, such as `"class":"pits","confidence":0.98,"top":[…]`,
  // which the gateway pastes into the result. Otherwise a message a person can act on.
  std::string body;
};

struct BatchResult {
  std::uint64_t batch_id = 0;
  Duration service{};  // from the frame's arrival in the worker's queue until the last answer
  std::vector<ItemResult> items;  // in the order of the batch
};

// The worker begins a drain of its own accord (SIGTERM): send no more, it finishes what it has.
// The gateway answers with Drain, after which it sends no Batch: batches that crossed this frame
// arrive before that Drain and are still answered. Without that answer within 1 s the worker
// says Goodbye as soon as it is idle.
struct Draining {};
// Everything is answered; the worker closes and exits after this. Batches that are outstanding
// now (none, if the gateway keeps to the above) are the gateway's to dispatch again.
struct Goodbye {};

struct Pong {
  std::uint64_t nonce = 0;
};

// --- gateway -> worker ------------------------------------------------------------------------

struct Registered {
  std::string gateway_id;
};

// The worker logs the reason and exits with status 3.
struct Refused {
  std::string reason;
};

struct Item {
  std::uint64_t request_id = 0;
  std::string content_type;
  std::string payload;
  Duration budget{};  // until the deadline, at the time of sending; <= 0 when there is none
};

struct Batch {
  std::uint64_t batch_id = 0;
  std::vector<Item> items;
};

// The CPU limit that is now in force (CPUs; 0 = none): the worker resizes its pool. With
// `duty_cycle` no cgroup enforces it and the worker must keep to it by itself.
// Where a cgroup limit can be read, the worker believes that one (it re-reads it at once).
struct CpuLimit {
  double cpus = 0.0;
  bool duty_cycle = false;
};

// Finish what you have, say Goodbye, exit. No Batch follows it. Also the answer to Draining.
struct Drain {};

struct Ping {
  std::uint64_t nonce = 0;
};

using Message = std::variant<Register, Ready, Credits, BatchResult, Draining, Goodbye, Pong,
                             Registered, Refused, Batch, CpuLimit, Drain, Ping>;

}  // namespace spate::wire
