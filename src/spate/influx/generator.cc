// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/generator.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <optional>

#include "spate/base/check.h"
#include "spate/mqtt/client.h"

namespace spate::influx {
namespace {

// Requests sent in a row before the loop may read answers: catching up must not starve them.
constexpr int kBurst = 64;
// Between being connected and the first request.
constexpr Duration kLeadIn = std::chrono::milliseconds(100);

}  // namespace

struct Generator::Impl : std::enable_shared_from_this<Generator::Impl> {
  enum class Stage { Idle, Connecting, Running, Settling, Done };

  Impl(boost::asio::io_context& l, Clock& c, GeneratorOptions o, const Schedule& s,
       std::vector<LoadModel> m, Verifier& v)
      : loop(l), clock(c), options(std::move(o)), schedule(s), models(std::move(m)), verifier(v) {}

  void start(std::function<void(Status)> on_done);
  void make_clients();
  void link_is_up();
  void on_message(mqtt::Message&& message, mqtt::AckHandle handle);
  void pace();
  void send(std::size_t request, TimePoint now);
  mqtt::Message message_for(std::size_t request) const;
  void settle(Duration for_at_most);
  void check_settled();
  void finish(Status status);
  void stop(Duration settle_for);

  TimePoint due(Duration at) const { return origin + at; }

  boost::asio::io_context& loop;
  Clock& clock;
  const GeneratorOptions options;
  const Schedule& schedule;
  const std::vector<LoadModel> models;
  Verifier& verifier;

  std::function<void(Status)> done;
  std::unique_ptr<mqtt::Client> publisher;
  std::unique_ptr<mqtt::Client> receiver;
  std::string result_topic;
  std::vector<std::string> deadline_ms;  // by model, formatted once
  bool publisher_up = false;
  bool receiver_up = false;
  std::string link_error;

  Stage stage = Stage::Idle;
  bool stop_asked = false;
  TimePoint origin{};  // start of the measured window
  std::size_t next = 0;
  std::optional<TimerId> timer;
  TimePoint settle_until{};
  TimePoint last_answer{};
  GeneratorReport report;
};

void Generator::Impl::start(std::function<void(Status)> on_done) {
  SPATE_CHECK(stage == Stage::Idle, "a generator starts once");
  stage = Stage::Connecting;
  done = std::move(on_done);
  result_topic = "spate/v1/result/" + verifier.ids().run_hex();
  for (const LoadModel& model : models) {
    deadline_ms.push_back(
        model.deadline > Duration{0} ? fmt::format("{:.0f}", to_ms(model.deadline)) : "");
  }
  make_clients();
  timer = clock.call_after(options.connect_timeout, [self = shared_from_this()] {
    self->timer.reset();
    if (self->stage != Stage::Connecting) return;
    self->finish(
        Error{ErrorCode::Unavailable,
              fmt::format("no MQTT session with {}:{} within {:.0f} s{}{}", self->options.host,
                          self->options.port, to_seconds(self->options.connect_timeout),
                          self->link_error.empty() ? "" : ": ", self->link_error)});
  });
  receiver->start();
  publisher->start();
}

void Generator::Impl::make_clients() {
  mqtt::ClientOptions common;
  common.host = options.host;
  common.port = options.port;
  common.username = options.username;
  common.password = options.password;
  common.clean_start = true;
  common.session_expiry_s = 300;
  common.max_outbox_messages = options.max_outbox_messages;
  common.max_outbox_bytes = options.max_outbox_bytes;

  // Handlers hold a bare pointer: the clients are members and call nothing after stop().
  const auto on_disconnected = [this](const Error& why, Duration) {
    link_error = why.message;
    if (stage == Stage::Connecting) return;
    ++report.disconnects;
    report.last_disconnect = why.message;
  };
  mqtt::ClientHandlers sending;
  sending.on_connected = [this](bool) {
    publisher_up = true;
    link_is_up();
  };
  sending.on_disconnected = on_disconnected;
  mqtt::ClientOptions publisher_options = common;
  publisher_options.client_id = "spate-influx-" + verifier.ids().run_hex() + "-send";
  publisher = std::make_unique<mqtt::Client>(loop, clock, publisher_options, std::move(sending));

  mqtt::ClientHandlers receiving;
  receiving.on_disconnected = on_disconnected;
  receiving.on_message = [this](mqtt::Message&& message, mqtt::AckHandle handle) {
    on_message(std::move(message), handle);
  };
  receiving.on_subscribed = [this](const mqtt::Subscription& subscription, const Status& status) {
    if (!status) {
      link_error = "cannot subscribe to " + subscription.filter + ": " + status.error().message;
      return;
    }
    receiver_up = true;
    link_is_up();
  };
  mqtt::ClientOptions receiver_options = common;
  receiver_options.client_id = "spate-influx-" + verifier.ids().run_hex() + "-receive";
  receiver = std::make_unique<mqtt::Client>(loop, clock, receiver_options, std::move(receiving));
  receiver->subscribe({result_topic, options.qos});
}

void Generator::Impl::link_is_up() {
  if (stage != Stage::Connecting || !publisher_up || !receiver_up) return;
  if (timer) clock.cancel(*timer);
  timer.reset();
  stage = Stage::Running;
  const TimePoint now = clock.now();
  origin = now + kLeadIn + schedule.warm_up;
  report.start_unix_s = to_unix_s(clock.wall_now()) + to_seconds(origin - now);
  pace();
}

void Generator::Impl::on_message(mqtt::Message&& message, mqtt::AckHandle handle) {
  if (handle != mqtt::AckHandle::None) receiver->ack(handle);
  if (stage == Stage::Done) return;
  last_answer = clock.now();
  verifier.answer(message.correlation_data, message.payload, last_answer - origin);
}

// Sends what is due, then arms whatever comes before the next request.
void Generator::Impl::pace() {
  if (stage != Stage::Running) return;
  TimePoint now = clock.now();
  for (int burst = 0; burst < kBurst && next < schedule.requests.size(); ++burst) {
    if (due(schedule.requests[next].at) > now) break;
    send(next++, now);
    now = clock.now();
  }
  const TimePoint until =
      next < schedule.requests.size() ? due(schedule.requests[next].at) : due(schedule.duration);
  if (next == schedule.requests.size() && now >= until) {
    settle(options.settle);
    return;
  }
  if (until - now <= options.poll_window) {
    boost::asio::post(loop, [self = shared_from_this()] { self->pace(); });
    return;
  }
  timer = clock.call_at(until - options.poll_window, [self = shared_from_this()] {
    self->timer.reset();
    self->pace();
  });
}

mqtt::Message Generator::Impl::message_for(std::size_t request) const {
  const PlannedRequest& planned = schedule.requests[request];
  const LoadModel& model = models[planned.model];
  const RequestBody& body = model.samples[planned.sample];
  mqtt::Message message;
  message.topic = model.topic;
  message.payload = body.payload;
  message.qos = options.qos;
  message.content_type = body.content_type;
  message.response_topic = result_topic;
  message.correlation_data = verifier.ids().correlation(request);
  message.user_properties.reserve(3);
  message.user_properties.emplace_back("id", verifier.ids().text(request));
  if (!deadline_ms[planned.model].empty()) {
    message.user_properties.emplace_back("deadline_ms", deadline_ms[planned.model]);
  }
  message.user_properties.emplace_back(
      "sent_unix_us", fmt::format_int(clock.wall_now().time_since_epoch().count()).str());
  return message;
}

void Generator::Impl::send(std::size_t request, TimePoint now) {
  mqtt::Client::Published published;
  if (options.qos != mqtt::Qos::AtMostOnce) {
    published = [this, request](mqtt::ReasonCode reason) {
      if (reason == mqtt::ReasonCode::NoMatchingSubscribers) ++report.no_subscribers;
      if (static_cast<std::uint8_t>(reason) >= 0x80 && stage != Stage::Done) {
        verifier.refused_by_broker(request);
      }
    };
  }
  const Status status = publisher->publish(message_for(request), std::move(published));
  if (!status && status.error().code != ErrorCode::InvalidArgument) {
    verifier.shed(request);
    return;
  }
  verifier.sent(request, now - origin);
  // A packet above the broker's maximum.
  if (!status) verifier.refused_by_broker(request);
}

void Generator::Impl::settle(Duration for_at_most) {
  stage = Stage::Settling;
  const TimePoint now = clock.now();
  settle_until = now + for_at_most;
  last_answer = std::max(last_answer, now);
  check_settled();
}

void Generator::Impl::check_settled() {
  if (stage != Stage::Settling) return;
  const TimePoint now = clock.now();
  const bool quiet = verifier.outstanding() == 0 && now - last_answer >= options.linger;
  if (now >= settle_until || quiet) {
    finish(ok());
    return;
  }
  const TimePoint again = std::min(settle_until, now + std::chrono::milliseconds(20));
  timer = clock.call_at(again, [self = shared_from_this()] {
    self->timer.reset();
    self->check_settled();
  });
}

void Generator::Impl::finish(Status status) {
  if (stage == Stage::Done) return;
  const bool ran = stage != Stage::Connecting;
  stage = Stage::Done;
  if (timer) clock.cancel(*timer);
  timer.reset();
  if (ran) report.elapsed_s = to_seconds(clock.now() - (origin - schedule.warm_up));
  report.resent = publisher->stats().resent_out;
  publisher->stop();
  receiver->stop();
  verifier.finish();
  if (done) clock.post([call = std::move(done), status] { call(status); });
}

void Generator::Impl::stop(Duration settle_for) {
  if (stage == Stage::Idle || stage == Stage::Done) return;
  if (stage == Stage::Connecting) {
    report.stopped_early = true;
    finish(Error{ErrorCode::Unavailable, "stopped before the broker was reached"});
    return;
  }
  if (stop_asked) {
    finish(ok());
    return;
  }
  stop_asked = true;
  if (stage == Stage::Settling) {
    // Everything was sent: settling short is no early stop.
    settle_until = std::min(settle_until, clock.now() + settle_for);
    return;
  }
  report.stopped_early = true;
  report.stopped_at_s = to_seconds(clock.now() - origin);
  if (timer) clock.cancel(*timer);
  timer.reset();
  settle(settle_for);
}

Generator::Generator(boost::asio::io_context& loop, Clock& clock, GeneratorOptions options,
                     const Schedule& schedule, std::vector<LoadModel> models, Verifier& verifier)
    : impl_(std::make_shared<Impl>(loop, clock, std::move(options), schedule, std::move(models),
                                   verifier)) {
  SPATE_CHECK(impl_->models.size() == schedule.models.size(), "one load model per scheduled model");
  for (std::size_t m = 0; m < impl_->models.size(); ++m) {
    SPATE_CHECK(impl_->models[m].samples.size() == schedule.models[m].samples,
                "as many samples as the schedule says");
  }
}

Generator::~Generator() {
  if (impl_->timer) impl_->clock.cancel(*impl_->timer);
  impl_->stage = Impl::Stage::Done;
  impl_->publisher.reset();
  impl_->receiver.reset();
}

void Generator::start(std::function<void(Status)> done) { impl_->start(std::move(done)); }
void Generator::stop(Duration settle) { impl_->stop(settle); }

Duration Generator::time() const {
  const bool started = impl_->stage != Impl::Stage::Idle && impl_->stage != Impl::Stage::Connecting;
  return started ? impl_->clock.now() - impl_->origin : -impl_->schedule.warm_up - kLeadIn;
}

bool Generator::running() const {
  return impl_->stage == Impl::Stage::Running || impl_->stage == Impl::Stage::Settling;
}

GeneratorReport Generator::report() const { return impl_->report; }

}  // namespace spate::influx
