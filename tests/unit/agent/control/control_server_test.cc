#include "agent/control/control_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <optional>
#include <thread>

#include "towpath/base/unique_fd.h"

namespace towpath::agent {
namespace {

using ::testing::HasSubstr;

// `count` rows {"n":0}, {"n":1}, ... for every request.
class Numbers final : public ControlBackend {
 public:
  explicit Numbers(std::size_t count) : count_(count) {}

  std::expected<std::unique_ptr<RowSource>, ControlFailure> open(const control::Request& request) override {
    if (request.command == control::Command::kStatus) {
      return std::unexpected(ControlFailure{control::Code::kInternal, "no status today"});
    }
    return std::make_unique<Source>(*this);
  }
  std::size_t slices() const { return slices_; }

 private:
  class Source final : public RowSource {
   public:
    explicit Source(Numbers& owner) : owner_(owner) {}
    bool next_slice(RowWriter& rows) override {
      ++owner_.slices_;
      for (std::size_t i = 0; i < kSliceEntries && next_ < owner_.count_; ++i, ++next_) {
        rows.row([&](JsonWriter& json) { json.field("n", next_); });
      }
      return next_ < owner_.count_;
    }

   private:
    Numbers& owner_;
    std::size_t next_ = 0;
  };

  std::size_t count_;
  std::atomic<std::size_t> slices_ = 0;
};

// A blocking client. Reads time out after 10 s, so that a broken server fails a test and does not hang it.
class TestClient {
 public:
  explicit TestClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const timeval limit{10, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  bool connected() const { return connected_; }
  bool send(std::string_view text) {
    return ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  void end_of_requests() { ::shutdown(fd_.get(), SHUT_WR); }
  // Nothing at end of stream.
  std::optional<std::string> line() {
    for (;;) {
      if (const auto at = input_.find('\n'); at != std::string::npos) {
        std::string out = input_.substr(0, at);
        input_.erase(0, at + 1);
        return out;
      }
      char buffer[65536];
      const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (count <= 0) return std::nullopt;
      input_.append(buffer, static_cast<std::size_t>(count));
    }
  }

 private:
  UniqueFd fd_;
  bool connected_ = false;
  std::string input_;
};

// A server on a loop of its own thread.
class Running {
 public:
  template <class F>
  auto on_loop(F f) {
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto done = task.get_future();
    boost::asio::post(loop_, [&task] { task(); });
    return done.get();
  }
  Running(ControlBackend& backend, ControlLimits limits) : server_(loop_, backend, limits) {
    char directory[] = "/tmp/towpath-control-XXXXXX";
    directory_ = ::mkdtemp(directory);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Running() {
    on_loop([&] { server_.stop(); });
    guard_.reset();
    thread_.join();
    ::unlink(path().c_str());
    ::rmdir(directory_.c_str());
  }
  std::string path() const { return directory_ + "/s"; }
  Status start() {
    return on_loop([&] { return server_.start(path()); });
  }
  void stop() {
    on_loop([&] { server_.stop(); });
  }
  bool clients_become(std::size_t expected) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      if (on_loop([&] { return server_.clients(); }) == expected) return true;
      std::this_thread::yield();
    }
    return false;
  }

 private:
  boost::asio::io_context loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{loop_.get_executor()};
  ControlServer server_;
  std::string directory_;
  std::thread thread_;
};

constexpr const char* kPeers = "{\"v\":1,\"command\":\"peers\"}\n";

TEST(ControlServer, AnswersRequestAfterRequest) {
  Numbers backend(2);
  Running server(backend, {});
  ASSERT_TRUE(server.start().has_value());
  TestClient client(server.path());
  ASSERT_TRUE(client.send(std::string(kPeers) + kPeers));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(client.line(), R"({"code":100,"row":{"n":0}})");
    EXPECT_EQ(client.line(), R"({"code":100,"row":{"n":1}})");
    EXPECT_EQ(client.line(), R"({"code":200,"rows":2})");
  }
}

TEST(ControlServer, AnswersWithoutRowsAndToAHalfClosedConnection) {
  Numbers backend(0);
  Running server(backend, {});
  ASSERT_TRUE(server.start().has_value());
  TestClient client(server.path());
  ASSERT_TRUE(client.send(kPeers));
  client.end_of_requests();
  EXPECT_EQ(client.line(), R"({"code":200,"rows":0})");
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST(ControlServer, StreamsALongReply) {
  constexpr std::size_t kRows = 100000;
  Numbers backend(kRows);
  Running server(backend, {});
  ASSERT_TRUE(server.start().has_value());
  TestClient client(server.path());
  ASSERT_TRUE(client.send(kPeers));
  for (std::size_t i = 0; i < kRows; ++i) {
    const auto line = client.line();
    ASSERT_EQ(line, fmt::format(R"({{"code":100,"row":{{"n":{}}}}})", i));
  }
  EXPECT_EQ(client.line(), fmt::format(R"({{"code":200,"rows":{}}})", kRows));
}

TEST(ControlServer, AnErrorLeavesTheConnectionInUse) {
  Numbers backend(0);
  Running server(backend, {});
  ASSERT_TRUE(server.start().has_value());
  TestClient client(server.path());
  ASSERT_TRUE(client.send("nonsense\n"));
  EXPECT_EQ(client.line(), R"({"code":400,"message":"the request is not valid JSON"})");
  ASSERT_TRUE(client.send("{\"v\":1,\"command\":\"status\"}\n"));
  EXPECT_EQ(client.line(), R"({"code":500,"message":"no status today"})");
  ASSERT_TRUE(client.send(kPeers));
  EXPECT_EQ(client.line(), R"({"code":200,"rows":0})");
}

TEST(ControlServer, RefusesAnEndlessRequest) {
  Numbers backend(0);
  Running server(backend, {});
  ASSERT_TRUE(server.start().has_value());
  TestClient client(server.path());
  client.send(std::string(control::kLongestRequest + 1, 'x'));
  EXPECT_THAT(client.line().value_or(""), HasSubstr("\"code\":413"));
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST(ControlServer, DropsAClientThatDoesNotReadAndServesOthersMeanwhile) {
  Numbers backend(std::size_t{1} << 40);
  Running server(backend, ControlLimits{.write_timeout = std::chrono::milliseconds(300)});
  ASSERT_TRUE(server.start().has_value());
  TestClient deaf(server.path());
  ASSERT_TRUE(deaf.send(kPeers));
  ASSERT_TRUE(server.clients_become(1));
  TestClient other(server.path());
  ASSERT_TRUE(other.send("{\"v\":1,\"command\":\"status\"}\n"));
  EXPECT_EQ(other.line(), R"({"code":500,"message":"no status today"})");
  EXPECT_TRUE(server.clients_become(1));  // the deaf one is gone
  // What was made for it fits into the socket's buffer and one slice.
  EXPECT_LT(backend.slices(), 1000U);
  ASSERT_TRUE(other.send("{\"v\":1,\"command\":\"status\"}\n"));
  EXPECT_EQ(other.line(), R"({"code":500,"message":"no status today"})");
}

TEST(ControlServer, ForgetsAClientThatLeavesInMidReply) {
  Numbers backend(std::size_t{1} << 40);
  Running server(backend, {});
  ASSERT_TRUE(server.start().has_value());
  {
    TestClient client(server.path());
    ASSERT_TRUE(client.send(kPeers));
    ASSERT_TRUE(client.line().has_value());
  }
  EXPECT_TRUE(server.clients_become(0));
}

TEST(ControlServer, ClosesAnIdleClient) {
  Numbers backend(0);
  Running server(backend, {.idle_timeout = std::chrono::milliseconds(50)});
  ASSERT_TRUE(server.start().has_value());
  TestClient client(server.path());
  ASSERT_TRUE(client.send("{\"v\":1"));
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST(ControlServer, TellsTooManyClients) {
  Numbers backend(0);
  Running server(backend, {.max_clients = 1});
  ASSERT_TRUE(server.start().has_value());
  TestClient first(server.path());
  ASSERT_TRUE(server.clients_become(1));
  TestClient second(server.path());
  EXPECT_EQ(second.line(), R"({"code":503,"message":"1 clients are connected already"})");
  ASSERT_TRUE(first.send(kPeers));
  EXPECT_EQ(first.line(), R"({"code":200,"rows":0})");
}

TEST(ControlServer, TheSocketFileIsForOwnerAndGroupAndGoesAtTheEnd) {
  Numbers backend(0);
  Running server(backend, {});
  ASSERT_TRUE(server.start().has_value());
  struct stat info{};
  ASSERT_EQ(::stat(server.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660U);
  server.stop();
  EXPECT_NE(::stat(server.path().c_str(), &info), 0);
}

TEST(ControlServer, ReplacesAStaleSocketAndRefusesALiveOne) {
  Numbers backend(0);
  Running server(backend, {});
  {
    // Bound and closed without unlink: what a killed agent leaves.
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, server.path().c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(server.start().has_value());

  boost::asio::io_context loop;
  ControlServer second(loop, backend);
  const auto refused = second.start(server.path());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(refused.error().message, "control socket " + server.path() + ": another towpathd listens there");
  EXPECT_TRUE(TestClient(server.path()).connected());
}

TEST(ControlServer, LeavesAFileThatIsNoSocketAlone) {
  Numbers backend(0);
  Running server(backend, {});
  std::ofstream(server.path()) << "precious";
  const auto refused = server.start();
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("there is a file that is no socket"));
}

}  // namespace
}  // namespace towpath::agent
