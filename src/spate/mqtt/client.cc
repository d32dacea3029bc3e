// SPDX-License-Identifier: Apache-2.0
#include "spate/mqtt/client.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

#include "spate/base/check.h"
#include "spate/mqtt/link.h"
#include "spate/mqtt/session.h"

namespace spate::mqtt {

// Carries events from the Link and the clock to the Session and its actions back out. The
// actions are handed out from drain(), never inside a call of the application's.
struct Client::Impl final : Link::Owner, std::enable_shared_from_this<Client::Impl> {
  Impl(boost::asio::io_context& loop_in, Clock& clock_in, ClientOptions options_in,
       ClientHandlers handlers_in)
      : loop(loop_in),
        clock(clock_in),
        options(options_in),
        handlers(std::move(handlers_in)),
        session(std::move(options_in)) {}

  // --- events of the link ---------------------------------------------------------------------
  void link_opened() override {
    session.link_opened(clock.now());
    drain();
  }
  void link_lost(const Error& why) override {
    link.reset();
    session.link_lost(why, clock.now());
    drain();
  }
  std::span<char> room_to_read() override { return session.prepare_input(kReadBytes); }
  void link_read(std::size_t count) override {
    session.received(count, clock.now());
    drain();
  }
  bool next_to_write(std::string& into) override { return session.take_output(into, clock.now()); }
  void link_written() override { drain(); }

  // --- actions --------------------------------------------------------------------------------
  // Collects what many calls in one turn of the loop have to say into one drain, one write.
  void schedule() {
    if (drain_posted || stopped) return;
    drain_posted = true;
    boost::asio::post(loop, [self = shared_from_this()] {
      self->drain_posted = false;
      self->drain();
    });
  }

  void drain() {
    if (draining) return;  // a handler ran the loop's next step itself; the outer call goes on
    const auto self = shared_from_this();  // a handler may destroy the client
    draining = true;
    do {
      while (!stopped && session.take_actions(batch)) {
        for (Action& action : batch) {
          if (stopped) break;
          std::visit([this](auto& kind) { act(kind); }, action);
        }
        batch.clear();
      }
      if (link) link->write();  // may bring up actions of its own
    } while (!stopped && session.has_actions());
    draining = false;
    if (!stopped) arm_timer();
  }

  void act(OpenLink&) {
    link = std::make_shared<Link>(loop, clock, *this);
    link->open(options.host, options.port);
  }
  void act(CloseLink& close) {
    if (link) std::exchange(link, nullptr)->close(std::move(close.farewell));
  }
  void act(Connected& connected) {
    if (connected.session_expiry_s < options.session_expiry_s) {
      spdlog::warn("mqtt {}: the broker keeps the session for {} s, not {} s as asked",
                   options.client_id, connected.session_expiry_s, options.session_expiry_s);
    }
    if (handlers.on_connected) handlers.on_connected(connected.resumed);
  }
  void act(Disconnected& lost) {
    spdlog::warn("mqtt {}: {}; next try in {:.0f} ms", options.client_id, lost.why.message,
                 to_ms(lost.retry_in));
    if (handlers.on_disconnected) handlers.on_disconnected(lost.why, lost.retry_in);
  }
  void act(Delivered& delivered) {
    if (handlers.on_message) {
      handlers.on_message(std::move(delivered.message), delivered.handle);
    } else if (delivered.handle != AckHandle::None) {
      session.ack(delivered.handle, ReasonCode::Success);  // nobody is there to do it
    }
  }
  void act(Subscribed& subscribed) {
    if (!subscribed.outcome) {
      spdlog::warn("mqtt {}: {}", options.client_id, subscribed.outcome.error().message);
    }
    if (handlers.on_subscribed) {
      handlers.on_subscribed(subscribed.subscription, std::move(subscribed.outcome));
    }
  }
  void act(Acknowledged& acknowledged) { acknowledged.done(acknowledged.reason); }

  // The deadline moves with every packet, mostly later: the timer is set again only when it
  // moves earlier, or when it fired before its time.
  void arm_timer() {
    const TimePoint deadline = session.deadline();
    if (deadline == TimePoint::max() || (timer && timer_at <= deadline)) return;
    cancel_timer();
    timer_at = deadline;
    timer = clock.call_at(deadline, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self || self->stopped) return;
      self->timer.reset();
      self->session.tick(self->clock.now());
      self->drain();
    });
  }
  void cancel_timer() {
    if (timer) clock.cancel(*timer);
    timer.reset();
  }

  void stop() {
    if (stopped) return;
    stopped = true;
    cancel_timer();
    session.stop();
    std::vector<Action> last;
    session.take_actions(last);
    for (Action& action : last) {
      if (auto* close = std::get_if<CloseLink>(&action)) act(*close);
    }
  }

  static constexpr std::size_t kReadBytes = 64U << 10;

  boost::asio::io_context& loop;
  Clock& clock;
  const ClientOptions options;
  ClientHandlers handlers;
  Session session;
  std::shared_ptr<Link> link;
  std::vector<Action> batch;
  std::optional<TimerId> timer;
  TimePoint timer_at{};
  bool drain_posted = false;
  bool draining = false;
  bool stopped = false;
};

Client::Client(boost::asio::io_context& loop, Clock& clock, ClientOptions options,
               ClientHandlers handlers)
    : impl_(std::make_shared<Impl>(loop, clock, std::move(options), std::move(handlers))) {}

Client::~Client() { stop(); }

void Client::start() {
  impl_->session.start(impl_->clock.now());
  impl_->schedule();
}

void Client::stop() { impl_->stop(); }

void Client::subscribe(Subscription subscription) {
  impl_->session.subscribe(std::move(subscription));
  impl_->schedule();
}

void Client::unsubscribe(const std::string& filter) {
  impl_->session.unsubscribe(filter);
  impl_->schedule();
}

Status Client::publish(Message message, Published done) {
  Status status = impl_->session.publish(std::move(message), std::move(done));
  impl_->schedule();
  return status;
}

void Client::ack(AckHandle handle, ReasonCode reason) {
  impl_->session.ack(handle, reason);
  impl_->schedule();
}

bool Client::connected() const { return impl_->session.up(); }
const ClientStats& Client::stats() const { return impl_->session.stats(); }
std::uint16_t Client::broker_receive_maximum() const {
  return impl_->session.broker_receive_maximum();
}

}  // namespace spate::mqtt
