#include "towpath/ipam/release.h"

#include <gtest/gtest.h>

namespace towpath::ipam {
namespace {

EndpointRecord record(const std::string& id, std::initializer_list<const char*> addresses) {
  EndpointRecord r;
  r.attachment = {id, "eth0"};
  r.sandbox = "/run/netns/" + id;
  r.ipam_type = kOwnIpamType;
  for (const char* text : addresses) {
    const IpAddress address = *IpAddress::parse(text);
    r.addresses.push_back(address);
    r.allocated.push_back({address, *Prefix::make(address, 24)});
  }
  return r;
}

TEST(FindHolder, ByAddressOfEitherFamily) {
  const std::vector records{record("a", {"10.64.1.1", "fd00::1"}), record("b", {"10.64.1.2", "fd00::2"})};
  EXPECT_EQ(find_holder(records, *IpAddress::parse("fd00::2"), "")->attachment.container_id, "b");
  EXPECT_EQ(find_holder(records, *IpAddress::parse("10.64.1.1"), "a")->attachment.container_id, "a");
}

TEST(FindHolder, SaysWhyNot) {
  EndpointRecord foreign = record("c", {"10.64.1.3"});
  foreign.allocated.clear();
  foreign.ipam_type = "host-local";
  const std::vector records{record("a", {"10.64.1.1"}), record("b", {"10.64.1.1"}),
                            record("d", {"10.64.1.4"}), foreign};
  const auto error = [&](const char* address, const char* container) {
    return find_holder(records, *IpAddress::parse(address), container).error().message;
  };
  EXPECT_EQ(error("10.64.1.9", ""), "no container has the address 10.64.1.9");
  EXPECT_EQ(error("10.64.1.4", "a"), "address 10.64.1.4 is held by d/eth0, not by container a");
  EXPECT_EQ(error("10.64.1.1", ""),
            "address 10.64.1.1 is held by a/eth0, b/eth0: --container must say which of them loses it");
  EXPECT_EQ(find_holder(records, *IpAddress::parse("10.64.1.1"), "b")->attachment.container_id, "b");
  EXPECT_EQ(
      error("10.64.1.3", ""),
      "c/eth0 has the address 10.64.1.3 from the IPAM plugin host-local, and only the runtime's DEL gives it "
      "back there");
}

TEST(CheckReleasable, OnlyWhatIsGone) {
  const EndpointRecord a = record("a", {"10.64.1.1"});
  EXPECT_TRUE(check_releasable(a, SandboxFate::kGone));
  EXPECT_EQ(check_releasable(a, SandboxFate::kAlive).error().message,
            "a/eth0 is alive in its sandbox /run/netns/a: the runtime's DEL gives its addresses back");
  EXPECT_EQ(check_releasable(a, SandboxFate::kUnknown).error().message,
            "it cannot be seen from here whether the sandbox of a/eth0 is gone");
}

}  // namespace
}  // namespace towpath::ipam
