// SPDX-License-Identifier: Apache-2.0
#include "spate/mqtt/inbox.h"

#include <algorithm>
#include <functional>
#include <string_view>

#include "spate/base/check.h"

namespace spate::mqtt {
namespace {

// A handle carries its packet identifier in the low 16 bits.
AckHandle make_handle(std::uint64_t sequence, std::uint16_t packet_id) {
  return static_cast<AckHandle>(sequence << 16 | packet_id);
}
std::uint16_t packet_id_of(AckHandle handle) {
  return static_cast<std::uint16_t>(static_cast<std::uint64_t>(handle));
}

// Tells messages apart at a constant cost, whatever the payload's size.
std::uint64_t fingerprint_of(const Message& message) {
  constexpr std::size_t kEnd = 64;
  const std::hash<std::string_view> hash;
  const std::string_view payload = message.payload;
  const std::size_t end = std::min(kEnd, payload.size());
  std::uint64_t value = payload.size();
  for (const std::string_view part :
       {std::string_view(message.topic), std::string_view(message.correlation_data),
        payload.substr(0, end), payload.substr(payload.size() - end)}) {
    value = value * 0x9E3779B97F4A7C15ULL + hash(part);
  }
  return value;
}

}  // namespace

Inbox::Arrival Inbox::arrived(std::uint16_t packet_id, const Message& message) {
  const std::uint64_t fingerprint = fingerprint_of(message);
  auto [entry, inserted] = records_.try_emplace(packet_id);
  Record& record = entry->second;
  if (!inserted) {
    const bool same = record.fingerprint == fingerprint;
    if (record.on_this_link) return {same ? Verdict::Swallow : Verdict::ProtocolError};
    if (same && message.duplicate) {
      record.on_this_link = true;
      order_.push_back(packet_id);
      return {Verdict::Swallow};
    }
    make_void(record);
  }
  record = Record{make_handle(next_sequence_++, packet_id), fingerprint, false, true};
  order_.push_back(packet_id);
  ++open_;
  return {Verdict::Deliver, record.handle};
}

bool Inbox::acknowledge(AckHandle handle, ReasonCode reason) {
  const auto entry = records_.find(packet_id_of(handle));
  if (entry != records_.end() && entry->second.handle == handle) {
    Record& record = entry->second;
    SPATE_CHECK(!record.acknowledged, "a message was acknowledged twice");
    record.acknowledged = true;
    record.reason = reason;
    --open_;
    return true;
  }
  SPATE_CHECK(void_.erase(handle) == 1, "acknowledged twice, or a handle that was never given out");
  return false;
}

std::optional<Puback> Inbox::next_puback() {
  if (order_.empty()) return std::nullopt;
  const auto entry = records_.find(order_.front());
  if (!entry->second.acknowledged) return std::nullopt;
  Puback puback{entry->first, entry->second.reason, {}};
  records_.erase(entry);
  order_.pop_front();
  return puback;
}

void Inbox::link_lost() {
  for (auto& [packet_id, record] : records_) record.on_this_link = false;
  order_.clear();
}

void Inbox::session_lost() {
  for (const auto& [packet_id, record] : records_) make_void(record);
  records_.clear();
  order_.clear();
}

void Inbox::make_void(const Record& record) {
  if (record.acknowledged) return;  // the application no longer holds the handle
  void_.insert(record.handle);
  --open_;
}

}  // namespace spate::mqtt
