#include "ipam/record_codec.h"

#include <gtest/gtest.h>

namespace towpath::ipam {
namespace {

EndpointRecord example() {
  EndpointRecord record;
  record.attachment = {"8e1f", "eth0"};
  record.network = "towpath";
  record.sandbox = "/run/netns/a";
  record.sandbox_inode = 4026532573;
  record.created = WallTime(std::chrono::seconds(1700000000));
  record.generation = 42;
  record.state = AllocationState::kLive;
  record.allocated = {{*IpAddress::parse("10.64.1.5"), *Prefix::parse("10.64.1.0/26")},
                      {*IpAddress::parse("fd00:64:0:1::5"), *Prefix::parse("fd00:64:0:1::/122")}};
  record.ipam_type = "towpath-ipam";
  record.host_ifname = "tp0123456789a";
  record.mac = *MacAddress::parse("02:00:5e:00:53:01");
  record.mtu = 1500;
  record.addresses = {record.allocated[0].address, record.allocated[1].address};
  record.labels = {{"app", "web"}, {"tier", ""}};
  record.pod = {{"K8S_POD_NAME", "web-0"}};
  record.ports = {
      {6, 8080, 80, {}}, {17, 53, 53, *IpAddress::parse("::")}, {132, 1, 2, *IpAddress::parse("192.0.2.1")}};
  record.bandwidth = {1000000, 80000, 2000000, 160000};
  return record;
}

TEST(RecordCodec, EndpointComesBackAsItWent) {
  const EndpointRecord record = example();
  const Bytes key = *endpoint_key(record.attachment);
  const Bytes value = *encode(record);
  const auto decoded = decode_endpoint(key, value);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, record);
}

EndpointRecord delegated_example() {
  EndpointRecord record = example();
  record.allocated.clear();
  record.ipam_type = "static";
  record.delegated = {{*InterfaceAddress::parse("10.64.1.5/24"), IpAddress::parse("10.64.1.1").value()},
                      {*InterfaceAddress::parse("fd00:64:0:1::5/64"), std::nullopt}};
  return record;
}

TEST(RecordCodec, AddressesOfAnotherPluginComeBack) {
  const EndpointRecord record = delegated_example();
  const auto decoded = decode_endpoint(*endpoint_key(record.attachment), *encode(record));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, record);
}

TEST(RecordCodec, EveryTruncationIsRefused) {
  const EndpointRecord record = delegated_example();
  const Bytes key = *endpoint_key(record.attachment);
  const Bytes value = *encode(record);
  EndpointRecord without = record;
  without.delegated.clear();
  const std::size_t whole_without = encode(without)->size();
  for (std::size_t size = 0; size < value.size(); ++size) {
    if (size == whole_without) continue;  // a record of a program that did not write them
    const auto decoded = decode_endpoint(key, std::span(value).first(size));
    ASSERT_FALSE(decoded) << size;
    EXPECT_EQ(decoded.error().kind, ErrorKind::kCorrupt);
  }
  Bytes longer = value;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_endpoint(key, longer));
}

TEST(RecordCodec, NoByteOfAValueCanCrashTheDecoder) {
  const EndpointRecord record = delegated_example();
  const Bytes key = *endpoint_key(record.attachment);
  const Bytes value = *encode(record);
  for (std::size_t at = 0; at < value.size(); ++at) {
    for (const unsigned flip : {0x01U, 0x80U, 0xFFU}) {
      Bytes changed = value;
      changed[at] ^= static_cast<std::byte>(flip);
      const auto decoded = decode_endpoint(key, changed);
      if (!decoded) {
        EXPECT_EQ(decoded.error().kind, ErrorKind::kCorrupt);
      }
    }
  }
}

TEST(RecordCodec, NamesThatDoNotFitAreRefusedAndNotCut) {
  EXPECT_TRUE(endpoint_key({std::string(500, 'c'), "eth0"}));
  EXPECT_EQ(endpoint_key({std::string(506, 'c'), "eth0"}).error().kind, ErrorKind::kInvalid);
  EndpointRecord record = example();
  record.labels["big"] = std::string(70000, 'x');
  EXPECT_EQ(encode(record).error().kind, ErrorKind::kInvalid);
}

TEST(RecordCodec, BlockKeysSortByFamilyAddressAndLength) {
  const char* const ordered[] = {"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/26", "10.0.0.64/26",
                                 "::/0",      "fd00::/48",  "fd00::/64"};
  for (std::size_t i = 0; i + 1 < std::size(ordered); ++i) {
    EXPECT_LT(block_key(*Prefix::parse(ordered[i])), block_key(*Prefix::parse(ordered[i + 1]))) << ordered[i];
  }
  for (const char* text : ordered) {
    const auto decoded = decode_block_key(block_key(*Prefix::parse(text)));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->to_string(), text);
  }
  EXPECT_FALSE(decode_block_key(chunk_key(*Prefix::parse("10.0.0.0/8"), 1)));
}

TEST(RecordCodec, RestingKeysAreOrderedByTime) {
  const Prefix block = *Prefix::parse("10.0.0.0/26");
  EXPECT_LT(resting_key(block, {1, 63}), resting_key(block, {256, 1}));
  const Resting resting{1234567890123, 9};
  EXPECT_EQ(*decode_resting_key(resting_key(block, resting)), resting);
  EXPECT_FALSE(decode_resting_key(chunk_key(block, 1)));
  EXPECT_EQ(*decode_chunk_index(chunk_key(block, 7)), 7U);
  EXPECT_FALSE(decode_chunk_index(block_key(block)));
}

TEST(RecordCodec, Pools) {
  for (const auto& pools :
       {std::vector<Prefix>{}, {*Prefix::parse("10.64.0.0/16"), *Prefix::parse("fd00::/8")}}) {
    EXPECT_EQ(*decode_pools(encode_pools(pools)), pools);
  }
  Bytes value = encode_pools(std::vector{*Prefix::parse("10.64.0.0/16"), *Prefix::parse("fd00:64::/48")});
  for (std::size_t size = 1; size < value.size(); ++size) {
    if (size == 6) continue;  // the first one whole
    EXPECT_FALSE(decode_pools(std::span(value).first(size))) << size;
  }
  value[5] = std::byte{8};  // 10.64.0.0/8
  EXPECT_FALSE(decode_pools(value)) << "bits beyond the length";
}

TEST(RecordCodec, BlockHead) {
  const BlockHead head{BlockHead::kOwned, 7, 3, 9};
  const Bytes value = encode(head);
  EXPECT_EQ(*decode_block_head(value), head);
  EXPECT_FALSE(decode_block_head(std::span(value).first(24)));
}

}  // namespace
}  // namespace towpath::ipam
