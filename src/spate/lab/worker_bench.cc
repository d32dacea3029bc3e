// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/worker_bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <map>

#include "spate/adapters/process_actuator.h"
#include "spate/base/files.h"
#include "spate/base/real_clock.h"
#include "spate/wire/codec.h"

namespace spate::lab {
namespace {

namespace asio = boost::asio;
using Local = asio::local::stream_protocol;

constexpr Duration kReadyLimit = std::chrono::seconds(60);
constexpr Duration kAnswerLimit = std::chrono::seconds(60);
constexpr Duration kLimitLimit = std::chrono::seconds(5);
constexpr Duration kStopGrace = std::chrono::seconds(5);
constexpr const char* kToken = "bench";

// One worker's connection; handlers keep it alive.
struct Link {
  explicit Link(asio::io_context& io) : socket(io) {}
  Local::socket socket;
  wire::FrameReader reader;
  std::array<char, 1 << 16> buffer{};
  std::deque<std::string> outbox;
  std::string replica;  // once it has registered
};

void write_next(const std::shared_ptr<Link>& link) {
  asio::async_write(link->socket, asio::buffer(link->outbox.front()),
                    [link](const boost::system::error_code& failed, std::size_t) {
                      link->outbox.pop_front();
                      if (!failed && !link->outbox.empty()) write_next(link);
                    });
}

void send(const std::shared_ptr<Link>& link, const wire::Message& message) {
  if (!link || !link->socket.is_open()) return;
  link->outbox.emplace_back();
  wire::encode(message, link->outbox.back());
  if (link->outbox.size() == 1) write_next(link);
}

struct Held {
  BenchWorker worker;
  std::string model;
  const std::vector<wire::Item>* samples = nullptr;
  std::size_t next_sample = 0;
  std::shared_ptr<Link> link;
  std::map<std::uint64_t, TimePoint> sent;  // batches on their way
  bool saturating = false;
  int batch = 1;
  Duration cpu_seen{};
};

}  // namespace

struct WorkerBench::State : std::enable_shared_from_this<WorkerBench::State> {
  State(LiveLoop& l, Options o) : loop(l), options(std::move(o)), acceptor(l.io()) {}

  LiveLoop& loop;
  Options options;
  Local::acceptor acceptor;
  std::unique_ptr<adapters::ProcessActuator> actuator;
  std::map<std::string, std::unique_ptr<Held>> held;
  std::vector<std::shared_ptr<Link>> links;
  std::uint64_t last_id = 0;
  int started = 0;

  Held* find(const std::string& replica) {
    const auto at = held.find(replica);
    return at == held.end() ? nullptr : at->second.get();
  }
  Held& of(const BenchWorker& worker) { return *held.at(worker.replica); }

  Status listen();
  void accept();
  void read(const std::shared_ptr<Link>& link);
  void on_message(const std::shared_ptr<Link>& link, const wire::Message& message);
  void on_register(const std::shared_ptr<Link>& link, const wire::Register& hello);
  void on_result(Held& h, const wire::BatchResult& result);
  void on_event(const scaling::ReplicaEvent& event);
  void send_batch(Held& h, int size);
  void fill(Held& h);
  Error failure(const Held& h, Waited waited, const std::string& what) const;
};

Status WorkerBench::State::listen() {
  ::unlink(options.socket.c_str());
  if (const Status s = write_file(options.folder / "token", std::string(kToken) + "\n"); !s) {
    return s;
  }
  boost::system::error_code failed;
  acceptor.open(Local(), failed);
  if (!failed) acceptor.bind(Local::endpoint(options.socket.string()), failed);
  if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) {
    return Error{ErrorCode::Unavailable,
                 "cannot listen at " + options.socket.string() + ": " + failed.message()};
  }
  accept();
  return ok();
}

void WorkerBench::State::accept() {
  auto link = std::make_shared<Link>(loop.io());
  acceptor.async_accept(link->socket,
                        [self = weak_from_this(), link](const boost::system::error_code& failed) {
                          const auto state = self.lock();
                          if (failed || !state) return;  // this bench ends
                          state->links.push_back(link);
                          state->read(link);
                          state->accept();
                        });
}

void WorkerBench::State::read(const std::shared_ptr<Link>& link) {
  link->socket.async_read_some(
      asio::buffer(link->buffer),
      [self = weak_from_this(), link](const boost::system::error_code& failed, std::size_t size) {
        const auto state = self.lock();
        if (failed || !state) return;  // its exit tells more; or this bench ends
        link->reader.feed({link->buffer.data(), size});
        for (;;) {
          auto message = link->reader.next();
          if (!message) {
            if (Held* h = state->find(link->replica)) h->worker.error = message.error().message;
            return;
          }
          if (!message->has_value()) break;
          state->on_message(link, **message);
        }
        state->read(link);
      });
}

void WorkerBench::State::on_register(const std::shared_ptr<Link>& link,
                                     const wire::Register& hello) {
  Held* h = find(hello.replica_id);
  if (h == nullptr || hello.token != kToken) {
    send(link, wire::Refused{"not a worker of this bench"});
    return;
  }
  link->replica = hello.replica_id;
  h->link = link;
  h->worker.dialled_at = loop.clock().now();
  h->worker.cpu_at_dial = cpu_time_of_process(h->worker.pid).value_or(Duration{0});
  send(link, wire::Registered{"bench"});
}

void WorkerBench::State::on_message(const std::shared_ptr<Link>& link,
                                    const wire::Message& message) {
  if (const auto* hello = std::get_if<wire::Register>(&message)) {
    on_register(link, *hello);
    return;
  }
  Held* h = find(link->replica);
  if (h == nullptr) return;
  BenchWorker& worker = h->worker;
  if (const auto* ready = std::get_if<wire::Ready>(&message)) {
    worker.ready_at = loop.clock().now();
    worker.cpu_at_ready = cpu_time_of_process(worker.pid).value_or(Duration{0});
    worker.credits = std::max(1U, ready->credits);
    worker.ready = *ready;
  } else if (const auto* credits = std::get_if<wire::Credits>(&message)) {
    worker.credits = std::max(1U, credits->credits);
    fill(*h);
  } else if (const auto* result = std::get_if<wire::BatchResult>(&message)) {
    on_result(*h, *result);
  }
}

void WorkerBench::State::on_result(Held& h, const wire::BatchResult& result) {
  const auto sent = h.sent.find(result.batch_id);
  if (sent == h.sent.end()) {
    h.worker.error = "it answered a batch that it was not sent";
    return;
  }
  for (const auto& item : result.items) {
    if (item.code == wire::ItemCode::Ok) continue;
    h.worker.error = "it could not answer a sample of the data set: " + item.body;
    return;
  }
  const Duration cpu = cpu_time_of_process(h.worker.pid).value_or(h.cpu_seen);
  h.worker.calls.push_back({static_cast<int>(result.items.size()),
                            loop.clock().now() - sent->second, result.service, cpu - h.cpu_seen});
  h.cpu_seen = cpu;
  h.sent.erase(sent);
  h.worker.on_their_way = h.sent.size();
  fill(h);
}

void WorkerBench::State::on_event(const scaling::ReplicaEvent& event) {
  using Kind = scaling::ReplicaEvent::Kind;
  Held* h = find(event.replica_id);
  if (h == nullptr) return;
  if (event.kind == Kind::Started) h->worker.started_at = loop.clock().now();
  if (event.kind == Kind::Exited) h->worker.exited = event.detail;
  if (event.kind == Kind::LimitApplied) h->worker.limit_in_force_at = loop.clock().now();
  if (event.kind == Kind::LimitFailed) h->worker.error = "its CPU limit failed: " + event.detail;
}

void WorkerBench::State::send_batch(Held& h, int size) {
  wire::Batch batch;
  batch.batch_id = ++last_id;
  for (int i = 0; i < size; ++i) {
    wire::Item item = (*h.samples)[h.next_sample++ % h.samples->size()];
    item.request_id = ++last_id;
    batch.items.push_back(std::move(item));
  }
  h.sent[batch.batch_id] = loop.clock().now();
  h.worker.on_their_way = h.sent.size();
  send(h.link, std::move(batch));
}

// Keeps as many batches on their way as the worker accepts.
void WorkerBench::State::fill(Held& h) {
  while (h.saturating && !h.worker.broken() && h.sent.size() < h.worker.credits) {
    send_batch(h, h.batch);
  }
}

Error WorkerBench::State::failure(const Held& h, Waited waited, const std::string& what) const {
  if (waited == Waited::Interrupted) return {ErrorCode::Unavailable, "interrupted"};
  std::string why = h.worker.error;
  if (h.worker.exited) why += (why.empty() ? "" : "; ") + ("it ended: " + *h.worker.exited);
  if (why.empty()) why = "time is over";
  return {ErrorCode::Unavailable, fmt::format("the worker of {} {} ({}); its log is below {}",
                                              h.model, what, why, options.folder.string())};
}

WorkerBench::WorkerBench(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<WorkerBench>> WorkerBench::open(LiveLoop& loop, Options options) {
  auto state = std::make_shared<State>(loop, std::move(options));
  if (const Status s = state->listen(); !s) return s.error();
  adapters::ProcessActuator::Options actuator;
  actuator.run_id = fmt::format("bench-{}", ::getpid());
  actuator.run_dir = state->options.folder;
  actuator.worker_command = {state->options.program.string(), "worker"};
  actuator.gateway_address = "unix:" + state->options.socket.string();
  actuator.token_file = (state->options.folder / "token").string();
  actuator.limits = state->options.limits;
  State* const at = state.get();
  auto made = adapters::ProcessActuator::create(
      loop.io(), loop.clock(), actuator, [at](const std::string& replica, double cpus, bool duty) {
        if (const Held* h = at->find(replica)) send(h->link, wire::CpuLimit{cpus, duty});
      });
  if (!made) return made.error();
  state->actuator = std::move(made).value();
  state->actuator->set_event_handler(
      [at](const scaling::ReplicaEvent& event) { at->on_event(event); });
  return std::unique_ptr<WorkerBench>(new WorkerBench(std::move(state)));
}

WorkerBench::~WorkerBench() {
  for (auto& [replica, h] : state_->held) {
    if (!h->worker.exited) (void)state_->actuator->stop(replica, kStopGrace);
  }
  const auto all_gone = [this] {
    return std::all_of(state_->held.begin(), state_->held.end(),
                       [](const auto& h) { return h.second->worker.exited.has_value(); });
  };
  (void)state_->loop.run_until(all_gone, kStopGrace + std::chrono::seconds(2), true);
  (void)state_->actuator->remove_groups();
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  for (const auto& link : state_->links) link->socket.close(ignored);
  ::unlink(state_->options.socket.c_str());
}

scaling::LimitMechanism WorkerBench::limit_mechanism() const {
  return state_->actuator->limit_mechanism();
}
const std::string& WorkerBench::limit_note() const { return state_->actuator->limit_note(); }

Result<BenchWorker*> WorkerBench::start(scaling::ReplicaSpec spec,
                                        const std::vector<wire::Item>& samples) {
  if (spec.replica_id.empty()) spec.replica_id = fmt::format("bench-{}", ++state_->started);
  auto made = std::make_unique<Held>();
  Held& h = *made;
  h.worker.replica = spec.replica_id;
  h.model = spec.model;
  h.samples = &samples;
  state_->held[spec.replica_id] = std::move(made);
  h.worker.ordered_at = state_->loop.clock().now();
  if (const Status s = state_->actuator->start(spec); !s) {
    h.worker.exited = "it was not started";
    return s.error();
  }
  for (const auto& info : state_->actuator->list()) {
    if (info.replica_id == spec.replica_id) h.worker.pid = info.pid;
  }
  const Waited up = state_->loop.run_until(
      [&] { return h.worker.ready.has_value() || h.worker.broken(); }, kReadyLimit);
  if (up != Waited::Done || h.worker.broken()) {
    return state_->failure(h, up, "did not become ready");
  }
  return &h.worker;
}

Status WorkerBench::set_limit(BenchWorker& worker, double cpus) {
  worker.limit_in_force_at.reset();
  return state_->actuator->set_cpu_limit(worker.replica, cpus);
}

Status WorkerBench::limit(BenchWorker& worker, double cpus) {
  if (const Status s = set_limit(worker, cpus); !s) return s;
  const Waited waited = state_->loop.run_until(
      [&] { return worker.limit_in_force_at.has_value() || worker.broken(); }, kLimitLimit);
  if (waited == Waited::Done && !worker.broken()) return ok();
  return state_->failure(state_->of(worker), waited, "did not get its CPU limit");
}

void WorkerBench::saturate(BenchWorker& worker, int batch) {
  Held& h = state_->of(worker);
  h.saturating = true;
  h.batch = batch;
  h.worker.calls.clear();
  h.cpu_seen = cpu_time_of_process(h.worker.pid).value_or(Duration{0});
  state_->fill(h);
}

void WorkerBench::send_one(BenchWorker& worker) {
  Held& h = state_->of(worker);
  h.cpu_seen = cpu_time_of_process(h.worker.pid).value_or(Duration{0});
  state_->send_batch(h, 1);
}

Status WorkerBench::rest(BenchWorker& worker) {
  Held& h = state_->of(worker);
  h.saturating = false;
  const Waited waited =
      state_->loop.run_until([&] { return h.sent.empty() || worker.broken(); }, kAnswerLimit);
  if (waited == Waited::Done && !worker.broken()) return ok();
  return state_->failure(h, waited, "did not answer");
}

Status WorkerBench::collect(BenchWorker& worker, std::size_t least, Duration shortest,
                            Duration longest) {
  const TimePoint begin = state_->loop.clock().now();
  const Waited waited = state_->loop.run_until(
      [&] {
        return worker.broken() ||
               (worker.calls.size() >= least && state_->loop.clock().now() - begin >= shortest);
      },
      longest);
  if (waited == Waited::Interrupted || worker.broken() || worker.calls.empty()) {
    return state_->failure(state_->of(worker), waited, "answered too little");
  }
  return ok();
}

void WorkerBench::stop(BenchWorker& worker) {
  Held& h = state_->of(worker);
  h.saturating = false;
  if (!worker.exited) {
    (void)state_->actuator->stop(worker.replica, kStopGrace);
    (void)state_->loop.run_until([&] { return worker.exited.has_value(); },
                                 kStopGrace + std::chrono::seconds(2), true);
  }
}

}  // namespace spate::lab
