// Two BFD services on two hosts that a veth pair joins: real sockets, both families.
#include "towpath/bfd/service.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <mutex>
#include <vector>

#include "tests/support/eventually.h"
#include "tests/support/network_namespace.h"

namespace towpath::bfd {
namespace {

using std::chrono::milliseconds;
using test::eventually;
using testing::HasSubstr;

constexpr Timers kTimers{.desired_min_tx = milliseconds(100), .required_min_rx = milliseconds(100)};

IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}

// A service whose changes are collected as they are posted.
class Host {
 public:
  Host()
      : service_([](Service::Task task) { task(); },
                 [this](const SessionChange& change) {
                   const std::lock_guard lock(mutex_);
                   changes_.push_back(change);
                 }) {}

  Service& service() { return service_; }
  std::vector<SessionChange> changes() const {
    const std::lock_guard lock(mutex_);
    return changes_;
  }
  State state(std::size_t session = 0) const { return service_.sessions().at(session).state; }

 private:
  mutable std::mutex mutex_;
  std::vector<SessionChange> changes_;
  Service service_;
};

class BfdServiceTest : public test::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped()) return;
    const std::string other = other_.path();
    ip("link add here type veth peer name there netns " + other);
    ip("addr add 10.1.0.1/24 dev here && ip addr add 2001:db8::1/64 dev here nodad && ip link set here up");
    other_.run([] {
      ip("addr add 10.1.0.2/24 dev there && ip addr add 2001:db8::2/64 dev there nodad && "
         "ip link set there up");
    });
    ours_ = std::make_unique<Host>();
    other_.run([this] { theirs_ = std::make_unique<Host>(); });
  }

  static void ip(const std::string& arguments) {
    ASSERT_EQ(std::system(("ip " + arguments).c_str()), 0) << arguments;
  }
  // Runs in the namespace where the sockets of a host belong.
  void configure_theirs(const std::vector<SessionConfig>& sessions) {
    other_.run([&] { theirs_->service().configure(sessions); });
  }
  void bring_up(bool multihop) {
    ours_->service().configure({{.remote = address("10.1.0.2"), .multihop = multihop, .timers = kTimers},
                                {.remote = address("2001:db8::2"), .multihop = multihop, .timers = kTimers}});
    configure_theirs({{.remote = address("10.1.0.1"), .multihop = multihop, .timers = kTimers},
                      {.remote = address("2001:db8::1"), .multihop = multihop, .timers = kTimers}});
    for (const std::size_t session : {0U, 1U}) {
      ASSERT_TRUE(eventually([&] {
        return ours_->state(session) == State::kUp && theirs_->state(session) == State::kUp;
      })) << ours_->service().sessions()[session].last_error;
    }
  }

  test::NetworkNamespace other_;
  std::unique_ptr<Host> ours_;
  std::unique_ptr<Host> theirs_;
};

TEST_F(BfdServiceTest, SessionsOfBothFamiliesComeUpAndFindACutPath) {
  bring_up(false);
  // The timers of the configuration are in use when the Poll Sequence has ended.
  ASSERT_TRUE(eventually([&] { return ours_->service().sessions()[0].detection_time == milliseconds(300); }));
  ip("link set here down");
  for (const std::size_t session : {0U, 1U}) {
    ASSERT_TRUE(eventually([&] { return ours_->state(session) == State::kDown; }));
    EXPECT_EQ(ours_->service().sessions()[session].diagnostic, Diagnostic::kDetectionTimeExpired);
  }
  EXPECT_TRUE(ours_->changes().back().path_lost());
  ip("link set here up && ip addr replace 2001:db8::1/64 dev here nodad");
  ASSERT_TRUE(eventually([&] { return ours_->state(0) == State::kUp && ours_->state(1) == State::kUp; }));
  EXPECT_EQ(ours_->service().sessions()[0].ups, 2U);
}

TEST_F(BfdServiceTest, Multihop) {
  bring_up(true);
}

TEST_F(BfdServiceTest, AServiceThatEndsIsNoLostPath) {
  bring_up(false);
  ours_.reset();
  ASSERT_TRUE(eventually([&] { return theirs_->state() == State::kDown; }));
  const SessionChange last = theirs_->changes().back();
  EXPECT_TRUE(last.remote_admin_down);
  EXPECT_FALSE(last.path_lost());
  EXPECT_EQ(last.diagnostic, Diagnostic::kNeighborSignaledDown);
}

TEST_F(BfdServiceTest, TimersChangeWithoutASessionThatFlaps) {
  bring_up(false);
  const auto before = ours_->changes().size();
  Timers slower = kTimers;
  slower.desired_min_tx = slower.required_min_rx = milliseconds(200);
  ours_->service().configure({{.remote = address("10.1.0.2"), .timers = slower},
                              {.remote = address("2001:db8::2"), .timers = kTimers}});
  ASSERT_TRUE(eventually([&] {
    return ours_->service().sessions()[0].transmit_interval == milliseconds(200) &&
           theirs_->service().sessions()[0].detection_time == milliseconds(600);
  }));
  EXPECT_EQ(ours_->changes().size(), before);
  EXPECT_EQ(theirs_->service().sessions()[0].ups, 1U);
}

TEST_F(BfdServiceTest, ASessionThatIsNotConfiguredAnyMoreSaysGoodbye) {
  bring_up(false);
  ours_->service().configure({{.remote = address("2001:db8::2"), .timers = kTimers}});
  ASSERT_TRUE(eventually([&] { return theirs_->state(0) == State::kDown; }));
  EXPECT_EQ(theirs_->service().sessions()[0].remote_state, State::kAdminDown);
  EXPECT_EQ(theirs_->state(1), State::kUp);
  EXPECT_EQ(ours_->service().sessions().size(), 1U);
}

TEST_F(BfdServiceTest, AuthenticatedSessionsOfEachTypeComeUpInBothFamilies) {
  for (int number = 1; number <= 5; ++number) {
    const Authentication key{.type = AuthenticationType{static_cast<std::uint8_t>(number)},
                             .secret = "secret"};
    const auto session = [&](const char* remote) {
      return SessionConfig{.remote = address(remote), .timers = kTimers, .authentication = key};
    };
    ours_->service().configure({session("10.1.0.2"), session("2001:db8::2")});
    configure_theirs({session("10.1.0.1"), session("2001:db8::1")});
    for (const std::size_t at : {0U, 1U}) {
      ASSERT_TRUE(eventually([&] {
        return ours_->state(at) == State::kUp && theirs_->state(at) == State::kUp;
      })) << format(key.type)
          << ": " << ours_->service().sessions()[at].last_error;
    }
  }
}

TEST_F(BfdServiceTest, ASessionWithoutAUsableKeyIsSilentAndDeaf) {
  SessionConfig ours{.remote = address("10.1.0.2"), .timers = kTimers, .authentication = Authentication{}};
  ours.authentication->problem = "/etc/key is empty";
  ours_->service().configure({ours});
  configure_theirs({{.remote = address("10.1.0.1"), .timers = kTimers}});
  ASSERT_TRUE(eventually([&] { return ours_->service().sessions()[0].packets_discarded > 0; }));
  const SessionStatus status = ours_->service().sessions()[0];
  EXPECT_EQ(status.state, State::kDown);
  EXPECT_EQ(status.packets_sent, 0U);
  EXPECT_EQ(status.last_error, "no key: /etc/key is empty");
  // The key has come; that the peer does not use it is its own fault, and said.
  ours.authentication->secret = "secret";
  ours_->service().configure({ours});
  ASSERT_TRUE(eventually([&] {
    return ours_->service().sessions()[0].last_error == "discarded a packet: is not authenticated" &&
           theirs_->service().sessions()[0].last_error ==
               "discarded a packet: is authenticated, and no authentication is in use";
  })) << ours_->service().sessions()[0].last_error;
  SessionConfig theirs{
      .remote = address("10.1.0.1"), .timers = kTimers, .authentication = ours.authentication};
  configure_theirs({theirs});
  ASSERT_TRUE(eventually([&] { return ours_->state() == State::kUp && theirs_->state() == State::kUp; }));
  // Taken away again: the session ends, and never goes on without.
  ours.authentication->secret.clear();
  ours_->service().configure({ours});
  ASSERT_TRUE(eventually([&] { return theirs_->state() != State::kUp; }));
  EXPECT_EQ(ours_->state(), State::kDown);
}

TEST_F(BfdServiceTest, AKeyThatChangesAtBothEndsEndsNoSession) {
  SessionConfig ours{.remote = address("10.1.0.2"),
                     .timers = {.desired_min_tx = milliseconds(100),
                                .required_min_rx = milliseconds(100),
                                .detect_multiplier = 20},
                     .authentication = Authentication{.secret = "first"}};
  SessionConfig theirs = ours;
  theirs.remote = address("10.1.0.1");
  ours_->service().configure({ours});
  configure_theirs({theirs});
  ASSERT_TRUE(eventually([&] { return ours_->state() == State::kUp && theirs_->state() == State::kUp; }));
  ours.authentication->secret = theirs.authentication->secret = "second";
  ours_->service().configure({ours});
  ASSERT_TRUE(eventually([&] { return theirs_->service().sessions()[0].packets_discarded > 0; }));
  configure_theirs({theirs});
  const auto before = ours_->service().sessions()[0].packets_received;
  ASSERT_TRUE(eventually([&] { return ours_->service().sessions()[0].packets_received > before + 5; }));
  EXPECT_EQ(ours_->service().sessions()[0].ups, 1U);
  EXPECT_EQ(theirs_->service().sessions()[0].ups, 1U);
}

// RFC 5881 section 5: from beyond the link nobody can make a TTL of 255.
TEST_F(BfdServiceTest, ASingleHopPacketWithAnotherTtlIsDiscarded) {
  ours_->service().configure({{.remote = address("10.1.0.2"), .passive = true, .timers = kTimers}});
  other_.run([] {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int ttl = 254;
    ASSERT_EQ(::setsockopt(fd.get(), IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(3784);
    to.sin_addr.s_addr = htonl(0x0A010001);
    const unsigned char packet[24] = {0x20, 0x40, 3, 24, 0, 0,  0, 5, 0, 0, 0, 0,
                                      0,    15,   0, 0,  0, 15, 0, 0, 0, 0, 0, 0};
    ASSERT_EQ(::sendto(fd.get(), packet, sizeof packet, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 24);
  });
  ASSERT_TRUE(eventually([&] { return ours_->service().sessions()[0].packets_discarded == 1; }));
  const SessionStatus status = ours_->service().sessions()[0];
  EXPECT_EQ(status.state, State::kDown);
  EXPECT_EQ(status.packets_received, 0U);
  EXPECT_THAT(status.last_error, HasSubstr("TTL is not 255"));
}

TEST_F(BfdServiceTest, APortThatSomebodyHoldsIsTriedAgain) {
  UniqueFd holder(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(3784);
  ASSERT_EQ(::bind(holder.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
  ours_->service().configure({{.remote = address("10.1.0.2"), .timers = kTimers}});
  configure_theirs({{.remote = address("10.1.0.1"), .timers = kTimers}});
  EXPECT_THAT(ours_->service().sessions()[0].last_error, HasSubstr("bind to UDP port 3784 for ipv4 BFD"));
  holder.reset();
  ASSERT_TRUE(eventually([&] { return ours_->state() == State::kUp; }));
  EXPECT_EQ(ours_->service().sessions()[0].last_error, "");
}

TEST_F(BfdServiceTest, ASourceAddressThatComesLater) {
  ours_->service().configure(
      {{.remote = address("10.1.0.2"), .local = address("10.1.0.9"), .timers = kTimers}});
  configure_theirs({{.remote = address("10.1.0.9"), .timers = kTimers}});
  ASSERT_TRUE(eventually([&] { return !ours_->service().sessions()[0].last_error.empty(); }));
  EXPECT_THAT(ours_->service().sessions()[0].last_error, HasSubstr("10.1.0.9"));
  ip("addr add 10.1.0.9/24 dev here");
  ASSERT_TRUE(eventually([&] { return ours_->state() == State::kUp; }));
}

}  // namespace
}  // namespace towpath::bfd
