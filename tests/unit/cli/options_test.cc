#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "cli/exit_code.h"

namespace towpath::cli {
namespace {

using ::testing::HasSubstr;

std::variant<Options, int> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "towpathctl");
  return parse_options(static_cast<int>(words.size()), words.data());
}

TEST(Options, Defaults) {
  const auto parsed = parse({"routes"});
  const auto& options = std::get<Options>(parsed);
  EXPECT_EQ(options.action, Action::kRoutes);
  EXPECT_EQ(options.socket, "/run/towpath/towpathd.sock");
  EXPECT_EQ(options.state_dir, "/run/towpath");
  EXPECT_EQ(options.format, Format::kTable);
  EXPECT_TRUE(options.routes == control::RouteQuery{});
}

TEST(Options, GlobalOptionsStandOnEitherSideOfTheCommand) {
  for (const auto& words : std::vector<std::vector<const char*>>{
           {"-o", "json", "--socket", "/s", "--state-dir", "/d", "peers"},
           {"peers", "-o", "json", "--socket", "/s", "--state-dir", "/d"}}) {
    const auto parsed = parse(words);
    const auto& options = std::get<Options>(parsed);
    EXPECT_EQ(options.action, Action::kPeers);
    EXPECT_EQ(options.socket, "/s");
    EXPECT_EQ(options.state_dir, "/d");
    EXPECT_EQ(options.format, Format::kJson);
  }
}

TEST(Options, ARouteWordIsATableAPrefixOrAnAddress) {
  const auto both = parse({"routes", "adj-rib-in", "fd00:64::/48", "--peer", "host-b"});
  EXPECT_EQ(std::get<Options>(both).routes.table, control::RouteTable::kAdjRibIn);
  EXPECT_EQ(std::get<Options>(both).routes.prefix, *Prefix::parse("fd00:64::/48"));
  EXPECT_EQ(std::get<Options>(both).routes.peer, "host-b");
  const auto address = parse({"routes", "10.64.1.7"});
  EXPECT_EQ(std::get<Options>(address).routes.address, *IpAddress::parse("10.64.1.7"));
  const auto turned = parse({"routes", "10.0.0.0/8", "kernel"});
  EXPECT_EQ(std::get<Options>(turned).routes.table, control::RouteTable::kKernel);
  EXPECT_TRUE(std::get<Options>(turned).routes.prefix.has_value());
}

TEST(Options, MrtIsForRoutes) {
  const auto parsed = parse({"routes", "-o", "mrt"});
  EXPECT_EQ(std::get<Options>(parsed).format, Format::kMrt);
  EXPECT_TRUE(std::get<Options>(parsed).routes.mrt);
  EXPECT_EQ(std::get<int>(parse({"peers", "-o", "mrt"})), kExitUsage);
}

TEST(Options, EveryCommandIsKnown) {
  const std::pair<const char*, Action> commands[] = {
      {"routes", Action::kRoutes}, {"peers", Action::kPeers},     {"bfd", Action::kBfd},
      {"status", Action::kStatus}, {"version", Action::kVersion}, {"endpoints", Action::kEndpoints},
      {"ipam", Action::kIpamShow}};
  for (const auto& [word, action] : commands) {
    const auto parsed = parse({word});
    EXPECT_EQ(std::get<Options>(parsed).action, action) << word;
  }
  EXPECT_TRUE(std::get<Options>(parse({"ipam", "-v"})).ipam.allocations);
  EXPECT_TRUE(std::get<Options>(parse({"ipam", "--allocations"})).ipam.allocations);
}

TEST(Options, Drain) {
  const auto plain = parse({"drain"});
  ASSERT_TRUE(std::holds_alternative<Options>(plain));
  EXPECT_EQ(std::get<Options>(plain).action, Action::kDrain);
  EXPECT_EQ(std::get<Options>(plain).drain, control::DrainRequest{});
  const auto told = parse({"drain", "--wait", "0", "--reason", "rack 7"});
  EXPECT_EQ(std::get<Options>(told).drain, (control::DrainRequest{0, "rack 7"}));
  EXPECT_EQ(std::get<Options>(parse({"undrain"})).action, Action::kUndrain);
}

TEST(Options, NetworkPolicies) {
  EXPECT_EQ(std::get<Options>(parse({"policy", "show"})).action, Action::kPolicyShow);
  const auto asked =
      parse({"policy", "simulate", "10.0.0.1", "10.0.0.2", "--protocol", "udp", "--port", "53"});
  ASSERT_TRUE(std::holds_alternative<Options>(asked));
  EXPECT_EQ(std::get<Options>(asked).action, Action::kPolicySimulate);
  const control::FlowQuestion flow{*IpAddress::parse("10.0.0.1"), *IpAddress::parse("10.0.0.2"),
                                   control::FlowProtocol::kUdp, 53};
  EXPECT_EQ(std::get<Options>(asked).flow, flow);
  EXPECT_EQ(std::get<int>(parse({"policy"})), kExitUsage);
  EXPECT_EQ(std::get<int>(parse({"policy", "simulate", "10.0.0.1"})), kExitUsage);
  EXPECT_EQ(std::get<int>(parse({"policy", "simulate", "10.0.0.1", "x"})), kExitUsage);
  EXPECT_EQ(std::get<int>(parse({"policy", "simulate", "10.0.0.1", "10.0.0.2", "--port", "65536"})),
            kExitUsage);
}

TEST(Options, Leases) {
  const auto renewed = parse({"advertise", "192.0.2.80/32", "--owner", "web", "--lease", "10"});
  ASSERT_TRUE(std::holds_alternative<Options>(renewed));
  EXPECT_EQ(std::get<Options>(renewed).action, Action::kAdvertise);
  EXPECT_EQ(std::get<Options>(renewed).lease,
            (control::LeaseRequest{*Prefix::parse("192.0.2.80/32"), "web", 10}));
  const auto ended = parse({"withdraw", "2001:db8::80/128", "-o", "json"});
  ASSERT_TRUE(std::holds_alternative<Options>(ended));
  EXPECT_EQ(std::get<Options>(ended).action, Action::kWithdraw);
  EXPECT_EQ(std::get<Options>(ended).lease,
            (control::LeaseRequest{*Prefix::parse("2001:db8::80/128"), {}, 0}));
  EXPECT_EQ(std::get<Options>(parse({"advertised"})).action, Action::kAdvertised);
}

TEST(Options, ARouteToTry) {
  const auto import = parse({"policy-test", "import",       "tor-a",      "10.0.0.0/8",  "--as-path",
                             "65001 65002", "--community",  "65001:7",    "--community", "rt:1:2",
                             "--origin",    "egp",          "--next-hop", "192.0.2.7",   "--med",
                             "5",           "--local-pref", "200",        "-o",          "json"});
  ASSERT_TRUE(std::holds_alternative<Options>(import));
  const Options& options = std::get<Options>(import);
  EXPECT_EQ(options.action, Action::kPolicyTest);
  EXPECT_EQ(options.format, Format::kJson);
  const control::PolicyTest wanted{.direction = control::Direction::kImport,
                                   .peer = "tor-a",
                                   .prefix = *Prefix::parse("10.0.0.0/8"),
                                   .origin = "egp",
                                   .as_path = "65001 65002",
                                   .next_hop = *IpAddress::parse("192.0.2.7"),
                                   .med = 5,
                                   .local_pref = 200,
                                   .communities = {"65001:7", "rt:1:2"}};
  EXPECT_EQ(options.policy_test, wanted);
  const auto out = parse({"policy-test", "export", "b", "fd00:64::/64"});
  ASSERT_TRUE(std::holds_alternative<Options>(out));
  EXPECT_EQ(std::get<Options>(out).policy_test.direction, control::Direction::kExport);
  EXPECT_EQ(std::get<Options>(out).policy_test.prefix, *Prefix::parse("fd00:64::/64"));
}

TEST(Options, WrongCommandLinesEndWithTheirOwnCodeAndOneReason) {
  struct Row {
    std::vector<const char*> words;
    const char* complaint;
  };
  const Row rows[] = {
      {{}, "subcommand"},
      {{"reboot"}, "reboot"},
      {{"peers", "extra"}, "extra"},
      {{"peers", "--peer", "x"}, "--peer"},
      {{"-o", "xml", "peers"}, "xml"},
      {{"routes", "fib"},
       "'fib' is no table (loc-rib, adj-rib-in, adj-rib-out, kernel, diff), no prefix and no address"},
      {{"routes", "10.0.0.1/8"}, "'10.0.0.1/8' has bits set beyond its length; the network is 10.0.0.0/8"},
      {{"advertise", "192.0.2.80/32", "--lease", "10"}, "--owner"},
      {{"advertise", "192.0.2.80/32", "--owner", "web"}, "--lease"},
      {{"advertise", "192.0.2.80/24", "--owner", "web", "--lease", "10"}, "the network is 192.0.2.0/24"},
      {{"advertise", "192.0.2.80/32", "--owner", "web", "--lease", "soon"}, "soon"},
      {{"withdraw"}, "PREFIX"},
      {{"policy-test"}, "subcommand"},
      {{"policy-test", "import", "b"}, "PREFIX"},
      {{"policy-test", "import", "b", "10.0.0.1/8"}, "the network is 10.0.0.0/8"},
      {{"policy-test", "import", "b", "::/0", "--next-hop", "here"}, "'here' is not an IP address"},
      {{"policy-test", "import", "b", "::/0", "--origin", "me"}, "me"},
      {{"policy-test", "import", "b", "::/0", "--med", "-1"}, "--med"},
      {{"policy-test", "export", "b", "::/0", "--med", "1"}, "--med"},
      {{"routes", "kernel", "diff"}, "'diff': one table at a time"},
      {{"routes", "10.0.0.0/8", "10.0.0.0/9"}, "'10.0.0.0/9': one prefix or address at a time"},
  };
  for (const Row& row : rows) {
    testing::internal::CaptureStderr();
    const auto parsed = parse(row.words);
    const std::string complaint = testing::internal::GetCapturedStderr();
    ASSERT_TRUE(std::holds_alternative<int>(parsed)) << row.complaint;
    EXPECT_EQ(std::get<int>(parsed), kExitUsage) << row.complaint;
    EXPECT_THAT(complaint, HasSubstr(row.complaint));
  }
}

TEST(Options, HelpAndVersionAreNoErrors) {
  for (const char* word : {"--help", "--version"}) {
    testing::internal::CaptureStdout();
    const auto parsed = parse({word});
    EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("towpathctl"));
    ASSERT_TRUE(std::holds_alternative<int>(parsed));
    EXPECT_EQ(std::get<int>(parsed), kExitOk);
  }
}

TEST(Options, IpamAloneIsIpamShow) {
  for (const auto& words : std::vector<std::vector<const char*>>{
           {"ipam", "-v", "--resting", "--block", "10.64.1.0/26", "--container", "abc"},
           {"ipam", "show", "--container", "abc", "--block", "10.64.1.0/26", "--resting", "-v"},
           {"ipam", "-v", "--resting", "show", "--container", "abc", "--block", "10.64.1.0/26"}}) {
    const auto parsed = parse(words);
    const auto& options = std::get<Options>(parsed);
    EXPECT_EQ(options.action, Action::kIpamShow);
    EXPECT_TRUE(options.ipam.allocations);
    EXPECT_TRUE(options.ipam.resting);
    EXPECT_EQ(options.ipam.block, *Prefix::parse("10.64.1.0/26"));
    EXPECT_EQ(options.ipam.container, "abc");
  }
  const auto address = parse({"ipam", "--block", "fd00::7"});
  EXPECT_EQ(std::get<Options>(address).ipam.block, *Prefix::parse("fd00::7/128"));
}

TEST(Options, IpamCheck) {
  const auto parsed = parse({"ipam", "check", "-o", "json", "--state-dir", "/d"});
  EXPECT_EQ(std::get<Options>(parsed).action, Action::kIpamCheck);
  EXPECT_EQ(std::get<Options>(parsed).state_dir, "/d");
}

TEST(Options, IpamRelease) {
  const auto parsed = parse({"ipam", "release", "fd00::7", "--container", "abc", "--force"});
  const auto& options = std::get<Options>(parsed);
  EXPECT_EQ(options.action, Action::kIpamRelease);
  EXPECT_EQ(options.release.address, *IpAddress::parse("fd00::7"));
  EXPECT_EQ(options.release.container, "abc");
  EXPECT_TRUE(options.release.force);
  const auto plain = parse({"ipam", "release", "10.64.1.7"});
  EXPECT_FALSE(std::get<Options>(plain).release.force);
}

TEST(Options, IpamRepairDoesNothingByDefault) {
  const auto said = parse({"ipam", "repair"});
  EXPECT_EQ(std::get<Options>(said).action, Action::kIpamRepair);
  EXPECT_FALSE(std::get<Options>(said).apply);
  const auto done = parse({"ipam", "repair", "--apply"});
  EXPECT_TRUE(std::get<Options>(done).apply);
}

TEST(Options, IpamImport) {
  const auto parsed = parse({"ipam", "import", "/var/lib/cni/networks/net", "--network", "other"});
  const auto& options = std::get<Options>(parsed);
  EXPECT_EQ(options.action, Action::kIpamImport);
  EXPECT_EQ(options.import_from.folder, "/var/lib/cni/networks/net");
  EXPECT_EQ(options.import_from.network, "other");
}

TEST(Options, WrongWordsForIpam) {
  for (const auto& words :
       std::vector<std::vector<const char*>>{{"ipam", "chekc"},
                                             {"ipam", "--block", "10.64.1.0/33"},
                                             {"ipam", "--block", "10.64.1.1/26"},
                                             {"ipam", "check", "-v"},
                                             {"ipam", "release"},
                                             {"ipam", "import"},
                                             {"ipam", "release", "10.64.1.0/26"},
                                             {"ipam", "release", "10.64.1.7", "10.64.1.8"},
                                             {"ipam", "release", "10.64.1.7", "-v"},
                                             {"ipam", "check", "--force"},
                                             {"ipam", "check", "--container", "a"},
                                             {"ipam", "--container", "a", "check"}}) {
    testing::internal::CaptureStderr();
    const auto parsed = parse(words);
    const std::string complaint = testing::internal::GetCapturedStderr();
    ASSERT_TRUE(std::holds_alternative<int>(parsed)) << words[1];
    EXPECT_EQ(std::get<int>(parsed), kExitUsage);
    EXPECT_NE(complaint, "");
  }
}

}  // namespace
}  // namespace towpath::cli
