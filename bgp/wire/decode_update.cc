// UPDATE (RFC 4271 sections 4.3 and 6.3), with the error handling of RFC 7606.
#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <utility>

#include "bgp/wire/attribute_decoder.h"
#include "bgp/wire/decode.h"
#include "bgp/wire/nlri.h"
#include "towpath/base/byte_reader.h"

namespace towpath::bgp {
namespace {

// A message full of repeated attributes must not become a log of thousands of lines.
constexpr std::size_t kMaxDiscardsKept = 16;

std::string name_of(std::uint8_t type) {
  const auto name = format(static_cast<AttributeType>(type));
  return name.empty() ? fmt::format("attribute {}", type) : std::string(name);
}

class UpdateDecoder {
 public:
  UpdateDecoder(std::span<const std::byte> body, const SessionParameters& session, UpdateMessage& out)
      : body_(body), session_(session), out_(out), attributes_(session, out) {}

  DecodeStatus run() {
    out_.clear();
    if (!split()) {
      return reset(kMalformedAttributeList,
                   "the lengths of the parts exceed the message (RFC 7606 section 3 b)");
    }
    if (auto status = read_withdrawn(); !status) return status;
    if (auto status = read_attributes(); !status) return status;
    if (auto status = read_announced(); !status) return status;
    attributes_.finish();
    check_mandatory();
    return conclude();
  }

 private:
  bool has(AttributeType type) const { return seen_.test(static_cast<std::uint8_t>(type)); }

  static DecodeStatus reset(NotificationCode code, std::string reason, std::span<const std::byte> data = {}) {
    data = data.first(std::min(data.size(), kMaxNotificationData));
    return std::unexpected(
        DecodeError{Disposition::kReset, code, {data.begin(), data.end()}, std::move(reason)});
  }

  void note(Disposition disposition, NotificationCode code, std::string reason,
            std::span<const std::byte> data = {}) {
    if (disposition == Disposition::kDiscard && out_.problems.size() >= kMaxDiscardsKept) return;
    data = data.first(std::min(data.size(), kMaxNotificationData));
    out_.problems.push_back({disposition, code, {data.begin(), data.end()}, std::move(reason)});
  }

  // Finds the three parts of the body. The attributes' end is found by Total Path Attribute Length alone,
  // whatever the attributes say themselves (RFC 7606 section 4).
  bool split() {
    ByteReader reader(body_);
    withdrawn_bytes_ = reader.take(reader.u16());
    attribute_bytes_ = reader.take(reader.u16());
    if (!reader.ok()) return false;
    nlri_bytes_ = reader.rest();
    return true;
  }

  DecodeStatus read_withdrawn() {
    const auto& ipv4 = session_.of(Family::kIpv4Unicast);
    auto& nlri = out_.unreach[index(Family::kIpv4Unicast)].nlri;
    if (!read_nlri(withdrawn_bytes_, Family::kIpv4Unicast, ipv4.add_path_receive, nlri)) {
      return reset(kInvalidNetworkField, "malformed withdrawn routes (RFC 7606 section 5.3)");
    }
    if (!ipv4.enabled && !nlri.empty()) {
      nlri.clear();
      note(Disposition::kDiscard, kInvalidNetworkField,
           "withdrawn IPv4 routes, not negotiated (RFC 4760 section 8)");
    }
    return {};
  }

  DecodeStatus read_announced() {
    const auto& ipv4 = session_.of(Family::kIpv4Unicast);
    Reach& reach = out_.reach[UpdateMessage::kNlriField];
    if (!read_nlri(nlri_bytes_, Family::kIpv4Unicast, ipv4.add_path_receive, reach.nlri)) {
      return reset(kInvalidNetworkField, "malformed NLRI (RFC 7606 section 5.3)");
    }
    if (!ipv4.enabled && !reach.nlri.empty()) {
      reach.nlri.clear();
      note(Disposition::kDiscard, kInvalidNetworkField, "IPv4 routes, not negotiated (RFC 4760 section 8)");
    }
    if (!reach.nlri.empty() && next_hop_sound_ && !is_next_hop(reach.next_hop.address)) {
      note(Disposition::kWithdraw, kInvalidNextHop, "NEXT_HOP: is no host's address (RFC 4271 section 6.3)");
    }
    return {};
  }

  DecodeStatus read_attributes() {
    ByteReader reader(attribute_bytes_);
    while (!reader.at_end()) {
      const std::size_t start = reader.position();
      RawAttribute attribute;
      attribute.flags = reader.u8();
      attribute.type = reader.u8();
      // A short attribute may use the long form (RFC 4271 section 4.3).
      const std::size_t length = (attribute.flags & kFlagExtendedLength) != 0 ? reader.u16() : reader.u8();
      attribute.value = reader.take(length);
      if (!reader.ok()) {
        note(Disposition::kWithdraw, kMalformedAttributeList,
             "an attribute exceeds Total Path Attribute Length (RFC 7606 section 4)");
        return {};
      }
      attribute.whole = attribute_bytes_.subspan(start, reader.position() - start);
      if (auto status = read_attribute(attribute); !status) return status;
    }
    return {};
  }

  DecodeStatus read_attribute(const RawAttribute& attribute) {
    const auto type = static_cast<AttributeType>(attribute.type);
    const bool multiprotocol = type == AttributeType::kMpReachNlri || type == AttributeType::kMpUnreachNlri;
    if (seen_.test(attribute.type)) {
      if (multiprotocol) {
        return reset(kMalformedAttributeList, name_of(attribute.type) + ": twice (RFC 7606 section 3 g)");
      }
      note(Disposition::kDiscard, kMalformedAttributeList,
           name_of(attribute.type) + ": repeated, the first counts (RFC 7606 section 3 g)");
      return {};
    }
    seen_.set(attribute.type);
    if (must_ignore(type, attribute)) return {};
    const auto specified = specified_flags(attribute.type);
    if (!specified) return read_unknown(attribute);
    // RFC 7606 section 3 c: only these two bits count, Partial never does.
    if ((attribute.flags & (kFlagOptional | kFlagTransitive)) != *specified) {
      note(Disposition::kWithdraw, kAttributeFlagsError,
           fmt::format("{}: flags 0x{:02x} (RFC 7606 section 3 c)", name_of(attribute.type), attribute.flags),
           attribute.whole);
      // To withdraw the routes their prefixes must be known.
      if (!multiprotocol) return {};
    }
    const AttributeStatus fault = attributes_.read(attribute);
    if (!fault) {
      if (type == AttributeType::kNextHop) next_hop_sound_ = true;
      return {};
    }
    std::string reason = fmt::format("{}: {}", name_of(attribute.type), fault->what);
    if (fault->disposition == Disposition::kReset)
      return reset(fault->code, std::move(reason), attribute.whole);
    note(fault->disposition, fault->code, std::move(reason), attribute.whole);
    return {};
  }

  // What must not be looked at on this session, however malformed it is.
  bool must_ignore(AttributeType type, const RawAttribute& attribute) {
    switch (type) {
      case AttributeType::kLocalPref:
      case AttributeType::kOriginatorId:
      case AttributeType::kClusterList:
        if (session_.peer_type != PeerType::kExternal) return false;
        note(Disposition::kDiscard, kOptionalAttributeError,
             name_of(attribute.type) + ": from an external peer (RFC 7606 sections 7.5, 7.9, 7.10)");
        return true;
      case AttributeType::kAs4Path:
      case AttributeType::kAs4Aggregator:
        if (!session_.four_octet_as) return false;
        note(Disposition::kDiscard, kOptionalAttributeError,
             name_of(attribute.type) + ": from a four-octet speaker (RFC 6793 section 4.1)");
        return true;
      default: return false;
    }
  }

  DecodeStatus read_unknown(const RawAttribute& attribute) {
    // RFC 4271 section 6.3; RFC 7606 leaves this case as it was.
    if ((attribute.flags & kFlagOptional) == 0) {
      return reset(
          kUnrecognizedWellKnownAttribute,
          fmt::format("attribute {} is unknown but not optional (RFC 4271 section 6.3)", attribute.type),
          attribute.whole);
    }
    attributes_.keep_unknown(attribute);
    return {};
  }

  // RFC 7606 section 3 d.
  void check_mandatory() {
    if (!out_.announces()) return;
    const auto demand = [this](AttributeType type) {
      if (has(type)) return;
      const std::byte data[] = {static_cast<std::byte>(type)};
      note(Disposition::kWithdraw, kMissingWellKnownAttribute,
           fmt::format("{}: missing (RFC 7606 section 3 d)", format(type)), data);
    };
    demand(AttributeType::kOrigin);
    demand(AttributeType::kAsPath);
    if (!out_.reach[UpdateMessage::kNlriField].nlri.empty()) demand(AttributeType::kNextHop);
    // RFC 4271 section 5.1.5: internal peers must send it.
    if (session_.peer_type == PeerType::kInternal) demand(AttributeType::kLocalPref);
  }

  DecodeStatus conclude() {
    find_end_of_rib();
    const auto strongest =
        std::ranges::find(out_.problems, Disposition::kWithdraw, &DecodeError::disposition);
    const bool withdraw = strongest != out_.problems.end();
    if (withdraw && nlri_bytes_.empty() && !attributes_.mp_announces()) {
      // RFC 7606 section 5.2: without any reachable NLRI the routes to withdraw may be lost in the error
      // itself.
      DecodeError error = std::move(*strongest);
      error.disposition = Disposition::kReset;
      error.reason += ", and no route to withdraw (RFC 7606 section 5.2)";
      return std::unexpected(std::move(error));
    }
    if (withdraw) {
      for (Reach& reach : out_.reach) {
        auto& withdrawn = out_.unreach[index(reach.family)].nlri;
        withdrawn.insert(withdrawn.end(), reach.nlri.begin(), reach.nlri.end());
        reach.nlri.clear();
      }
    }
    out_.forget_unused();
    return {};
  }

  void find_end_of_rib() {
    if (!withdrawn_bytes_.empty() || !nlri_bytes_.empty() || !out_.problems.empty()) return;
    std::optional<Family> family;
    if (attribute_bytes_.empty()) {
      family = Family::kIpv4Unicast;
    } else if (seen_.count() == 1 && has(AttributeType::kMpUnreachNlri)) {
      // The value is AFI and SAFI alone.
      const auto value = attribute_bytes_.last(std::min<std::size_t>(3, attribute_bytes_.size()));
      const bool empty = std::ranges::all_of(out_.unreach, [](const Unreach& u) { return u.nlri.empty(); });
      ByteReader reader(value);
      const std::uint16_t afi_value = reader.u16();
      if (empty) family = to_family(afi_value, reader.u8());
    }
    if (family && session_.of(*family).enabled) out_.end_of_rib = family;
  }

  std::span<const std::byte> body_;
  std::span<const std::byte> withdrawn_bytes_;
  std::span<const std::byte> attribute_bytes_;
  std::span<const std::byte> nlri_bytes_;
  const SessionParameters& session_;
  UpdateMessage& out_;
  AttributeDecoder attributes_;
  std::bitset<256> seen_;
  bool next_hop_sound_ = false;  // there is a NEXT_HOP of the right form
};

}  // namespace

DecodeStatus decode_update(std::span<const std::byte> body, const SessionParameters& session,
                           UpdateMessage& out) {
  return UpdateDecoder(body, session, out).run();
}

}  // namespace towpath::bgp
