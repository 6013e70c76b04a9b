#include "towpath/bgp/mrt.h"

#include <algorithm>

#include "bgp/wire/attribute_type.h"
#include "bgp/wire/encode_attributes.h"
#include "towpath/base/byte_writer.h"

namespace towpath::bgp {
namespace {

constexpr std::uint16_t kTableDumpV2 = 13;

// RFC 6396 section 4.3, RFC 8050 section 4.
enum class Subtype : std::uint16_t {
  kPeerIndexTable = 1,
  kRibIpv4Unicast = 2,
  kRibIpv6Unicast = 4,
  kRibIpv4UnicastAddPath = 8,
  kRibIpv6UnicastAddPath = 10,
};

Subtype subtype_of(AddressFamily family, bool with_path_ids) {
  if (family == AddressFamily::kIpv4)
    return with_path_ids ? Subtype::kRibIpv4UnicastAddPath : Subtype::kRibIpv4Unicast;
  return with_path_ids ? Subtype::kRibIpv6UnicastAddPath : Subtype::kRibIpv6Unicast;
}

// The common header (section 2); `write` appends the message.
template <class Write>
void append_record(std::uint32_t time, Subtype subtype, std::vector<std::byte>& out, Write write) {
  ByteWriter writer(out);
  writer.u32(time);
  writer.u16(kTableDumpV2);
  writer.u16(static_cast<std::uint16_t>(subtype));
  const std::size_t length_at = writer.position();
  writer.u32(0);
  write(writer);
  const std::size_t length = writer.position() - length_at - 4;
  writer.patch_u16(length_at, static_cast<std::uint16_t>(length >> 16U));
  writer.patch_u16(length_at + 2, static_cast<std::uint16_t>(length));
}

void write_peer(ByteWriter& writer, const MrtPeer& peer) {
  constexpr std::uint8_t kIpv6 = 0x01;
  constexpr std::uint8_t kFourOctetAs = 0x02;
  writer.u8(static_cast<std::uint8_t>(kFourOctetAs | (peer.address.is_v6() ? kIpv6 : 0)));
  writer.u32(peer.router_id.value);
  writer.bytes(peer.address.bytes());
  writer.u32(peer.as.value);
}

// A route of our own has no next hop: the unspecified address of its family stands for it.
NextHop next_hop_of(const Prefix& prefix, const PathAttributes& attributes) {
  if (prefix.family() == AddressFamily::kIpv6 && attributes.next_hop.address.is_v4())
    return {IpAddress::any(AddressFamily::kIpv6), std::nullopt};
  return attributes.next_hop;
}

void write_mp_next_hop(ByteWriter& writer, const NextHop& next_hop) {
  const auto size = static_cast<std::uint8_t>(next_hop.link_local ? 32 : 16);
  writer.u8(kFlagOptional);
  writer.u8(static_cast<std::uint8_t>(AttributeType::kMpReachNlri));
  writer.u8(static_cast<std::uint8_t>(size + 1));
  writer.u8(size);
  writer.bytes(next_hop.address.bytes());
  if (next_hop.link_local) writer.bytes(next_hop.link_local->bytes());
}

void write_attributes(const Prefix& prefix, const PathAttributes& attributes, std::vector<std::byte>& out) {
  SessionParameters session;
  session.four_octet_as = true;
  EncodedAttributes encoded;
  encode_attributes(attributes, session, encoded);
  const NextHop next_hop = next_hop_of(prefix, attributes);
  const auto before = std::span<const std::byte>(encoded.bytes).first(encoded.next_hop_at);
  ByteWriter writer(out);
  if (next_hop.address.is_v6()) write_mp_next_hop(writer, next_hop);
  writer.bytes(before);
  if (next_hop.address.is_v4()) write_next_hop(next_hop, out);
  writer.bytes(std::span<const std::byte>(encoded.bytes).subspan(before.size()));
}

}  // namespace

void append_mrt_peers(std::uint32_t time, RouterId collector, std::string_view view,
                      std::span<const MrtPeer> peers, std::vector<std::byte>& out) {
  append_record(time, Subtype::kPeerIndexTable, out, [&](ByteWriter& writer) {
    writer.u32(collector.value);
    writer.u16(static_cast<std::uint16_t>(view.size()));
    writer.bytes(std::as_bytes(std::span(view)));
    writer.u16(static_cast<std::uint16_t>(peers.size()));
    for (const MrtPeer& peer : peers) write_peer(writer, peer);
  });
}

void append_mrt_route(std::uint32_t time, std::uint32_t sequence, const Prefix& prefix,
                      std::span<const MrtPath> paths, std::vector<std::byte>& out) {
  const bool with_path_ids =
      std::ranges::any_of(paths, [](const MrtPath& path) { return path.path_id != 0; });
  append_record(time, subtype_of(prefix.family(), with_path_ids), out, [&](ByteWriter& writer) {
    writer.u32(sequence);
    writer.u8(prefix.length());
    writer.bytes(prefix.address().bytes().first((prefix.length() + 7U) / 8U));
    const std::size_t count_at = writer.position();
    writer.u16(0);
    std::uint16_t count = 0;
    std::vector<std::byte> attributes;
    for (const MrtPath& path : paths) {
      attributes.clear();
      write_attributes(prefix, *path.attributes, attributes);
      if (attributes.size() > 0xFFFF) continue;
      writer.u16(path.peer);
      writer.u32(path.originated);
      if (with_path_ids) writer.u32(path.path_id);
      writer.u16(static_cast<std::uint16_t>(attributes.size()));
      writer.bytes(attributes);
      ++count;
    }
    writer.patch_u16(count_at, count);
  });
}

}  // namespace towpath::bgp
