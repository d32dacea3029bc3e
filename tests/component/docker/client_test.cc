// SPDX-License-Identifier: Apache-2.0
//
// DockerClient against a real engine: calls that the actuator's tests do not go through, and what
// it says when things go wrong.
#include "spate/adapters/docker/docker_client.h"

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "component/docker/engine.h"
#include "spate/adapters/docker/docker_wait.h"
#include "testing/loop.h"

namespace spate::adapters {
namespace {

using test::docker;

class DockerClientTest : public testing::Test {
 protected:
  DockerOptions options() const { return {.socket = test::engine_socket()}; }
  Status done(const std::function<void(DockerClient::Done)>& begin) {
    return answer_of<std::monostate>(loop_.io, begin);
  }

  test::Loop loop_;
  DockerClient client_{loop_.io, loop_.clock, options()};
};

TEST_F(DockerClientTest, SaysWhatTheEngineIs) {
  const auto info = answer_of<nlohmann::json>(loop_.io, [&](auto f) { client_.info(f); });
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->at("version"), docker("info --format '{{.ServerVersion}}'"));
  EXPECT_EQ(info->at("cpus"), test::engine_cpus());
  EXPECT_THAT(info->at("cgroup_version").get<std::string>(), testing::AnyOf("1", "2"));
}

TEST_F(DockerClientTest, MakesAndRemovesNetworks) {
  const std::string name = test::unique_name("spate-test");
  ASSERT_TRUE(done([&](auto f) { client_.create_network(name, {{"spate.owner", "t"}}, f); }));
  EXPECT_TRUE(done([&](auto f) { client_.create_network(name, {}, f); })) << "it is there";
  EXPECT_EQ(docker("network ls --format '{{.Name}}' --filter label=spate.owner=t"), name);
  EXPECT_TRUE(done([&](auto f) { client_.remove_network(name, f); }));
  EXPECT_TRUE(done([&](auto f) { client_.remove_network(name, f); })) << "it is gone";
  EXPECT_EQ(docker("network ls --format '{{.Name}}' --filter label=spate.owner=t"), "");
}

TEST_F(DockerClientTest, WaitsForAnExitAndReadsTheLog) {
  ContainerSpec spec;
  spec.name = test::unique_name("spate-test");
  spec.image = test::kTestImage;
  spec.command = {"worker", "--model", "/fails"};
  spec.network = "none";
  const auto id = answer_of<std::string>(loop_.io, [&](auto f) { client_.create(spec, f); });
  ASSERT_TRUE(id) << id.error().message;
  ASSERT_TRUE(done([&](auto f) { client_.start(*id, f); }));
  const auto code = answer_of<int>(loop_.io, [&](auto f) { client_.wait_exit(*id, f); });
  ASSERT_TRUE(code);
  EXPECT_EQ(*code, 3);
  const auto log = answer_of<std::string>(loop_.io, [&](auto f) { client_.logs(*id, 10, f); });
  ASSERT_TRUE(log);
  EXPECT_THAT(*log, testing::HasSubstr("this is fails\n"));
  EXPECT_THAT(*log, testing::HasSubstr("the model cannot be read\n"));
  EXPECT_TRUE(done([&](auto f) { client_.remove(*id, false, f); }));
  EXPECT_TRUE(done([&](auto f) { client_.remove(*id, false, f); })) << "it is gone already";
}

TEST_F(DockerClientTest, ATakenPortIsSaid) {
  boost::asio::ip::tcp::acceptor taken(loop_.io, {boost::asio::ip::address_v4::loopback(), 0});
  ContainerSpec spec;
  spec.name = test::unique_name("spate-test");
  spec.image = test::kTestImage;
  spec.command = {"worker", "--model", "/serve"};
  spec.published_ports = {{.inside = 8080, .outside = taken.local_endpoint().port()}};
  const auto id = answer_of<std::string>(loop_.io, [&](auto f) { client_.create(spec, f); });
  ASSERT_TRUE(id) << id.error().message;
  const Status started = done([&](auto f) { client_.start(*id, f); });
  EXPECT_TRUE(done([&](auto f) { client_.remove(*id, true, f); }));
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, testing::HasSubstr("address already in use"));
  EXPECT_THAT(started.error().message,
              testing::HasSubstr(std::to_string(taken.local_endpoint().port())));
}

TEST_F(DockerClientTest, AnUnknownContainerIsNotFound) {
  const Status started = done([&](auto f) { client_.start("no-such-container", f); });
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::NotFound);
  EXPECT_THAT(started.error().message, testing::HasSubstr("no-such-container"));
}

}  // namespace
}  // namespace spate::adapters
