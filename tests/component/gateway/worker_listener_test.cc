// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/worker_listener.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "testing/loop.h"

namespace spate::gateway::test {
namespace {

using spate::test::Loop;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Local = boost::asio::local::stream_protocol;
using Tcp = boost::asio::ip::tcp;

class Listener : public ::testing::Test {
 protected:
  Listener() {
    std::string name = (std::filesystem::temp_directory_path() / "spate-listener-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    path = (folder / "s").string();
  }
  ~Listener() override { std::filesystem::remove_all(folder); }

  Result<std::unique_ptr<WorkerListener>> listen(const std::string& address) {
    return WorkerListener::listen(loop.io, loop.clock, address, [this](WorkerLink::Socket socket) {
      ++accepted;
      peers.push_back(std::make_shared<WorkerLink>(loop.io, std::move(socket), owner)->peer_host());
    });
  }
  std::string complaint(const std::string& address) {
    auto listener = listen(address);
    return listener ? "accepted" : listener.error().message;
  }

  struct Owner final : WorkerLink::Owner {
    void link_message(WorkerLink&, wire::Message&&) override {}
    void link_closed(WorkerLink&, const std::string&) override {}
  };

  Loop loop;
  Owner owner;
  std::vector<std::string> peers;  // of accepted connections: WorkerLink::peer_host()
  std::filesystem::path folder;
  std::string path;
  int accepted = 0;
};

TEST_F(Listener, AUnixSocketIsForItsOwnerOnlyAndGoesWithTheListener) {
  auto listener = listen("unix:" + path);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ(listener.value()->address(), "unix:" + path);
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  Local::socket socket(loop.io);
  socket.connect(Local::endpoint(path));
  EXPECT_TRUE(loop.run_until([&] { return accepted == 1; }));
  EXPECT_EQ(peers, std::vector<std::string>{""}) << "who dials over it has no address";
  listener.value().reset();
  loop.settle();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Listener, ReplacesTheSocketOfADeadProcessButNotOfALiveOneNorAFile) {
  {
    Local::acceptor dead(loop.io, Local::endpoint(path));  // its file stays behind
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  auto first = listen("unix:" + path);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_THAT(complaint("unix:" + path), HasSubstr("another process listens"));
  const std::string file = (folder / "file").string();
  std::ofstream(file) << "precious";
  EXPECT_THAT(complaint("unix:" + file), HasSubstr("no socket"));
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(Listener, TcpSaysWhichPortItGot) {
  auto listener = listen("tcp:127.0.0.1:0");
  ASSERT_TRUE(listener) << listener.error().message;
  const std::string address = listener.value()->address();
  ASSERT_THAT(address, StartsWith("tcp:127.0.0.1:"));
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(14)));
  Tcp::socket socket(loop.io);
  socket.connect(Tcp::endpoint(boost::asio::ip::address_v4::loopback(), port));
  EXPECT_TRUE(loop.run_until([&] { return accepted == 1; }));
  EXPECT_EQ(peers, std::vector<std::string>{"127.0.0.1"});
  EXPECT_THAT(complaint(address), HasSubstr("in use"));
}

TEST_F(Listener, NamesWhatIsWrongWithAnAddress) {
  EXPECT_THAT(complaint("/s"), HasSubstr("unix:/path or tcp:"));
  EXPECT_THAT(complaint("unix:"), HasSubstr("1 to 107"));
  EXPECT_THAT(complaint("unix:/" + std::string(107, 'x')), HasSubstr("1 to 107"));
  EXPECT_THAT(complaint("unix:" + (folder / "no/such/s").string()), HasSubstr("cannot listen"));
  EXPECT_THAT(complaint("tcp:127.0.0.1"), HasSubstr("tcp:address:port"));
  EXPECT_THAT(complaint("tcp:127.0.0.1:65536"), HasSubstr("tcp:address:port"));
  EXPECT_THAT(complaint("tcp:nonsense:1"), HasSubstr("tcp:address:port"));
}

}  // namespace
}  // namespace spate::gateway::test
