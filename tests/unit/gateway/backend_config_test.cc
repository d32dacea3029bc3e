// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/backend_config.h"

#include <gmock/gmock.h>

#include "spate/base/config_error.h"
#include "spate/gateway/config.h"

namespace spate::gateway {
namespace {

using testing::AllOf;
using testing::HasSubstr;

BackendConfig read(const std::string& text) {
  return read_backend_config(ConfigReader::from_text(text, "gateway.json"), "demo");
}

std::string complaint(const std::string& text) {
  try {
    read(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(BackendConfig, ProcessIsTheDefaultAndTakesNothingElse) {
  EXPECT_EQ(read(R"({"kind": "process"})").kind, "process");
  EXPECT_THAT(complaint(R"({"kind": "process", "image": "x"})"), HasSubstr("image"));
}

TEST(BackendConfig, ReadsEveryKey) {
  const BackendConfig b = read(R"({"kind": "docker", "socket": "/run/engine.sock",
    "image": "spate:1", "network": "workers", "owner": "compose", "worker_address": "tcp:gateway:7600",
    "worker_token_file": "/run/spate/token", "user": "7:8", "worker_memory_bytes": 1073741824,
    "mounts": [{"source": "models", "target": "/models"},
               {"source": "/srv/run", "target": "/run/spate", "read_only": false}],
    "labels": {"team": "vision"}, "meter": "stats", "cgroup_root": "/host/cgroup"})");
  EXPECT_EQ(b.socket, "/run/engine.sock");
  EXPECT_EQ(b.image, "spate:1");
  EXPECT_EQ(b.network, "workers");
  EXPECT_EQ(b.owner, "compose");
  EXPECT_EQ(b.worker_address, "tcp:gateway:7600");
  EXPECT_EQ(b.worker_token_file, "/run/spate/token");
  EXPECT_EQ(b.user, "7:8");
  EXPECT_EQ(b.worker_memory_bytes, 1'073'741'824);
  ASSERT_EQ(b.mounts.size(), 2U);
  EXPECT_EQ(b.mounts[0].source, "models");
  EXPECT_TRUE(b.mounts[0].read_only);
  EXPECT_FALSE(b.mounts[1].read_only);
  EXPECT_EQ(b.labels.at("team"), "vision");
  EXPECT_EQ(b.meter, "stats");
  EXPECT_EQ(b.cgroup_root, "/host/cgroup");
}

TEST(BackendConfig, SaysWhatIsWrong) {
  EXPECT_THAT(complaint(R"({"kind": "podman"})"),
              AllOf(HasSubstr("kind"), HasSubstr("docker"), HasSubstr("podman")));
  EXPECT_THAT(complaint(R"({"kind": "docker", "socket": "engine.sock"})"),
              HasSubstr("an absolute path"));
  EXPECT_THAT(complaint(R"({"kind": "docker", "worker_address": "gateway:7600"})"),
              HasSubstr("unix:/path or tcp:host:port"));
  EXPECT_THAT(complaint(R"({"kind": "docker", "mounts": [{"source": "models"}]})"),
              HasSubstr("target"));
  EXPECT_THAT(complaint(R"({"kind": "docker", "meter": "guess"})"), HasSubstr("stats"));
  EXPECT_THAT(complaint(R"({"kind": "docker", "worker_memory_bytes": 5})"), HasSubstr("5"));
  EXPECT_THAT(complaint(R"({"kind": "docker", "imagee": "x"})"), HasSubstr("image"));
}

TEST(BackendConfig, TheOwnerIsTheRunUnlessItIsSaid) {
  EXPECT_EQ(read(R"({"kind": "docker"})").owner, "demo");
  EXPECT_EQ(read(R"({"kind": "docker"})").network, "none");
}

TEST(BackendConfig, TheGatewaysSettingsAreReadWithIt) {
  const auto settings = [](const std::string& backend) {
    return ConfigReader::from_text(R"({"run_id": "demo", "worker_listen": "unix:/x",
      "token_file": "t", "models": [{"name": "m"}], "backend": )" +
                                       backend + "}",
                                   "gateway.json");
  };
  EXPECT_NO_THROW(read_gateway_config(settings(R"({"kind": "docker"})")));
  EXPECT_THROW(read_gateway_config(settings(R"({"kind": "podman"})")), ConfigError);
}

}  // namespace
}  // namespace spate::gateway
