#include "agent/advertise/advertiser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <fstream>

#include "tests/support/run_loop.h"
#include "tests/support/temporary_directory.h"

namespace towpath::agent {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

const Prefix kWeb = prefix("192.0.2.80/32");
const Prefix kMail = prefix("2001:db8::25/128");
const std::vector<Prefix> kLeasable{prefix("192.0.2.0/24"), prefix("2001:db8::/32")};

class Recorder final : public AdvertiserEvents {
 public:
  void advertised_changed() override { ++changes; }
  Status may_advertise(const Prefix& prefix) override {
    if (prefix == refused) return fail(ErrorKind::kConflict, "not yours");
    return {};
  }
  void lease_ended(const Lease& lease) override { ended.push_back(lease.owner); }
  void service_health(const Prefix&, std::string_view problem) override { health.emplace_back(problem); }
  void advertiser_problem(std::string_view what, const Error&) override { problems.emplace_back(what); }

  int changes = 0;
  std::optional<Prefix> refused;
  std::vector<std::string> ended;
  std::vector<std::string> health;
  std::vector<std::string> problems;
};

class AdvertiserTest : public testing::Test {
 protected:
  std::unique_ptr<Advertiser> make() {
    auto advertiser = std::make_unique<Advertiser>(loop_, events_, directory_.path());
    return advertiser;
  }
  bool run_until(const std::function<bool()>& condition) { return test::run_until(loop_, condition); }

  test::TemporaryDirectory directory_;
  boost::asio::io_context loop_;
  Recorder events_;
};

TEST_F(AdvertiserTest, AnnouncesTheConfigurationAndLeases) {
  const auto advertiser = make();
  EXPECT_THAT(advertiser->prefixes(), IsEmpty());
  advertiser->configure({{kWeb, {}}}, kLeasable);
  EXPECT_EQ(events_.changes, 1);
  EXPECT_THAT(advertiser->prefixes(), ElementsAre(kWeb));
  ASSERT_TRUE(advertiser->renew(kMail, "mail", 60s));
  EXPECT_EQ(events_.changes, 2);
  EXPECT_THAT(advertiser->prefixes(), ElementsAre(kWeb, kMail));
  ASSERT_TRUE(advertiser->renew(kMail, "mail", 60s));
  EXPECT_EQ(events_.changes, 2) << "a renewal announces nothing new";
  ASSERT_TRUE(advertiser->withdraw(kMail, "mail"));
  EXPECT_EQ(events_.changes, 3);
  advertiser->configure({}, kLeasable);
  EXPECT_THAT(advertiser->prefixes(), IsEmpty());
  EXPECT_EQ(events_.changes, 4);
}

TEST_F(AdvertiserTest, ALeaseEndsByItself) {
  const auto advertiser = make();
  advertiser->configure({}, kLeasable);
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(advertiser->renew(kWeb, "web", 1s));
  ASSERT_TRUE(run_until([&] { return advertiser->prefixes().empty(); }));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_THAT(events_.ended, ElementsAre("web"));
  EXPECT_EQ(events_.changes, 2);
  EXPECT_FALSE(advertiser->withdraw(kWeb, "web"));
}

TEST_F(AdvertiserTest, RefusesWhatIsNotForLeases) {
  const auto advertiser = make();
  advertiser->configure({{kWeb, {}}}, kLeasable);
  struct Row {
    const char* prefix;
    ErrorKind kind;
    const char* message;
  };
  events_.refused = prefix("192.0.2.7/32");
  for (const Row& row : {Row{"192.0.2.80/32", ErrorKind::kConflict, "the configuration announces it"},
                         Row{"198.51.100.1/32", ErrorKind::kInvalid, "lies in none of `advertise_leases`"},
                         Row{"192.0.0.0/16", ErrorKind::kInvalid, "lies in none of `advertise_leases`"},
                         Row{"::/0", ErrorKind::kInvalid, "lies in none of `advertise_leases`"},
                         Row{"192.0.2.7/32", ErrorKind::kConflict, "not yours"}}) {
    const auto lease = advertiser->renew(prefix(row.prefix), "web", 10s);
    ASSERT_FALSE(lease) << row.prefix;
    EXPECT_EQ(lease.error().kind, row.kind) << row.prefix;
    EXPECT_THAT(lease.error().message, HasSubstr(row.message));
  }
  EXPECT_FALSE(advertiser->withdraw(kWeb, std::nullopt)) << "the configuration announces it";
  EXPECT_THAT(advertiser->prefixes(), ElementsAre(kWeb));
}

TEST_F(AdvertiserTest, ALeaseOutlivesTheAgentForTheTimeThatItHas) {
  auto advertiser = make();
  advertiser->configure({}, kLeasable);
  ASSERT_TRUE(advertiser->renew(kWeb, "web", 3600s));
  ASSERT_TRUE(advertiser->renew(kMail, "mail", 1s));
  const auto before = advertiser->rows();
  advertiser->stop();
  ASSERT_TRUE(run_until([&] { return std::chrono::steady_clock::now() >= before[1].lease->ends; }));
  advertiser = make();
  EXPECT_THAT(advertiser->prefixes(), ElementsAre(kWeb)) << "known before the first session";
  advertiser->configure({}, kLeasable);
  ASSERT_EQ(advertiser->rows().size(), 1U);
  EXPECT_EQ(advertiser->rows()[0].lease, before[0].lease) << "not a moment longer";
  EXPECT_FALSE(advertiser->renew(kWeb, "other", 10s)) << "nor is the owner forgotten";
}

TEST_F(AdvertiserTest, AChangedConfigurationEndsLeasesThatItDoesNotAllow) {
  const auto advertiser = make();
  advertiser->configure({}, kLeasable);
  ASSERT_TRUE(advertiser->renew(kWeb, "web", 3600s));
  ASSERT_TRUE(advertiser->renew(kMail, "mail", 3600s));
  advertiser->configure({}, {kLeasable[1]});
  EXPECT_THAT(advertiser->prefixes(), ElementsAre(kMail));
  EXPECT_THAT(events_.ended, ElementsAre("web"));
  advertiser->configure({{kMail, {}}}, {kLeasable[1]});
  EXPECT_THAT(advertiser->prefixes(), ElementsAre(kMail)) << "by the configuration from now on";
  EXPECT_THAT(events_.ended, ElementsAre("web", "mail"));
}

TEST_F(AdvertiserTest, AFileThatIsNoneIsReportedAndReplaced) {
  std::ofstream(directory_.path() + "/leases") << "what is this?\n";
  auto advertiser = make();
  EXPECT_THAT(events_.problems, ElementsAre("read the leases"));
  advertiser->configure({}, kLeasable);
  ASSERT_TRUE(advertiser->renew(kWeb, "web", 3600s));
  advertiser = make();
  EXPECT_THAT(advertiser->prefixes(), ElementsAre(kWeb));
  EXPECT_EQ(events_.problems.size(), 1U);
}

TEST_F(AdvertiserTest, AServiceIsAnnouncedWhileItAnswers) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(host);
    const auto address = boost::asio::ip::make_address(host);
    auto listener = std::make_unique<tcp::acceptor>(loop_, tcp::endpoint(address, 0));
    const std::uint16_t port = listener->local_endpoint().port();
    const ServicePrefix service{kWeb, HealthCheck{.address = *IpAddress::parse(host),
                                                  .port = port,
                                                  .interval = 1s,
                                                  .timeout = 1s,
                                                  .rise = 1,
                                                  .fall = 1}};
    const auto advertiser = make();
    advertiser->configure({service}, {});
    EXPECT_THAT(advertiser->prefixes(), IsEmpty()) << "nothing is known yet";
    ASSERT_TRUE(run_until([&] { return !advertiser->prefixes().empty(); }));
    EXPECT_EQ(advertiser->rows()[0].healthy, true);
    listener.reset();
    ASSERT_TRUE(run_until([&] { return advertiser->prefixes().empty(); }));
    EXPECT_THAT(advertiser->rows()[0].problem, HasSubstr("Connection refused"));
    EXPECT_THAT(events_.health.back(), HasSubstr("Connection refused"));
    const int changes = events_.changes;
    advertiser->configure({service}, {});
    EXPECT_EQ(advertiser->rows()[0].healthy, false) << "a reload that changes nothing begins nothing anew";
    EXPECT_EQ(events_.changes, changes);
    listener = std::make_unique<tcp::acceptor>(loop_, tcp::endpoint(address, port));
    ASSERT_TRUE(run_until([&] { return !advertiser->prefixes().empty(); }));
    EXPECT_EQ(events_.health.back(), "");
  }
}

TEST(HealthGate, TheFirstResultDecidesLaterOnesMustAgree) {
  HealthGate gate(2, 3);
  EXPECT_EQ(gate.healthy(), std::nullopt);
  EXPECT_TRUE(gate.on_result(true));
  EXPECT_EQ(gate.healthy(), true);
  EXPECT_FALSE(gate.on_result(false));
  EXPECT_FALSE(gate.on_result(false));
  EXPECT_FALSE(gate.on_result(true)) << "starts the count anew";
  EXPECT_FALSE(gate.on_result(false));
  EXPECT_FALSE(gate.on_result(false));
  EXPECT_EQ(gate.healthy(), true);
  EXPECT_TRUE(gate.on_result(false));
  EXPECT_EQ(gate.healthy(), false);
  EXPECT_FALSE(gate.on_result(true));
  EXPECT_FALSE(gate.on_result(false));
  EXPECT_FALSE(gate.on_result(true));
  EXPECT_TRUE(gate.on_result(true));
  EXPECT_EQ(gate.healthy(), true);
  HealthGate down(2, 3);
  EXPECT_TRUE(down.on_result(false));
  EXPECT_EQ(down.healthy(), false);
}

}  // namespace
}  // namespace towpath::agent
