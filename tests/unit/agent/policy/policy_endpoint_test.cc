#include "agent/policy/policy_endpoint.h"

#include <gtest/gtest.h>

namespace towpath::agent {
namespace {

ipam::EndpointRecord record() {
  ipam::EndpointRecord record;
  record.attachment = {"c1", "eth0"};
  record.state = ipam::AllocationState::kLive;
  record.host_ifname = "tp1";
  record.addresses = {IpAddress::v4(0x0A400001), *IpAddress::parse("fd00::1")};
  record.labels = {{"app", "web"}};
  return record;
}

TEST(PolicyEndpoint, TakesWhatTheRecordSays) {
  const auto endpoint = policy_endpoint(record());
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->interface, "tp1");
  EXPECT_EQ(endpoint->name_space, "default");
  EXPECT_EQ(endpoint->labels, record().labels);
  EXPECT_EQ(endpoint->addresses, record().addresses);
  EXPECT_TRUE(endpoint->ports.empty());
}

TEST(PolicyEndpoint, IsInTheNamespaceThatTheRuntimeTells) {
  auto made = record();
  made.pod["K8S_POD_NAMESPACE"] = "shop";
  EXPECT_EQ(policy_endpoint(made)->name_space, "shop");
  made.pod["K8S_POD_NAMESPACE"] = "";
  EXPECT_EQ(policy_endpoint(made)->name_space, "default");
}

TEST(PolicyEndpoint, NamesPortsByLabels) {
  auto made = record();
  made.labels = {{"port.towpath/http", "8080"},    {"port.towpath/dns", "53-UDP"},
                 {"port.towpath/assoc", "9-SCTP"}, {"port.towpath/bad1", "0"},
                 {"port.towpath/bad2", "80-ICMP"}, {"port.towpath/bad3", "80-"},
                 {"port.other/http", "8081"}};
  using policy::Protocol;
  const std::vector<policy::NamedPort> expected{
      {"assoc", Protocol::kSctp, 9}, {"dns", Protocol::kUdp, 53}, {"http", Protocol::kTcp, 8080}};
  EXPECT_EQ(policy_endpoint(made)->ports, expected);
}

TEST(PolicyEndpoint, IsNothingBeforeItIsLiveOrWithoutOurInterface) {
  auto pending = record();
  pending.state = ipam::AllocationState::kPending;
  EXPECT_FALSE(policy_endpoint(pending));
  auto standalone = record();
  standalone.host_ifname.clear();
  EXPECT_FALSE(policy_endpoint(standalone));
}

}  // namespace
}  // namespace towpath::agent
