#include "towpath/base/prefix_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace towpath {
namespace {

Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

using Model = std::map<Prefix, int>;

std::optional<Prefix> longest_match(const Model& model, const Prefix& wanted) {
  for (int length = wanted.length(); length >= 0; --length) {
    const Prefix candidate = *Prefix::make(wanted.address(), static_cast<unsigned>(length));
    if (model.contains(candidate)) return candidate;
  }
  return std::nullopt;
}

// Few distinct bits, so that prefixes nest, repeat and share leaves.
Prefix random_prefix(std::mt19937& random, AddressFamily family, unsigned spread) {
  std::array<std::uint8_t, 16> octets{};
  const std::size_t size = family == AddressFamily::kIpv4 ? 4 : 16;
  for (std::size_t i = 0; i < size; ++i)
    octets[i] = static_cast<std::uint8_t>(random() % spread * (256 / spread));
  const auto address = *IpAddress::from_bytes(std::as_bytes(std::span(octets).first(size)));
  return *Prefix::make(address, static_cast<unsigned>(random() % (address.bits() + 1U)));
}

void expect_equal(const PrefixMap<int>& map, const Model& model) {
  ASSERT_EQ(map.size(), model.size());
  auto expected = model.begin();
  EXPECT_TRUE(map.walk([&](const Prefix& p, int value) {
    EXPECT_EQ(p, expected->first);
    EXPECT_EQ(value, expected->second);
    ++expected;
    return true;
  }));
  EXPECT_EQ(expected, model.end());
}

TEST(PrefixMap, EmptyMapFindsNothing) {
  PrefixMap<int> map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.find(prefix("10.0.0.0/8")), nullptr);
  EXPECT_FALSE(map.longest_match(prefix("::/0")));
  EXPECT_FALSE(map.erase(prefix("10.0.0.0/8")));
  EXPECT_TRUE(map.walk([](const Prefix&, int) { return false; }));
}

TEST(PrefixMap, EveryLengthOfBothFamilies) {
  PrefixMap<int> map;
  for (const char* text :
       {"255.255.255.255", "0.0.0.0", "170.85.170.85", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "::", "aaaa:5555:aaaa:5555:aaaa:5555:aaaa:5555"}) {
    map.clear();
    const auto address = *IpAddress::parse(text);
    const Prefix host = Prefix::host(address);
    for (unsigned length = 0; length <= address.bits(); ++length) {
      const Prefix p = *Prefix::make(address, length);
      ASSERT_TRUE(map.try_insert(p).second);
      map[p] = static_cast<int>(length);
      ASSERT_EQ(map.longest_match(address)->first, p)
          << "with lengths up to this one the longest is the last";
    }
    ASSERT_EQ(map.size(), address.bits() + 1U);
    for (unsigned length = address.bits() + 1U; length-- > 0;) {
      const Prefix p = *Prefix::make(address, length);
      ASSERT_EQ(map.longest_match(host)->first, p);
      ASSERT_EQ(*map.find(p), static_cast<int>(length));
      ASSERT_TRUE(map.erase(p));
    }
    ASSERT_FALSE(map.longest_match(host));
  }
}

TEST(PrefixMap, FamiliesDoNotMix) {
  PrefixMap<int> map;
  map[prefix("0.0.0.0/0")] = 4;
  EXPECT_FALSE(map.longest_match(*IpAddress::parse("::")));
  map[prefix("::/0")] = 6;
  EXPECT_EQ(*map.longest_match(*IpAddress::parse("::"))->second, 6);
  EXPECT_EQ(*map.longest_match(*IpAddress::parse("0.0.0.0"))->second, 4);
  EXPECT_EQ(map.size(AddressFamily::kIpv4), 1U);
}

TEST(PrefixMap, LongestMatchPassesOverUncoveringNeighbours) {
  PrefixMap<int> map;
  for (const char* text : {"10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.1.128/32", "10.1.2.0/30"}) {
    map[prefix(text)] = 1;
  }
  EXPECT_EQ(map.longest_match(*IpAddress::parse("10.1.2.77"))->first, prefix("10.1.0.0/16"));
  EXPECT_EQ(map.longest_match(*IpAddress::parse("10.1.1.200"))->first, prefix("10.1.1.0/24"));
  EXPECT_EQ(map.longest_match(*IpAddress::parse("10.200.0.0"))->first, prefix("10.0.0.0/8"));
  EXPECT_EQ(map.longest_match(prefix("10.0.0.0/15"))->first, prefix("10.0.0.0/8"))
      << "/16 does not cover a /15";
  EXPECT_FALSE(map.longest_match(*IpAddress::parse("11.0.0.0")));
}

TEST(PrefixMap, WalkGoesOnFromAKey) {
  PrefixMap<int> map;
  for (std::uint32_t i = 0; i < 1000; ++i)
    map[*Prefix::make(IpAddress::v4(i << 8), 24)] = static_cast<int>(i);
  std::vector<int> seen;
  Prefix next;
  for (bool done = false; !done;) {
    std::size_t slice = 0;
    done = map.walk(next, [&](const Prefix& p, int value) {
      next = p;
      if (slice++ == 7) return false;
      seen.push_back(value);
      return true;
    });
    if (!done) map.erase(*Prefix::make(IpAddress::v4(static_cast<std::uint32_t>(seen.back()) << 8), 24));
  }
  ASSERT_EQ(seen.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

class PrefixMapModel : public testing::TestWithParam<std::tuple<AddressFamily, unsigned>> {};

TEST_P(PrefixMapModel, RandomOperations) {
  const auto [family, spread] = GetParam();
  std::mt19937 random(7 + spread);
  PrefixMap<int> map;
  Model model;
  for (int round = 0; round < 12; ++round) {
    const unsigned insert_percent = round % 3 == 2 ? 10 : 70;  // grow, grow, shrink almost to nothing
    for (int i = 0; i < 4000; ++i) {
      const Prefix p = random_prefix(random, family, spread);
      if (random() % 100 < insert_percent) {
        const auto [value, is_new] = map.try_insert(p);
        ASSERT_EQ(is_new, !model.contains(p));
        *value = model[p] = i;
      } else {
        Prefix victim = p;
        if (const auto near = model.lower_bound(p); near != model.end()) victim = near->first;
        ASSERT_EQ(map.erase(victim), model.erase(victim) == 1);
      }
      if (i % 8 == 0) {
        const Prefix wanted = random_prefix(random, family, spread);
        const auto found = map.longest_match(wanted);
        const auto expected = longest_match(model, wanted);
        ASSERT_EQ(found.has_value(), expected.has_value());
        if (found) {
          ASSERT_EQ(found->first, *expected);
        }
        const int* exact = map.find(wanted);
        ASSERT_EQ(exact != nullptr, model.contains(wanted));
        if (exact != nullptr) {
          ASSERT_EQ(*exact, model[wanted]);
        }
      }
    }
    expect_equal(map, model);
  }
  while (!model.empty()) {
    ASSERT_TRUE(map.erase(model.begin()->first));
    model.erase(model.begin());
  }
  EXPECT_TRUE(map.empty());
  map[random_prefix(random, family, spread)] = 1;
  EXPECT_EQ(map.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, PrefixMapModel,
                         testing::Combine(testing::Values(AddressFamily::kIpv4, AddressFamily::kIpv6),
                                          testing::Values(2U, 16U, 256U)));

}  // namespace
}  // namespace towpath
