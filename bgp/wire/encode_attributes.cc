// The attribute list, ascending by type (RFC 4271 section 5).
#include <algorithm>

#include "bgp/wire/as_path_codec.h"
#include "bgp/wire/attribute_type.h"
#include "bgp/wire/encode_attributes.h"
#include "bgp/wire/message_writer.h"
#include "towpath/base/byte_writer.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

class AttributeWriter {
 public:
  AttributeWriter(const PathAttributes& attributes, EncodedAttributes& out)
      : attributes_(attributes), out_(out), writer_(out.bytes) {}

  // Writes one attribute with the flags of its RFC; `value` appends what is in it. The length field is made
  // long only where it must be: there are decoders that fail on a long form of a short attribute.
  template <class WriteValue>
  void write(AttributeType type, WriteValue value) {
    pass_unknown_below(static_cast<std::uint8_t>(type));
    begin(*specified_flags(static_cast<std::uint8_t>(type)), static_cast<std::uint8_t>(type));
    value(writer_);
    end();
  }
  void write_u32(AttributeType type, std::uint32_t number) {
    write(type, [number](ByteWriter& writer) { writer.u32(number); });
  }
  // The place of NEXT_HOP, which is not written here.
  void mark_next_hop() {
    pass_unknown_below(static_cast<std::uint8_t>(AttributeType::kNextHop));
    out_.next_hop_at = writer_.position();
  }
  // Unknown attributes stand between the known ones, where their type belongs.
  void pass_unknown_below(unsigned type) {
    for (; next_unknown_ < attributes_.unknown.size(); ++next_unknown_) {
      const UnknownAttribute& attribute = attributes_.unknown[next_unknown_];
      if (attribute.type >= type) return;
      begin(static_cast<std::uint8_t>(attribute.flags & ~kFlagExtendedLength), attribute.type);
      writer_.bytes(attribute.value);
      end();
    }
  }

 private:
  void begin(std::uint8_t flags, std::uint8_t type) {
    start_ = writer_.position();
    writer_.u8(flags);
    writer_.u8(type);
    writer_.u8(0);
  }
  void end() {
    const std::size_t length = writer_.position() - start_ - 3;
    if (length <= 0xFF) {
      writer_.patch_u8(start_ + 2, static_cast<std::uint8_t>(length));
      return;
    }
    auto& bytes = out_.bytes;
    bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(start_) + 2, std::byte{0});
    bytes[start_] |= std::byte{kFlagExtendedLength};
    writer_.patch_u16(start_ + 2, static_cast<std::uint16_t>(length));
  }

  const PathAttributes& attributes_;
  EncodedAttributes& out_;
  ByteWriter writer_;
  std::size_t next_unknown_ = 0;
  std::size_t start_ = 0;
};

void write_aggregator(ByteWriter& writer, const Aggregator& aggregator, bool four_octet_as) {
  if (four_octet_as) {
    writer.u32(aggregator.as.value);
  } else {
    writer.u16(
        static_cast<std::uint16_t>(aggregator.as.fits_two_octets() ? aggregator.as.value : kAsTrans.value));
  }
  writer.u32(aggregator.router_id.value);
}

// RFC 6793 section 4.2.2: what a two-octet peer could not read travels beside it. Confederation segments must
// not.
void write_as4(AttributeWriter& writer, const PathAttributes& attributes, std::vector<std::byte>& out) {
  if (needs_four_octets(attributes.as_path)) {
    AsPath path = attributes.as_path;
    remove_confederation_segments(path);
    if (!path.segments.empty()) {
      writer.write(AttributeType::kAs4Path, [&](ByteWriter&) { write_as_path(path, AsWidth::kFour, out); });
    }
  }
  if (attributes.aggregator && !attributes.aggregator->as.fits_two_octets()) {
    writer.write(AttributeType::kAs4Aggregator,
                 [&](ByteWriter& w) { write_aggregator(w, *attributes.aggregator, true); });
  }
}

std::size_t next_hop_size(const NextHop& next_hop) {
  return next_hop.address.bytes().size() + (next_hop.link_local ? 16 : 0);
}

}  // namespace

void encode_attributes(const PathAttributes& attributes, const SessionParameters& session,
                       EncodedAttributes& out) {
  out.clear();
  AttributeWriter writer(attributes, out);
  const bool four_octet_as = session.four_octet_as;
  writer.write(AttributeType::kOrigin,
               [&](ByteWriter& w) { w.u8(static_cast<std::uint8_t>(attributes.origin)); });
  writer.write(AttributeType::kAsPath, [&](ByteWriter&) {
    write_as_path(attributes.as_path, four_octet_as ? AsWidth::kFour : AsWidth::kTwo, out.bytes);
  });
  writer.mark_next_hop();
  if (attributes.med) writer.write_u32(AttributeType::kMed, *attributes.med);
  if (attributes.local_pref) writer.write_u32(AttributeType::kLocalPref, *attributes.local_pref);
  if (attributes.atomic_aggregate) writer.write(AttributeType::kAtomicAggregate, [](ByteWriter&) {});
  if (attributes.aggregator) {
    writer.write(AttributeType::kAggregator,
                 [&](ByteWriter& w) { write_aggregator(w, *attributes.aggregator, four_octet_as); });
  }
  if (!attributes.communities.empty()) {
    writer.write(AttributeType::kCommunities, [&](ByteWriter& w) {
      for (const Community community : attributes.communities) w.u32(community.value);
    });
  }
  if (attributes.originator_id)
    writer.write_u32(AttributeType::kOriginatorId, attributes.originator_id->value);
  if (!attributes.cluster_list.empty()) {
    writer.write(AttributeType::kClusterList, [&](ByteWriter& w) {
      for (const RouterId cluster : attributes.cluster_list) w.u32(cluster.value);
    });
  }
  if (!attributes.extended_communities.empty()) {
    writer.write(AttributeType::kExtendedCommunities, [&](ByteWriter& w) {
      for (const ExtendedCommunity community : attributes.extended_communities) w.u64(community.value);
    });
  }
  if (!four_octet_as) write_as4(writer, attributes, out.bytes);
  if (!attributes.large_communities.empty()) {
    writer.write(AttributeType::kLargeCommunities, [&](ByteWriter& w) {
      for (const LargeCommunity& community : attributes.large_communities) {
        w.u32(community.global);
        w.u32(community.local1);
        w.u32(community.local2);
      }
    });
  }
  if (attributes.only_to_customer) {
    writer.write_u32(AttributeType::kOnlyToCustomer, attributes.only_to_customer->value);
  }
  writer.pass_unknown_below(256);
}

void write_next_hop(const NextHop& next_hop, std::vector<std::byte>& out) {
  TOWPATH_CHECK(next_hop.address.is_v4());
  ByteWriter writer(out);
  writer.u8(kFlagTransitive);
  writer.u8(static_cast<std::uint8_t>(AttributeType::kNextHop));
  writer.u8(4);
  writer.bytes(next_hop.address.bytes());
}

std::size_t begin_mp_reach(Family family, const NextHop& next_hop, std::vector<std::byte>& out) {
  TOWPATH_CHECK(family == Family::kIpv4Unicast || next_hop.address.is_v6());
  const std::size_t start = out.size();
  ByteWriter writer(out);
  writer.u8(kFlagOptional | kFlagExtendedLength);
  writer.u8(static_cast<std::uint8_t>(AttributeType::kMpReachNlri));
  writer.u16(0);
  writer.u16(static_cast<std::uint16_t>(afi(family)));
  writer.u8(static_cast<std::uint8_t>(safi(family)));
  writer.u8(static_cast<std::uint8_t>(next_hop_size(next_hop)));
  writer.bytes(next_hop.address.bytes());
  if (next_hop.link_local) writer.bytes(next_hop.link_local->bytes());
  writer.u8(0);  // reserved
  return start;
}

std::size_t mp_reach_head_size(const NextHop& next_hop) {
  return 4 + 3 + 1 + next_hop_size(next_hop) + 1;
}

std::size_t begin_mp_unreach(Family family, std::vector<std::byte>& out) {
  const std::size_t start = out.size();
  ByteWriter writer(out);
  writer.u8(kFlagOptional | kFlagExtendedLength);
  writer.u8(static_cast<std::uint8_t>(AttributeType::kMpUnreachNlri));
  writer.u16(0);
  writer.u16(static_cast<std::uint16_t>(afi(family)));
  writer.u8(static_cast<std::uint8_t>(safi(family)));
  return start;
}

void end_mp(std::size_t start, std::vector<std::byte>& out) {
  patch_u16(out, start + 2, out.size() - start - 4);
}

}  // namespace towpath::bgp
