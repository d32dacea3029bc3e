// SPDX-License-Identifier: Apache-2.0
//
// A hostile broker and an unlucky link against Session: the input is a script of what the broker
// says, when the link breaks, how time passes and what the application does.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/check.h"
#include "spate/mqtt/session.h"

namespace {

using namespace spate;
using namespace spate::mqtt;

class Play {
 public:
  explicit Play(std::string_view script) : script_(script) {
    session_.subscribe({"a"});
    session_.start(now_);
    settle();
  }

  void run() {
    while (!script_.empty()) {
      step(next());
      settle();
    }
    session_.stop();
    settle();
  }

 private:
  std::uint8_t next() {
    if (script_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(script_[0]);
    script_.remove_prefix(1);
    return value;
  }

  void step(std::uint8_t what) {
    switch (what % 8) {
      case 0: {  // the broker says so many raw bytes
        const std::size_t count = std::min<std::size_t>(next(), script_.size());
        if (open_) session_.received(script_.substr(0, count), now_);
        script_.remove_prefix(count);
        break;
      }
      case 1: {  // the broker says something well-formed
        if (!open_) break;
        Connack connack;
        connack.session_present = next() % 2 == 1;
        connack.receive_maximum = static_cast<std::uint16_t>(1 + next() % 4);
        say(connack);
        break;
      }
      case 2: {
        Publish publish;
        publish.packet_id = static_cast<std::uint16_t>(1 + next() % 8);
        publish.message.topic = "a";
        publish.message.payload = std::string(1, static_cast<char>('a' + publish.packet_id));
        publish.message.duplicate = next() % 2 == 1;
        say(publish);
        break;
      }
      case 3:
        say(Puback{static_cast<std::uint16_t>(1 + next() % 16), ReasonCode::Success, {}});
        break;
      case 4:
        if (open_ || opening_) {
          open_ = opening_ = false;
          session_.link_lost({ErrorCode::Unavailable, "broken"}, now_);
        }
        break;
      case 5:
        now_ += std::chrono::milliseconds(100) * next();
        session_.tick(now_);
        break;
      case 6: {
        Message message;
        message.topic = "b";
        message.qos = static_cast<Qos>(next() % 2);
        (void)session_.publish(std::move(message), [](ReasonCode) {});
        break;
      }
      default:
        if (handles_.empty()) break;
        const auto at = handles_.begin() + next() % handles_.size();
        session_.ack(*at, ReasonCode::Success);
        handles_.erase(at);
        break;
    }
  }

  void say(const Packet& packet) {
    if (!open_) return;
    std::string bytes;
    encode(packet, bytes);
    session_.received(bytes, now_);
  }

  // Does what the session asks for, as a Client would.
  void settle() {
    std::vector<Action> actions;
    while (session_.take_actions(actions)) {
      for (Action& action : actions) {
        if (std::holds_alternative<OpenLink>(action)) {
          SPATE_CHECK(!open_ && !opening_, "two links at a time");
          opening_ = true;
        } else if (std::holds_alternative<CloseLink>(action)) {
          open_ = opening_ = false;
        } else if (auto* delivered = std::get_if<Delivered>(&action)) {
          if (delivered->handle != AckHandle::None) handles_.push_back(delivered->handle);
        }
      }
      actions.clear();
      if (opening_) {
        opening_ = false;
        open_ = true;
        session_.link_opened(now_);
      }
    }
    std::string output;
    while (open_ && session_.take_output(output, now_)) {
      sent_.append(output);
      output.clear();
      Packet packet;
      PacketReader::Next state;
      while ((state = sent_.next(packet)) == PacketReader::Next::Ready) {
      }
      SPATE_CHECK(state == PacketReader::Next::NeedMore, sent_.error().message);
    }
    SPATE_CHECK(session_.stats().outbox_messages <= 50, "the outbox is over its bound");
  }

  std::string_view script_;
  TimePoint now_{std::chrono::hours(1)};
  Session session_{[] {
    ClientOptions options;
    options.client_id = "fuzz";
    options.max_outbox_messages = 50;
    options.maximum_packet_bytes = 4096;
    return options;
  }()};
  PacketReader sent_{1U << 20};
  std::deque<AckHandle> handles_;
  bool opening_ = false;
  bool open_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Play(std::string_view(reinterpret_cast<const char*>(data), size)).run();
  return 0;
}
