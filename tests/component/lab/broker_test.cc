// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "testing/broker_fixture.h"
#include "testing/test_folder.h"

namespace spate::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Duration kBound = std::chrono::seconds(15);

class BrokerTest : public testing::Test {
 protected:
  test::TestFolder folder_;
  LiveLoop loop_;
  Supervisor supervisor_{loop_, folder_ / "runs", folder_ / "registry"};
};

TEST_F(BrokerTest, OursAcceptsAForeignClientAndEndsWithTheSupervisor) {
  const auto broker =
      start_broker(loop_, supervisor_, {}, folder_ / "runs/broker", folder_ / "broker.log");
  ASSERT_TRUE(broker.has_value()) << broker.error().message;
  EXPECT_THAT(broker->version, HasSubstr("mosquitto "));
  const auto sent = supervisor_.run({"mosquitto_pub", "-V", "5", "-p", std::to_string(broker->port),
                                     "-t", "t", "-m", "x", "-q", "1"},
                                    folder_ / "pub.log", kBound);
  ASSERT_TRUE(sent.has_value());
  EXPECT_TRUE(sent->success());
  supervisor_.end_all();
  EXPECT_FALSE(accepts_connections(broker->port));
}

TEST_F(BrokerTest, OursGivesNoCauseForWarnings) {
  const auto broker =
      start_broker(loop_, supervisor_, {}, folder_ / "runs/broker", folder_ / "broker.log");
  ASSERT_TRUE(broker.has_value()) << broker.error().message;
  std::vector<std::string> warnings;
  const auto probed = probe_broker(loop_, *broker, warnings);
  ASSERT_TRUE(probed.has_value()) << probed.error().message;
  EXPECT_THAT(warnings, IsEmpty());
}

TEST_F(BrokerTest, AnotherBrokersSmallWindowIsAWarning) {
  test::BrokerFixture other;
  BrokerAddress address;
  address.port = other.port();
  std::vector<std::string> warnings;
  const auto probed = probe_broker(loop_, address, warnings);
  ASSERT_TRUE(probed.has_value()) << probed.error().message;
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("20 unacknowledged messages")));
  EXPECT_THAT(probed->version, HasSubstr("mosquitto"));
}

TEST_F(BrokerTest, NobodyThereIsAnError) {
  const auto port = free_loopback_port();
  ASSERT_TRUE(port.has_value());
  BrokerAddress address;
  address.port = *port;
  std::vector<std::string> warnings;
  const auto probed = probe_broker(loop_, address, warnings);
  ASSERT_FALSE(probed.has_value());
  EXPECT_THAT(probed.error().message, HasSubstr(std::to_string(*port)));
}

TEST_F(BrokerTest, APasswordGoesIntoAFileThatOnlyWeCanRead) {
  const auto file = folder_ / "password";
  const auto address = parse_broker_url("mqtt://anna:s3cret@localhost:1884", file);
  EXPECT_EQ(address.username, "anna");
  EXPECT_EQ(address.password_file, file.string());
  EXPECT_EQ(read_file(file).value(), "s3cret\n");
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(BrokerTest, RefusesWrongCredentials) {
  test::BrokerOptions options;
  options.username = "anna";
  options.password = "s3cret";
  test::BrokerFixture other(options);
  std::vector<std::string> warnings;
  const auto url = "mqtt://anna:wrong@127.0.0.1:" + std::to_string(other.port());
  EXPECT_FALSE(
      probe_broker(loop_, parse_broker_url(url, folder_ / "password"), warnings).has_value());
}

}  // namespace
}  // namespace spate::lab
