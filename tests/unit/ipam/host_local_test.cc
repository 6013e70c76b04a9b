#include "towpath/ipam/host_local.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace towpath::ipam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(HostLocal, OneAttachmentForAllAddressesOfAnInterface) {
  const std::vector<HostLocalFile> files{{"10.64.1.2", "a\r\neth0"},
                                         {"10.64.1.3", "a\r\nnet1"},
                                         {"10.64.1.4", "B_2.x\r\neth0\n"},
                                         {"fd00::2", "a\r\neth0"},
                                         {"last_reserved_ip.0", "10.64.1.4"},
                                         {"last_reserved_ip.1", "fd00::2"},
                                         {"lock", ""}};
  const auto parsed = parse_host_local("/f", files);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto ip = [](const char* text) { return *IpAddress::parse(text); };
  EXPECT_THAT(*parsed, ElementsAre(HostLocalAttachment{{"B_2.x", "eth0"}, {ip("10.64.1.4")}},
                                   HostLocalAttachment{{"a", "eth0"}, {ip("10.64.1.2"), ip("fd00::2")}},
                                   HostLocalAttachment{{"a", "net1"}, {ip("10.64.1.3")}}));
}

TEST(HostLocal, AFolderWithoutAddresses) {
  EXPECT_TRUE(parse_host_local("/f", {})->empty());
}

TEST(HostLocal, WhatHostLocalDoesNotMakeIsRefusedByName) {
  struct Row {
    HostLocalFile file;
    const char* why;
  };
  const Row rows[] = {
      {{"notes.txt", "a\r\neth0"}, "its name is no address"},
      {{"10.64.1.0/26", "a\r\neth0"}, "its name is no address"},
      {{"10.64.1.2", ""}, "it is empty"},
      {{"10.64.1.2", " \r\n"}, "it is empty"},
      {{"10.64.1.2", "a"}, "no line with the interface name"},
      {{"10.64.1.2", "a\neth0"}, "no line with the interface name"},
      {{"10.64.1.2", "a\r\n"}, "no line with the interface name"},
      {{"10.64.1.2", "\r\neth0"}, "its first line is no container id"},
      {{"10.64.1.2", "../a\r\neth0"}, "its first line is no container id"},
      {{"10.64.1.2", "a b\r\neth0"}, "its first line is no container id"},
      {{"10.64.1.2", "a\r\neth0\r\nmore"}, "its second line is no interface name"},
      {{"10.64.1.2", "a\r\ninterface-name-1"}, "its second line is no interface name"},
      {{"10.64.1.2", "a\r\neth/0"}, "its second line is no interface name"},
      {{"10.64.1.2", "a\r\n.."}, "its second line is no interface name"},
  };
  for (const Row& row : rows) {
    const auto refused = parse_host_local("/f", std::array{row.file});
    ASSERT_FALSE(refused) << row.why;
    EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(refused.error().message, StartsWith("/f/" + row.file.name + ": "));
    EXPECT_THAT(refused.error().message, HasSubstr(row.why));
  }
}

}  // namespace
}  // namespace towpath::ipam
