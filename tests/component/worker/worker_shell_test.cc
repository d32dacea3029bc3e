// SPDX-License-Identifier: Apache-2.0
//
// run_worker() on a thread of the test, with models that misbehave, over TCP.
#include "spate/worker/worker_shell.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include "component/worker/scripted_gateway.h"

namespace spate::worker {
namespace {

using ::testing::HasSubstr;
using wire::ItemCode;

// Throws at "throw", is slow until released at "wait", else answers 1.
class MoodyModel final : public models::Model {
 public:
  explicit MoodyModel(std::shared_future<void> released) : released_(std::move(released)) {}
  const models::Manifest& manifest() const override { return manifest_; }
  std::vector<Result<models::Prediction>> predict(std::span<const models::Input> inputs) override {
    std::vector<Result<models::Prediction>> out;
    for (const models::Input& input : inputs) {
      if (input.payload == "throw") throw std::runtime_error("out of tensors");
      if (input.payload == "wait") released_.wait();
      out.emplace_back(models::Prediction{false, {{1.0, {}}}});
    }
    return out;
  }
  std::string sample_payload() const override { return "sample"; }
  void set_intra_op_threads(int threads) override { threads_set = threads; }

  static inline std::atomic<int> threads_set{0};

 private:
  models::Manifest manifest_;
  std::shared_future<void> released_;
};

class RunWorker : public ::testing::Test {
 protected:
  void start(WorkerOptions options = {}) {
    options.core.identity.model = "moody";
    options.core.identity.replica_id = "moody-1";
    if (options.core.machine_cpus == 1) options.core.machine_cpus = 2;
    options.gateway = GatewayAddress::parse("tcp:localhost:" + std::to_string(gateway_.port()));
    options.handle_signals = false;
    if (!options.load) {
      options.load = [this](int) -> Result<std::unique_ptr<models::Model>> {
        return std::unique_ptr<models::Model>(std::make_unique<MoodyModel>(released_));
      };
    }
    status_ = std::async(std::launch::async,
                         [options = std::move(options)] { return run_worker(options); });
  }
  void TearDown() override {
    if (!done_) release_.set_value();
  }
  void release() {
    release_.set_value();
    done_ = true;
  }
  static wire::Batch one(std::uint64_t id, const std::string& payload) {
    return {.batch_id = id, .items = {{id, "", payload, {}}}};
  }

  test::ScriptedGateway gateway_;
  std::promise<void> release_;
  std::shared_future<void> released_{release_.get_future()};
  bool done_ = false;
  std::future<int> status_;
};

TEST_F(RunWorker, AModelThatThrowsFailsItsBatchAndTheWorkerGoesOn) {
  start();
  gateway_.welcome();
  gateway_.send(one(1, "throw"));
  const auto failed = gateway_.expect<wire::BatchResult>();
  EXPECT_EQ(failed.items.at(0).code, ItemCode::ModelFailed);
  EXPECT_THAT(failed.items.at(0).body, HasSubstr("out of tensors"));
  gateway_.send(one(2, "fine"));
  EXPECT_EQ(gateway_.expect<wire::BatchResult>().items.at(0).code, ItemCode::Ok);
  gateway_.send(wire::Drain{});
  gateway_.expect<wire::Goodbye>();
  EXPECT_EQ(status_.get(), 0);
}

TEST_F(RunWorker, ASlowBatchHoldsUpNeitherPingsNorOtherBatches) {
  start();
  EXPECT_EQ(gateway_.welcome().credits, 2U);
  gateway_.send(one(1, "wait"));
  gateway_.send(one(2, "fine"));
  EXPECT_EQ(gateway_.expect<wire::BatchResult>().batch_id, 2U);
  gateway_.send(wire::Ping{.nonce = 3});
  EXPECT_EQ(gateway_.expect<wire::Pong>().nonce, 3U);
  gateway_.send(wire::Drain{});
  release();
  EXPECT_EQ(gateway_.expect<wire::BatchResult>().batch_id, 1U);
  gateway_.expect<wire::Goodbye>();
  EXPECT_EQ(status_.get(), 0);
}

TEST_F(RunWorker, WorkOfALostConnectionIsNotAnsweredOnTheNext) {
  start();
  gateway_.welcome();
  gateway_.send(one(1, "wait"));
  gateway_.send(wire::Ping{.nonce = 1});  // the batch has arrived once this is answered
  gateway_.expect<wire::Pong>();
  gateway_.hang_up();
  gateway_.welcome();
  EXPECT_TRUE(gateway_.registered().ready);
  release();
  gateway_.send(one(2, "fine"));
  EXPECT_EQ(gateway_.expect<wire::BatchResult>().batch_id, 2U);
  gateway_.send(wire::Drain{});
  gateway_.expect<wire::Goodbye>();  // and nothing of batch 1 before it
  EXPECT_EQ(status_.get(), 0);
}

TEST_F(RunWorker, InLatencyModeThreadsFollowTheLimit) {
  WorkerOptions options;
  options.core.mode = Mode::Latency;
  options.core.machine_cpus = 8;
  start(std::move(options));
  EXPECT_EQ(gateway_.welcome().credits, 1U);
  MoodyModel::threads_set = 0;
  gateway_.send(wire::CpuLimit{.cpus = 3.5, .duty_cycle = true});
  gateway_.send(one(1, "fine"));  // runs after the change, on the same thread
  gateway_.expect<wire::BatchResult>();
  EXPECT_EQ(MoodyModel::threads_set, 3);
  gateway_.send(wire::Drain{});
  gateway_.expect<wire::Goodbye>();
  EXPECT_EQ(status_.get(), 0);
}

TEST_F(RunWorker, AModelThatCannotBeLoadedEndsItWithStatusOne) {
  for (const bool throws : {false, true}) {
    WorkerOptions options;
    options.load = [throws](int) -> Result<std::unique_ptr<models::Model>> {
      if (throws) throw std::runtime_error("no runtime");
      return Error{ErrorCode::NotFound, "no model"};
    };
    start(std::move(options));
    EXPECT_EQ(status_.get(), 1);
  }
}

}  // namespace
}  // namespace spate::worker
