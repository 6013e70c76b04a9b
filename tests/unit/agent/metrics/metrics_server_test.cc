// The HTTP server alone, with pages of the test's.
#include "agent/metrics/metrics_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <thread>

namespace towpath::agent {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using testing::StartsWith;

class MetricsServerTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start({.address = *IpAddress::parse(GetParam()), .port = 0}));
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    asio::post(loop_, [this] {
      server_.stop();
      work_.reset();
    });
    thread_.join();
  }

  // What the server sends until it closes; it does, where the request asks for it or is none.
  std::string ask(const std::string& text) {
    asio::io_context own;
    asio::ip::tcp::socket socket(own);
    socket.connect({asio::ip::make_address(GetParam()), server_.port()});
    asio::write(socket, asio::buffer(text));
    std::string answer;
    boost::system::error_code ec;
    asio::read(socket, asio::dynamic_buffer(answer), ec);
    return answer;
  }
  std::string get(const std::string& path, const std::string& method = "GET") {
    return ask(method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }

  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
  std::string problem_;
  MetricsServer server_{loop_,
                        {[] { return std::string("towpath_in_sync 1\n"); }, [this] { return problem_; }}};
  std::thread thread_;
};

TEST_P(MetricsServerTest, MetricsAndHealth) {
  const std::string metrics = get("/metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(metrics, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(metrics, HasSubstr("\r\n\r\ntowpath_in_sync 1\n"));
  EXPECT_THAT(get("/metrics?format=x"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("/health"), HasSubstr("\r\n\r\nok\n"));
}

TEST_P(MetricsServerTest, AProblemIsUnavailableAndSaysWhy) {
  problem_ = "waiting for the routes of host-b";
  const std::string health = get("/health");
  EXPECT_THAT(health, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(health, HasSubstr("\r\n\r\nwaiting for the routes of host-b\n"));
}

TEST_P(MetricsServerTest, AllElseIsRefused) {
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("/metrics/x"), StartsWith("HTTP/1.1 404 "));
  const std::string posted = get("/metrics", "POST");
  EXPECT_THAT(posted, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(posted, HasSubstr("Allow: GET\r\n"));
  EXPECT_EQ(ask("\x16\x03\x01 no HTTP at all\r\n\r\n"), "") << "closed without an answer";
  EXPECT_EQ(ask("GET /metrics HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"), "");
  EXPECT_THAT(get("/health"), StartsWith("HTTP/1.1 200 ")) << "others are served as before";
}

TEST_P(MetricsServerTest, OneConnectionServesManyRequests) {
  const std::string request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string last = "GET /health HTTP/1.0\r\n\r\n";
  const std::string answers = ask(request + request + last);
  std::size_t count = 0;
  for (std::size_t at = answers.find(" 200 OK"); at != std::string::npos;
       at = answers.find(" 200 OK", at + 1))
    ++count;
  EXPECT_EQ(count, 3U) << answers;
}

TEST_P(MetricsServerTest, ATakenPortIsNamed) {
  asio::io_context loop;
  MetricsServer second(loop, {[] { return std::string(); }, [] { return std::string(); }});
  const Status started = second.start({.address = *IpAddress::parse(GetParam()), .port = server_.port()});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "metrics: listen on " + std::string(GetParam()) + " port " +
                                         std::to_string(server_.port()) + ": Address already in use");
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, MetricsServerTest, testing::Values("127.0.0.1", "::1"),
                         [](const auto& family) {
                           return std::string(family.param) == "::1" ? "Ipv6" : "Ipv4";
                         });

}  // namespace
}  // namespace towpath::agent
