#include "bgp/session/interface_address.h"

#include <algorithm>
#include <cstdlib>

#include "tests/support/network_namespace.h"

namespace towpath::bgp {
namespace {

IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}

class InterfaceAddress : public towpath::test::NamespaceTest {
 protected:
  // The thread is in its own namespace, and so is the child.
  void ip(const std::string& arguments) {
    ASSERT_EQ(std::system(("ip " + arguments).c_str()), 0) << arguments;
  }
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped()) return;
    ip("link add one type veth peer name two");
    ip("addr add 10.1.0.1/24 dev one");
    ip("addr add 10.2.0.1/24 dev two");
    ip("link set one up");
    ip("link set two up");
  }
};

TEST_F(InterfaceAddress, IsOneOfTheSameInterfaceAndGlobalBeforeLinkLocal) {
  // The kernel makes it when it has seen the carrier.
  std::optional<IpAddress> link_local;
  ASSERT_TRUE(test::eventually([&] {
    link_local = address_beside(address("10.1.0.1"), AddressFamily::kIpv6);
    return link_local.has_value();
  }));
  EXPECT_TRUE(link_local->is_link_local());
  EXPECT_NE(link_local, address_beside(address("10.2.0.1"), AddressFamily::kIpv6));
  ip("addr add 2001:db8:1::1/64 dev one nodad");
  EXPECT_EQ(address_beside(address("10.1.0.1"), AddressFamily::kIpv6), address("2001:db8:1::1"));
  EXPECT_EQ(address_beside(address("2001:db8:1::1"), AddressFamily::kIpv4), address("10.1.0.1"));
}

TEST_F(InterfaceAddress, IsNeverLoopbackNorInvented) {
  EXPECT_FALSE(address_beside(address("127.0.0.1"), AddressFamily::kIpv6));
  EXPECT_FALSE(address_beside(address("10.9.9.9"), AddressFamily::kIpv6));
  const auto all = local_addresses();
  EXPECT_NE(std::ranges::find(all, address("10.2.0.1")), all.end());
  EXPECT_EQ(std::ranges::find(all, address("10.9.9.9")), all.end());
}

}  // namespace
}  // namespace towpath::bgp
