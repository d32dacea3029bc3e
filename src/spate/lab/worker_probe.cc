// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/worker_probe.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "spate/adapters/process_actuator.h"
#include "spate/base/files.h"
#include "spate/wire/codec.h"

namespace spate::lab {
namespace {

namespace asio = boost::asio;
using Local = asio::local::stream_protocol;

constexpr Duration kReadyLimit = std::chrono::seconds(60);
constexpr Duration kStopGrace = std::chrono::seconds(5);
constexpr int kDiscarded = 3;  // the first services after the limit came into force
constexpr const char* kReplica = "probe-1";
constexpr const char* kToken = "probe";

class Probe {
 public:
  Probe(LiveLoop& loop, const ProbeOptions& options)
      : loop_(loop), options_(options), acceptor_(loop.io()), socket_(loop.io()) {}
  ~Probe() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    socket_.close(ignored);
    ::unlink(options_.socket.c_str());
  }

  Result<ProbeResult> run() {
    if (const Status s = listen(); !s) return s.error();
    if (const Status s = start_worker(); !s) return s.error();
    Result<ProbeResult> result = measure();
    end_worker();
    return result;
  }

 private:
  Status listen() {
    ::unlink(options_.socket.c_str());
    if (const Status s = write_file(options_.folder / "token", std::string(kToken) + "\n"); !s) {
      return s;
    }
    boost::system::error_code failed;
    acceptor_.open(Local(), failed);
    if (!failed) acceptor_.bind(Local::endpoint(options_.socket.string()), failed);
    if (!failed) acceptor_.listen(1, failed);
    if (failed) {
      return Error{ErrorCode::Unavailable,
                   "cannot listen at " + options_.socket.string() + ": " + failed.message()};
    }
    acceptor_.async_accept(socket_, [this](const boost::system::error_code& error) {
      if (error) return;
      read();
    });
    return ok();
  }

  Status start_worker() {
    adapters::ProcessActuator::Options options;
    options.run_id = fmt::format("probe-{}-{}", ::getpid(), options_.model);
    options.run_dir = options_.folder;
    options.worker_command = {options_.program.string(), "worker"};
    options.gateway_address = "unix:" + options_.socket.string();
    options.token_file = (options_.folder / "token").string();
    options.limits = options_.limits;
    auto actuator = adapters::ProcessActuator::create(
        loop_.io(), loop_.clock(), options, [this](const std::string&, double cpus, bool duty) {
          send(wire::CpuLimit{cpus, duty});
        });
    if (!actuator) return actuator.error();
    actuator_ = std::move(actuator).value();
    actuator_->set_event_handler([this](const scaling::ReplicaEvent& event) {
      if (event.kind == scaling::ReplicaEvent::Kind::Exited) exited_ = event.detail;
    });
    scaling::ReplicaSpec spec;
    spec.model = options_.model;
    spec.model_path = options_.model_path.string();
    spec.replica_id = kReplica;
    spec.cpu_request = spec.cpu_limit = options_.cpu_limit;
    spec.mode = options_.mode;
    started_ = loop_.clock().now();
    return actuator_->start(spec);
  }

  Result<ProbeResult> measure() {
    const Waited up = loop_.run_until([&] { return ready_ || broken(); }, kReadyLimit);
    if (up != Waited::Done || broken()) return failure(up, "did not become ready");
    ProbeResult out;
    out.ready_ms = to_ms(loop_.clock().now() - started_);
    out.limit_mechanism = std::string(scaling::to_string(actuator_->limit_mechanism()));
    if (const Status s = actuator_->set_cpu_limit(kReplica, options_.cpu_limit); !s) {
      return s.error();
    }
    for (const int batch : options_.batches) {
      batch_size_ = batch;
      times_.clear();
      saturating_ = true;
      const TimePoint begin = loop_.clock().now();
      fill();
      const auto enough = [&] {
        return broken() ||
               (times_.size() >= static_cast<std::size_t>(options_.least + kDiscarded) &&
                loop_.clock().now() - begin >= options_.shortest);
      };
      const Waited waited = loop_.run_until(enough, options_.longest);
      saturating_ = false;
      // The last ones still on their way would otherwise be taken for the next size's.
      const Waited quiet =
          loop_.run_until([&] { return broken() || sent_.empty(); }, options_.longest);
      if (waited == Waited::Interrupted || broken() || quiet == Waited::Interrupted ||
          times_.size() <= kDiscarded) {
        return failure(waited, "answered too little");
      }
      out.service[batch].assign(times_.begin() + kDiscarded, times_.end());
    }
    out.credits = credits_;
    return out;
  }

  void end_worker() {
    if (!actuator_) return;
    if (!exited_) {
      (void)actuator_->stop(kReplica, kStopGrace);
      (void)loop_.run_until([&] { return exited_.has_value(); },
                            kStopGrace + std::chrono::seconds(2), true);
    }
    (void)actuator_->remove_groups();
  }

  bool broken() const { return exited_.has_value() || !error_.empty(); }

  Error failure(Waited waited, const std::string& what) const {
    if (waited == Waited::Interrupted) return {ErrorCode::Unavailable, "interrupted"};
    std::string why = error_;
    if (exited_) why += (why.empty() ? "" : "; ") + ("it ended: " + *exited_);
    if (why.empty()) why = "time is over";
    return {ErrorCode::Unavailable,
            fmt::format("the worker of {} {} ({}); its log is below {}", options_.model, what, why,
                        options_.folder.string())};
  }

  // Keeps as many batches on their way as the worker accepts.
  void fill() {
    while (saturating_ && ready_ && sent_.size() < credits_) {
      wire::Batch batch;
      batch.batch_id = ++last_batch_;
      for (int i = 0; i < batch_size_; ++i) {
        wire::Item item = options_.samples[next_sample_++ % options_.samples.size()];
        item.request_id = ++last_request_;
        batch.items.push_back(std::move(item));
      }
      sent_[batch.batch_id] = loop_.clock().now();
      send(std::move(batch));
    }
  }

  void on_message(const wire::Message& message) {
    if (const auto* hello = std::get_if<wire::Register>(&message)) {
      if (hello->token != kToken) error_ = "it sent a wrong token";
      send(wire::Registered{"probe"});
    } else if (const auto* ready = std::get_if<wire::Ready>(&message)) {
      ready_ = true;
      credits_ = std::max(1U, ready->credits);
    } else if (const auto* credits = std::get_if<wire::Credits>(&message)) {
      credits_ = std::max(1U, credits->credits);
      fill();
    } else if (const auto* result = std::get_if<wire::BatchResult>(&message)) {
      on_result(*result);
    }
  }

  void on_result(const wire::BatchResult& result) {
    const auto sent = sent_.find(result.batch_id);
    if (sent == sent_.end()) {
      error_ = "it answered a batch that it was not sent";
      return;
    }
    for (const auto& item : result.items) {
      if (item.code != wire::ItemCode::Ok) {
        error_ = "it could not answer a sample of the data set: " + item.body;
        return;
      }
    }
    if (saturating_) times_.push_back(loop_.clock().now() - sent->second);
    sent_.erase(sent);
    fill();
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [this](const boost::system::error_code& failed, std::size_t size) {
                              if (failed) return;  // its exit tells more
                              reader_.feed({buffer_.data(), size});
                              for (;;) {
                                auto message = reader_.next();
                                if (!message) {
                                  error_ = message.error().message;
                                  return;
                                }
                                if (!message->has_value()) break;
                                on_message(**message);
                              }
                              read();
                            });
  }

  void send(const wire::Message& message) {
    if (!socket_.is_open()) return;
    outbox_.emplace_back();
    wire::encode(message, outbox_.back());
    if (outbox_.size() == 1) write();
  }
  void write() {
    asio::async_write(socket_, asio::buffer(outbox_.front()),
                      [this](const boost::system::error_code& failed, std::size_t) {
                        outbox_.pop_front();
                        if (!failed && !outbox_.empty()) write();
                      });
  }

  LiveLoop& loop_;
  const ProbeOptions& options_;
  Local::acceptor acceptor_;
  Local::socket socket_;
  std::unique_ptr<adapters::ProcessActuator> actuator_;
  wire::FrameReader reader_;
  std::array<char, 1 << 16> buffer_{};
  std::deque<std::string> outbox_;
  std::map<std::uint64_t, TimePoint> sent_;  // batches on their way
  std::vector<Duration> times_;
  TimePoint started_{};
  std::optional<std::string> exited_;
  std::string error_;
  bool ready_ = false;
  bool saturating_ = false;
  int batch_size_ = 1;
  std::uint32_t credits_ = 1;
  std::uint64_t last_batch_ = 0;
  std::uint64_t last_request_ = 0;
  std::size_t next_sample_ = 0;
};

}  // namespace

Result<ProbeResult> probe_worker(LiveLoop& loop, const ProbeOptions& options) {
  Probe probe(loop, options);
  return probe.run();
}

}  // namespace spate::lab
