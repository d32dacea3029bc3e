// SPDX-License-Identifier: Apache-2.0
#include "spate/mqtt/outbox.h"

#include <fmt/format.h>

#include <utility>

#include "spate/base/check.h"

namespace spate::mqtt {
namespace {

constexpr std::size_t kIds = 65535;  // 1 to 65535

}  // namespace

Status Outbox::accept(Message message, Published done, std::size_t bytes) {
  if (messages_ >= max_messages_ || bytes > max_bytes_ - bytes_) {
    return Error{ErrorCode::Exhausted,
                 fmt::format("the outbox is full: {} messages, {} bytes are not acknowledged by "
                             "the broker (at most {}, {})",
                             messages_, bytes_, max_messages_, max_bytes_)};
  }
  auto entry = std::make_unique<Entry>();
  entry->message = std::move(message);
  entry->done = std::move(done);
  entry->bytes = bytes;
  waiting_.push_back(std::move(entry));
  ++messages_;
  bytes_ += bytes;
  return ok();
}

const Outbox::Entry* Outbox::next(std::uint16_t receive_maximum) {
  if (on_link_ >= receive_maximum) return nullptr;
  for (; next_to_resend_ < slots_.size(); ++next_to_resend_) {
    Entry* entry = slots_[next_to_resend_].entry.get();
    if (entry == nullptr || entry->on_this_link) continue;
    ++next_to_resend_;
    entry->on_this_link = true;
    ++on_link_;
    return entry;
  }
  if (waiting_.empty() || row_full()) return nullptr;
  Slot slot{std::move(waiting_.front())};
  waiting_.pop_front();
  Entry* entry = slot.entry.get();
  entry->packet_id = id_at(slots_.size());
  entry->on_this_link = true;
  ++on_link_;
  slots_.push_back(std::move(slot));
  next_to_resend_ = slots_.size();
  return entry;
}

Outbox::Entry Outbox::reject(const Entry& entry) {
  std::optional<Entry> taken = acknowledged(entry.packet_id);
  SPATE_CHECK(taken.has_value(), "rejected an entry that is not in the outbox");
  return std::move(*taken);
}

std::optional<Outbox::Entry> Outbox::acknowledged(std::uint16_t packet_id) {
  Slot* slot = find(packet_id);
  if (slot == nullptr || slot->entry == nullptr) return std::nullopt;
  std::unique_ptr<Entry> entry = std::move(slot->entry);
  if (entry->on_this_link) --on_link_;
  --messages_;
  bytes_ -= entry->bytes;
  drop_free_front();
  return std::move(*entry);
}

std::optional<std::uint16_t> Outbox::take_control_id() {
  if (row_full()) return std::nullopt;
  const std::uint16_t id = id_at(slots_.size());
  // Does not touch next_to_resend_: what is to be sent again may stand before this slot.
  slots_.push_back(Slot{nullptr, true});
  return id;
}

bool Outbox::control_done(std::uint16_t packet_id) {
  Slot* slot = find(packet_id);
  if (slot == nullptr || !slot->control) return false;
  slot->control = false;
  drop_free_front();
  return true;
}

void Outbox::link_lost() {
  for (Slot& slot : slots_) {
    slot.control = false;
    if (slot.entry == nullptr) continue;
    slot.entry->sent_before |= slot.entry->on_this_link;
    slot.entry->resent |= slot.entry->on_this_link;
    slot.entry->on_this_link = false;
  }
  on_link_ = 0;
  next_to_resend_ = 0;
  drop_free_front();
}

void Outbox::session_lost() {
  SPATE_CHECK(on_link_ == 0, "session_lost() while messages are on the link");
  first_id_ = id_at(slots_.size());
  for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) {
    if (slot->entry == nullptr) continue;
    slot->entry->packet_id = 0;
    slot->entry->sent_before = false;
    waiting_.push_front(std::move(slot->entry));
  }
  slots_.clear();
  next_to_resend_ = 0;
}

Outbox::Slot* Outbox::find(std::uint16_t packet_id) {
  if (packet_id == 0) return nullptr;
  const std::size_t index = (packet_id + kIds - first_id_) % kIds;
  return index < slots_.size() ? &slots_[index] : nullptr;
}

std::uint16_t Outbox::id_at(std::size_t index) const {
  return static_cast<std::uint16_t>((first_id_ - 1 + index) % kIds + 1);
}

void Outbox::drop_free_front() {
  while (!slots_.empty() && !slots_.front().used()) {
    slots_.pop_front();
    first_id_ = id_at(1);
    if (next_to_resend_ > 0) --next_to_resend_;
  }
}

}  // namespace spate::mqtt
