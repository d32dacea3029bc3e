// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/publisher.h"

#include <utility>

namespace spate::gateway {

void Publisher::publish(mqtt::Message message, mqtt::Published done) {
  if (!waiting_.empty() || !has_room()) {
    waiting_.push_back({std::move(message), std::move(done)});
    return;
  }
  send(std::move(message), std::move(done));
}

bool Publisher::publish_unacknowledged(mqtt::Message message) {
  message.qos = mqtt::Qos::AtMostOnce;
  return client_.publish(std::move(message)).has_value();
}

void Publisher::send(mqtt::Message message, mqtt::Published done) {
  message.qos = mqtt::Qos::AtLeastOnce;
  const std::size_t bytes = message.payload.size() + message.topic.size();
  const std::uint32_t slot = pool_.acquire();
  pool_[slot].bytes = bytes;
  pool_[slot].done = std::move(done);
  bytes_ += bytes;
  const Status taken = client_.publish(
      std::move(message), [this, slot](mqtt::ReasonCode reason) { acknowledged(slot, reason); });
  if (!taken) acknowledged(slot, mqtt::ReasonCode::UnspecifiedError);
}

void Publisher::acknowledged(std::uint32_t slot, mqtt::ReasonCode reason) {
  bytes_ -= pool_[slot].bytes;
  const mqtt::Published done = std::exchange(pool_[slot].done, nullptr);
  pool_.release(slot);
  done(reason);
  while (!waiting_.empty() && has_room()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    send(std::move(next.message), std::move(next.done));
  }
}

}  // namespace spate::gateway
