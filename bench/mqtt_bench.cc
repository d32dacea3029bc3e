// SPDX-License-Identifier: Apache-2.0
//
// What MQTT costs, without and with a broker:
//
//   BM_EncodePublish/<payload bytes>     Message to bytes
//   BM_DecodePublish/<payload bytes>     bytes to Message
//   BM_EncodePuback, BM_DecodePuback     the answer
//   BM_SessionPublish/<window>           publish() to PUBACK through a Session, no socket
//   BM_SessionDeliver                    PUBLISH in to PUBACK out through a Session, no socket
//   BM_BrokerPublish/<window>            QoS 1 publishes a second, Client and a real mosquitto
//   BM_BrokerRoundTrip/<window>          QoS 1 there and back, Client and a real mosquitto
//
// `window` is how many are under way at a time. Items per second are messages.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "spate/base/check.h"
#include "spate/base/virtual_clock.h"
#include "spate/mqtt/client.h"
#include "spate/mqtt/session.h"
#include "testing/broker_fixture.h"
#include "testing/loop.h"

namespace spate::mqtt {
namespace {

// As influx sends them.
Message request(std::size_t payload_bytes) {
  Message message;
  message.topic = "spate/v1/infer/linear";
  message.payload.assign(payload_bytes, 'x');
  message.content_type = "application/json";
  message.response_topic = "spate/v1/result/influx";
  message.correlation_data = "0000000000001234";
  message.user_properties = {{"deadline_ms", "1000"}, {"sent_unix_us", "1700000000000000"}};
  return message;
}

void BM_EncodePublish(benchmark::State& state) {
  const Message message = request(static_cast<std::size_t>(state.range(0)));
  std::string out;
  for (auto _ : state) {
    out.clear();
    encode_publish(message, 1, false, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(out.size()));
}
BENCHMARK(BM_EncodePublish)->Arg(64)->Arg(200)->Arg(100'000);

template <class Kind>
void decode_again_and_again(benchmark::State& state, const Kind& packet) {
  std::string bytes;
  encode(packet, bytes);
  PacketReader reader(64U << 20);
  Packet out;
  for (auto _ : state) {
    reader.append(bytes);
    const auto next = reader.next(out);
    SPATE_CHECK(next == PacketReader::Next::Ready, "not decoded");
    benchmark::DoNotOptimize(out);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void BM_DecodePublish(benchmark::State& state) {
  decode_again_and_again(state, Publish{1, request(static_cast<std::size_t>(state.range(0)))});
}
BENCHMARK(BM_DecodePublish)->Arg(64)->Arg(200)->Arg(100'000);

void BM_EncodePuback(benchmark::State& state) {
  std::string out;
  for (auto _ : state) {
    out.clear();
    encode(Puback{7, ReasonCode::Success, {}}, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_EncodePuback);

void BM_DecodePuback(benchmark::State& state) { decode_again_and_again(state, Puback{7, {}, {}}); }
BENCHMARK(BM_DecodePuback);

// A session that is up, with the time standing still.
struct Up {
  Up() {
    session.start(clock.now());
    take();
    session.link_opened(clock.now());
    take();
    std::string bytes;
    encode(Connack{}, bytes);
    session.received(bytes, clock.now());
    take();
  }
  void take() {
    actions.clear();
    session.take_actions(actions);
    output.clear();
    session.take_output(output, clock.now());
  }
  static ClientOptions options() {
    ClientOptions options;
    options.client_id = "bench";
    return options;
  }

  VirtualClock clock;
  Session session{options()};
  std::vector<Action> actions;
  std::string output;
};

void BM_SessionPublish(benchmark::State& state) {
  Up up;
  const Message message = request(200);
  std::uint16_t id = 0;
  std::string pubacks;
  for (auto _ : state) {
    pubacks.clear();
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      const bool accepted = up.session.publish(message, [](ReasonCode) {}).has_value();
      SPATE_CHECK(accepted, "not accepted");
      id = static_cast<std::uint16_t>(id % 65535 + 1);
      encode(Puback{id, ReasonCode::Success, {}}, pubacks);
    }
    up.take();
    up.session.received(pubacks, up.clock.now());
    up.take();
  }
  SPATE_CHECK(up.session.stats().outbox_messages == 0, "unacknowledged messages are left");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SessionPublish)->Arg(1)->Arg(20)->Arg(500);

void BM_SessionDeliver(benchmark::State& state) {
  Up up;
  std::string bytes;
  for (std::uint16_t id = 1; id <= 100; ++id) encode(Publish{id, request(200)}, bytes);
  for (auto _ : state) {
    up.session.received(bytes, up.clock.now());
    up.take();
    for (auto action = up.actions.rbegin(); action != up.actions.rend(); ++action) {
      up.session.ack(std::get<Delivered>(*action).handle, ReasonCode::Success);
    }
    up.take();
  }
  SPATE_CHECK(up.session.stats().unacknowledged_in == 0, "unacknowledged messages are left");
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(BM_SessionDeliver);

// A Client connected to a broker of its own whose Receive Maximum is not the limit.
struct Connected {
  explicit Connected(ClientHandlers handlers) : client(loop.io, loop.clock, options(), handlers) {
    client.start();
    const bool up = loop.run_until([&] { return client.connected(); });
    SPATE_CHECK(up, "not connected");
  }
  ClientOptions options() const {
    ClientOptions options;
    options.port = broker.port();
    options.client_id = "bench";
    return options;
  }

  test::BrokerFixture broker{{.config_lines = {"max_inflight_messages 1000"}}};
  test::Loop loop;
  Client client;
};

void BM_BrokerPublish(benchmark::State& state) {
  Connected connected({});
  const Message message = request(200);
  std::int64_t acknowledged = 0;
  std::int64_t published = 0;
  const auto publish = [&] {
    ++published;
    const bool accepted =
        connected.client.publish(message, [&](ReasonCode) { ++acknowledged; }).has_value();
    SPATE_CHECK(accepted, "not accepted");
  };
  for (auto _ : state) {
    while (published - acknowledged < state.range(0)) publish();
    const std::int64_t wanted = acknowledged + 1;
    connected.loop.run_until([&] { return acknowledged >= wanted; });
  }
  state.SetItemsProcessed(acknowledged);
}
BENCHMARK(BM_BrokerPublish)->Arg(1)->Arg(20)->Arg(500)->UseRealTime();

void BM_BrokerRoundTrip(benchmark::State& state) {
  std::int64_t received = 0;
  bool subscribed = false;
  Client* client = nullptr;
  Connected connected({.on_message =
                           [&](Message&&, AckHandle handle) {
                             ++received;
                             client->ack(handle);
                           },
                       .on_subscribed = [&](const Subscription&, Status) { subscribed = true; }});
  client = &connected.client;
  client->subscribe({"spate/v1/infer/#"});
  connected.loop.run_until([&] { return subscribed; });
  const Message message = request(200);
  std::int64_t published = 0;
  for (auto _ : state) {
    for (; published - received < state.range(0); ++published) {
      const bool accepted = client->publish(message).has_value();
      SPATE_CHECK(accepted, "not accepted");
    }
    const std::int64_t wanted = received + 1;
    connected.loop.run_until([&] { return received >= wanted; });
  }
  state.SetItemsProcessed(received);
}
BENCHMARK(BM_BrokerRoundTrip)->Arg(1)->Arg(20)->Arg(500)->UseRealTime();

}  // namespace
}  // namespace spate::mqtt

BENCHMARK_MAIN();
