#include "towpath/ipam/endpoint_names.h"

#include <gtest/gtest.h>

#include <set>

namespace towpath::ipam {
namespace {

TEST(HostIfname, FitsTheKernelAndTellsAttachmentsApart) {
  std::set<std::string> names;
  for (int container = 0; container < 20000; ++container) {
    for (const char* ifname : {"eth0", "eth1"}) {
      const std::string name = host_ifname({"container" + std::to_string(container), ifname});
      EXPECT_EQ(name.size(), 15U);
      EXPECT_TRUE(name.starts_with("tp"));
      names.insert(name);
    }
  }
  EXPECT_EQ(names.size(), 40000U);
}

TEST(HostIfname, StaysTheSameForEver) {
  // DEL of a later release must find what ADD of this one made.
  EXPECT_EQ(host_ifname({"a", "eth0"}), "tpb8fc69fc80021");
  EXPECT_EQ(host_ifname({"b", "eth0"}), "tp9fc64d5b5cbca");
}

TEST(HostIfname, TheAliasNamesTheAttachment) {
  const AttachmentId attachment{"8e1f", "eth0"};
  EXPECT_EQ(shaping_ifname(attachment).substr(2), host_ifname(attachment).substr(2));
  EXPECT_EQ(parse_alias(attachment.to_string()), attachment);
  for (const char* text : {"", "8e1f", "/eth0", "8e1f/"}) EXPECT_FALSE(parse_alias(text)) << text;
}

}  // namespace
}  // namespace towpath::ipam
