// SPDX-License-Identifier: Apache-2.0
#include "testing/broker_fixture.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>

namespace spate::test {
namespace {

int mosquitto_pub(const BrokerFixture& broker, const std::string& more) {
  const std::string command = "mosquitto_pub -V mqttv5 -h 127.0.0.1 -p " +
                              std::to_string(broker.port()) + " -t t -m x -q 1 " + more +
                              " >/dev/null 2>&1";
  return std::system(command.c_str());
}

TEST(BrokerFixture, AcceptsAPublishAndEndsWithTheObject) {
  pid_t pid = -1;
  {
    BrokerFixture broker;
    pid = broker.pid();
    EXPECT_EQ(mosquitto_pub(broker, ""), 0);
    EXPECT_NE(broker.log().find("running"), std::string::npos);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(BrokerFixture, RestartKeepsThePort) {
  BrokerFixture broker;
  const auto port = broker.port();
  const auto pid = broker.pid();
  broker.restart(SIGKILL);
  EXPECT_EQ(broker.port(), port);
  EXPECT_NE(broker.pid(), pid);
  EXPECT_EQ(mosquitto_pub(broker, ""), 0);
  broker.stop();
  EXPECT_FALSE(broker.running());
  EXPECT_NE(mosquitto_pub(broker, ""), 0);
}

TEST(BrokerFixture, ChecksThePassword) {
  BrokerFixture broker({.username = "ann", .password = "secret"});
  EXPECT_EQ(mosquitto_pub(broker, "-u ann -P secret"), 0);
  EXPECT_NE(mosquitto_pub(broker, "-u ann -P wrong"), 0);
  EXPECT_NE(mosquitto_pub(broker, ""), 0);
}

TEST(BrokerFixture, ABadConfigurationThrowsWithTheBrokersOwnWords) {
  try {
    BrokerFixture broker({.config_lines = {"no_such_option true"}});
    FAIL() << "it started";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("no_such_option"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace spate::test
