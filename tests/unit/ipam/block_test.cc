#include "towpath/ipam/block.h"

#include <gtest/gtest.h>

namespace towpath::ipam {
namespace {

TEST(Block, UsableAddressesForEachLength) {
  struct Row {
    const char* prefix;
    std::uint64_t size;
    std::uint64_t first;
    const char* reason;
  };
  const Row rows[] = {
      {"10.0.0.0/26", 63, 1,
       "all but the one that reads as the network; there is no broadcast on routed links"},
      {"10.0.0.0/24", 255, 1, "the last address is an ordinary one"},
      {"10.0.0.4/30", 3, 1, "the shortest block that loses one"},
      {"10.0.0.4/31", 2, 0, "RFC 3021: both are hosts"},
      {"10.0.0.4/32", 1, 0, "one address is one container"},
      {"fd00::/122", 63, 1, "the first is the Subnet-Router anycast address"},
      {"fd00::4/127", 2, 0, "RFC 6164"},
      {"fd00::4/128", 1, 0, "one address is one container"},
      {"fd00::/64", ~std::uint64_t{0} - 1, 1, "saturates"},
      {"fd00::/16", ~std::uint64_t{0} - 1, 1, "saturates"},
  };
  for (const Row& row : rows) {
    const Block block{*Prefix::parse(row.prefix), BlockState::kOwned, 0};
    EXPECT_EQ(block.size(), row.size) << row.prefix << ": " << row.reason;
    EXPECT_EQ(first_usable_offset(block.prefix), row.first) << row.prefix << ": " << row.reason;
  }
}

}  // namespace
}  // namespace towpath::ipam
