#include "towpath/base/unicast_prefix.h"

#include <gtest/gtest.h>

namespace towpath {
namespace {

TEST(UnicastPrefix, TakesWhatContainersCanHave) {
  for (const char* text : {"10.0.0.0/8", "192.0.2.1/32", "100.64.0.0/10", "198.18.0.0/15", "240.0.0.0/24",
                           "fd00::/8", "2001:db8::/32", "::1:0:0/96"}) {
    const auto prefix = parse_unicast_prefix(text);
    ASSERT_TRUE(prefix) << prefix.error().message;
    EXPECT_EQ(prefix->to_string(), text);
  }
}

TEST(UnicastPrefix, RefusesTheRestAlsoWhereItIsInside) {
  struct Row {
    const char* text;
    const char* message;
  };
  const Row rows[] = {
      {"0.0.0.0/0", "has addresses of 0.0.0.0/8, which no container can have"},
      {"127.0.0.64/26", "has addresses of 127.0.0.0/8, which no container can have"},
      {"169.0.0.0/8", "has addresses of 169.254.0.0/16, which no container can have"},
      {"224.1.0.0/16", "has addresses of 224.0.0.0/4, which no container can have"},
      {"::1/128", "has addresses of ::/127, which no container can have"},
      {"fe80::/64", "has addresses of fe80::/10, which no container can have"},
      {"ff00::/7", "'ff00::/7' has bits set beyond its length; the network is fe00::/7"},
      {"fe00::/7", "has addresses of fe80::/10, which no container can have"},
      {"ff02::/16", "has addresses of ff00::/8, which no container can have"},
  };
  for (const Row& row : rows) {
    const auto prefix = parse_unicast_prefix(row.text);
    ASSERT_FALSE(prefix) << row.text;
    EXPECT_EQ(prefix.error().message, row.message);
  }
}

}  // namespace
}  // namespace towpath
