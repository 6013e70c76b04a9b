// Sessions that the kernel signs (RFC 2385).
#include "bgp/session/endpoint.h"
#include "bgp/session/md5_signature.h"
#include "session_fixture.h"

namespace towpath::bgp::test {
namespace {

using boost::asio::ip::tcp;
using testing::Contains;
using testing::HasSubstr;

Md5Key key(const char* secret) {
  return {"/etc/towpath/keys/x", secret,
          *secret == 0 ? "open /etc/towpath/keys/x: No such file or directory" : ""};
}

class SignedSession : public SessionTest {
 protected:
  // Two speakers that connect to each other; `a` originates 10.64.1.0/26, `b` 10.64.2.0/26.
  void make_pair(const char* address_of_a, const char* address_of_b) {
    a = std::make_unique<TestSpeaker>(loop, 65001, address_of_a, "10.0.0.1");
    b = std::make_unique<TestSpeaker>(loop, 65002, address_of_b, "10.0.0.2");
    a->config.originate = {prefix("10.64.1.0/26")};
    b->config.originate = {prefix("10.64.2.0/26")};
    a->listen();
    b->listen();
    a->add_peer(peer_of(*a, *b, "b"));
    b->add_peer(peer_of(*b, *a, "a"));
  }
  void set_keys(const char* of_a, const char* of_b, Md5Rekey rekey = Md5Rekey::kLazy) {
    a->peer_config("b").md5 = key(of_a);
    b->peer_config("a").md5 = key(of_b);
    a->peer_config("b").md5_rekey = b->peer_config("a").md5_rekey = rekey;
    a->apply();
    b->apply();
  }
  bool both_have_routes() {
    return run_until([&] { return a->has("10.64.2.0/26") && b->has("10.64.1.0/26"); });
  }
  // Something new goes through, each way.
  bool routes_still_flow() {
    a->config.originate = {prefix("10.64.1.64/26")};
    b->config.originate = {prefix("10.64.2.64/26")};
    a->apply();
    b->apply();
    return run_until([&] { return a->has("10.64.2.64/26") && b->has("10.64.1.64/26"); });
  }
  std::uint64_t connections() { return a->status("b").connections + b->status("a").connections; }

  std::unique_ptr<TestSpeaker> a, b;
};

TEST_F(SignedSession, OneKeyOnBothEndsMakesASession) {
  for (const auto& [of_a, of_b] : {std::pair("127.0.1.1", "127.0.1.2"), std::pair("::1", "::1")}) {
    a.reset();
    b.reset();
    make_pair(of_a, of_b);
    set_keys("secret", "secret");
    EXPECT_TRUE(both_have_routes()) << of_a;
  }
}

TEST_F(SignedSession, WhoSignsWithAnotherKeyOrNotAtAllIsNotHeard) {
  make_pair("127.0.1.1", "127.0.1.2");
  a->peer_config("b").md5 = key("secret");
  a->peer_config("b").passive = true;
  a->apply();
  // Without a word of b's speaker; segments that are not signed right are dropped, not answered.
  struct Caller {
    const char* secret;
    tcp::socket socket;
    bool answered = false;
  };
  Caller callers[] = {{"", tcp::socket(loop)}, {"other", tcp::socket(loop)}, {"secret", tcp::socket(loop)}};
  for (Caller& caller : callers) {
    caller.socket.open(tcp::v4());
    caller.socket.bind(to_endpoint(address("127.0.1.2"), 0));
    if (*caller.secret != 0) {
      ASSERT_TRUE(
          set_md5_key(caller.socket.native_handle(), Prefix::host(address("127.0.1.1")), caller.secret));
    }
    caller.socket.async_connect(
        to_endpoint(address("127.0.1.1"), a->port()),
        [&caller](const boost::system::error_code& error) { caller.answered = !error; });
  }
  ASSERT_TRUE(run_until([&] { return callers[2].answered; }));
  EXPECT_FALSE(callers[0].answered || callers[1].answered);
  for (Caller& caller : callers) caller.socket.close();
  run_for_turns(10);
}

TEST_F(SignedSession, WithoutAKeyTheSessionStaysDownAndSaysWhy) {
  make_pair("127.0.1.1", "127.0.1.2");
  a->peer_config("b").md5 = key("");
  a->apply();
  b->apply();  // knows of no key, and connects unsigned
  ASSERT_TRUE(run_until([&] { return !b->status("a").last_error.empty(); }));
  EXPECT_THAT(b->status("a").last_error, HasSubstr("6/5"));
  EXPECT_EQ(a->status("b").state, SessionState::kIdle);
  EXPECT_EQ(a->status("b").last_error, "no MD5 key: open /etc/towpath/keys/x: No such file or directory");
  EXPECT_THAT(a->observer.log, Contains(HasSubstr("peer b: it is kept down")));
  set_keys("secret", "secret");
  EXPECT_TRUE(both_have_routes());
  // It vanishes: the session must not go on with a key that nobody can tell.
  a->peer_config("b").md5 = key("");
  a->apply();
  EXPECT_TRUE(run_until([&] { return !b->established("a"); }));
  EXPECT_THAT(a->status("b").last_error, HasSubstr("no MD5 key"));
}

TEST_F(SignedSession, ALazyChangeInterruptsNothingAndCountsForTheNextConnection) {
  make_pair("127.0.1.1", "127.0.1.2");
  set_keys("first", "first");
  ASSERT_TRUE(both_have_routes());
  const std::uint64_t before = connections();
  a->peer_config("b").md5 = key("second");
  a->apply();
  EXPECT_TRUE(routes_still_flow()) << "one end alone has the new key";
  EXPECT_EQ(connections(), before);
  b->peer_config("a").md5 = key("second");
  b->peer_config("a").hold_time = 30s;  // a new session
  b->apply();
  EXPECT_TRUE(run_until([&] { return a->status("b").connections == 2 && b->has("10.64.1.64/26"); }));
}

TEST_F(SignedSession, ALiveChangeTakesTheRunningSessionAlong) {
  make_pair("127.0.1.1", "127.0.1.2");
  set_keys("first", "first", Md5Rekey::kLive);
  ASSERT_TRUE(both_have_routes());
  const std::uint64_t before = connections();
  set_keys("second", "second", Md5Rekey::kLive);
  EXPECT_TRUE(routes_still_flow());
  EXPECT_EQ(connections(), before);
  // One end alone: nothing comes through, until the other one follows.
  a->peer_config("b").md5 = key("third");
  a->config.originate = {prefix("10.64.1.128/26")};
  a->apply();
  run_for_turns(50);
  EXPECT_FALSE(b->has("10.64.1.128/26"));
  b->peer_config("a").md5 = key("third");
  b->apply();
  EXPECT_TRUE(run_until([&] { return b->has("10.64.1.128/26"); }));
  EXPECT_EQ(connections(), before);
}

}  // namespace
}  // namespace towpath::bgp::test
