// SPDX-License-Identifier: Apache-2.0
//
// ScriptedWorker: a worker of a few lines that speaks the wire protocol over the real socket and
// does what the test says.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spate/wire/codec.h"

namespace spate::gateway::test {

class ScriptedWorker {
 public:
  ScriptedWorker(boost::asio::io_context& io, const std::string& socket_path)
      : state_(std::make_shared<State>(io)) {
    state_->socket.connect(boost::asio::local::stream_protocol::endpoint(socket_path));
    read(state_);
  }
  ~ScriptedWorker() { kill(); }

  // As a process that dies: the connection is cut at once.
  void kill() {
    boost::system::error_code ignored;
    state_->socket.close(ignored);
    state_->on_batch = nullptr;
  }

  void send(const wire::Message& message) {
    std::string bytes;
    wire::encode(message, bytes);
    send_bytes(bytes);
  }
  void send_bytes(const std::string& bytes) {
    boost::asio::write(state_->socket, boost::asio::buffer(bytes));
  }
  void register_as(const std::string& model, const std::string& replica,
                   const std::string& token = "secret", std::uint32_t max_batch = 16) {
    wire::Register hello;
    hello.token = token;
    hello.model = model;
    hello.variant = "test";
    hello.replica_id = replica;
    hello.max_batch = max_batch;
    send(hello);
  }
  void ready(std::uint32_t credits = 1) {
    wire::Ready message;
    message.load = std::chrono::milliseconds(12);
    message.credits = credits;
    send(message);
  }
  // Answers every item with `code` and a body made by `body`.
  void answer(const wire::Batch& batch, wire::ItemCode code, const std::string& body) {
    wire::BatchResult result;
    result.batch_id = batch.batch_id;
    result.service = std::chrono::milliseconds(3);
    for (const wire::Item& item : batch.items)
      result.items.push_back({item.request_id, code, body});
    send(result);
  }
  // From now on answers each batch with "bytes":<size of the payload>.
  void serve() {
    state_->on_batch = [this](const wire::Batch& batch) {
      wire::BatchResult result;
      result.batch_id = batch.batch_id;
      result.service = std::chrono::milliseconds(1);
      for (const wire::Item& item : batch.items) {
        result.items.push_back({item.request_id, wire::ItemCode::Ok,
                                "\"bytes\":" + std::to_string(item.payload.size())});
      }
      send(result);
    };
    for (const wire::Batch& batch : state_->batches) state_->on_batch(batch);
  }

  const std::vector<wire::Batch>& batches() const { return state_->batches; }
  template <class Kind>
  std::size_t got() const {
    std::size_t count = 0;
    for (const wire::Message& message : state_->others)
      count += std::holds_alternative<Kind>(message) ? 1 : 0;
    return count;
  }
  const std::vector<wire::Message>& others() const { return state_->others; }
  bool closed() const { return state_->closed; }
  void answer_pings(bool yes) { state_->pong = yes; }

 private:
  struct State {
    explicit State(boost::asio::io_context& io) : socket(io) {}
    boost::asio::local::stream_protocol::socket socket;
    std::array<char, 65536> input;
    wire::FrameReader reader;
    std::vector<wire::Batch> batches;
    std::vector<wire::Message> others;
    std::function<void(const wire::Batch&)> on_batch;
    bool closed = false;
    bool pong = true;
  };

  static void read(const std::shared_ptr<State>& state) {
    state->socket.async_read_some(
        boost::asio::buffer(state->input),
        [state](const boost::system::error_code& error, std::size_t count) {
          if (error) {
            state->closed = true;
            return;
          }
          state->reader.feed({state->input.data(), count});
          while (true) {
            auto next = state->reader.next();
            if (!next || !next->has_value()) break;
            take(*state, std::move(**next));
          }
          read(state);
        });
  }
  static void take(State& state, wire::Message&& message) {
    if (auto* batch = std::get_if<wire::Batch>(&message)) {
      state.batches.push_back(std::move(*batch));
      if (state.on_batch) state.on_batch(state.batches.back());
      return;
    }
    if (const auto* ping = std::get_if<wire::Ping>(&message); ping != nullptr && state.pong) {
      std::string bytes;
      wire::encode(wire::Pong{ping->nonce}, bytes);
      boost::asio::write(state.socket, boost::asio::buffer(bytes));
    }
    state.others.push_back(std::move(message));
  }

  std::shared_ptr<State> state_;
};

}  // namespace spate::gateway::test
