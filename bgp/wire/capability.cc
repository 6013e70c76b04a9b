#include "bgp/wire/capability.h"

#include <algorithm>

#include "bgp/wire/capability_codec.h"
#include "towpath/base/byte_reader.h"
#include "towpath/base/byte_writer.h"

namespace towpath::bgp {
namespace {

constexpr std::uint16_t kRestartingBit = 0x8000;    // RFC 4724 section 3
constexpr std::uint16_t kNotificationBit = 0x4000;  // RFC 8538 section 2
constexpr std::uint16_t kRestartTimeMask = 0x0FFF;
constexpr std::uint8_t kForwardingBit = 0x80;

// Each of these takes one capability's value. False: its length or content is not that of its RFC, nothing
// was taken.

bool read_multiprotocol(ByteReader value, Capabilities& out) {
  const std::uint16_t afi_value = value.u16();
  value.u8();  // reserved, ignored by the receiver
  const std::uint8_t safi_value = value.u8();
  if (!value.ok() || !value.at_end()) return false;
  const auto family = to_family(afi_value, safi_value);
  if (!family) return false;
  out.multiprotocol[index(*family)] = true;
  return true;
}

bool read_extended_next_hop(ByteReader value, Capabilities& out) {
  if (value.at_end() || value.remaining() % 6 != 0) return false;
  bool found = false;
  while (!value.at_end()) {
    const std::uint16_t afi_value = value.u16();
    const std::uint16_t safi_value = value.u16();
    const std::uint16_t next_hop_afi = value.u16();
    found = found || (afi_value == 1 && safi_value == 1 && next_hop_afi == 2);
  }
  out.extended_next_hop = out.extended_next_hop || found;
  return found;
}

bool read_graceful_restart(ByteReader value, Capabilities& out) {
  if (value.remaining() < 2 || value.remaining() % 4 != 2) return false;
  const std::uint16_t head = value.u16();
  GracefulRestart restart;
  restart.restarting = (head & kRestartingBit) != 0;
  restart.notification = (head & kNotificationBit) != 0;
  restart.restart_time = std::chrono::seconds(head & kRestartTimeMask);
  while (!value.at_end()) {
    const std::uint16_t afi_value = value.u16();
    const std::uint8_t safi_value = value.u8();
    const std::uint8_t flags = value.u8();
    if (const auto family = to_family(afi_value, safi_value)) {
      restart.families[index(*family)] = {.forwarding_preserved = (flags & kForwardingBit) != 0};
    }
  }
  out.graceful_restart = restart;
  return true;
}

bool read_long_lived_graceful_restart(ByteReader value, Capabilities& out) {
  if (value.remaining() % 7 != 0) return false;
  LongLivedGracefulRestart restart;
  while (!value.at_end()) {
    const std::uint16_t afi_value = value.u16();
    const std::uint8_t safi_value = value.u8();
    const std::uint32_t flags_and_time = value.u32();
    if (const auto family = to_family(afi_value, safi_value)) {
      restart.families[index(*family)] = {
          .forwarding_preserved = (flags_and_time >> 24 & kForwardingBit) != 0,
          .stale_time = std::chrono::seconds(flags_and_time & 0xFFFFFF)};
    }
  }
  out.long_lived_graceful_restart = restart;
  return true;
}

bool read_four_octet_as(ByteReader value, Capabilities& out) {
  if (value.remaining() != 4) return false;
  out.four_octet_as = AsNumber{value.u32()};
  return true;
}

// RFC 7911 section 4: a mode that is not 1 to 3 makes the whole capability one that is not understood.
bool read_add_path(ByteReader value, Capabilities& out) {
  if (value.at_end() || value.remaining() % 4 != 0) return false;
  auto modes = out.add_path;
  while (!value.at_end()) {
    const std::uint16_t afi_value = value.u16();
    const std::uint8_t safi_value = value.u8();
    const std::uint8_t mode = value.u8();
    if (mode < 1 || mode > 3) return false;
    if (const auto family = to_family(afi_value, safi_value))
      modes[index(*family)] = static_cast<AddPathMode>(mode);
  }
  out.add_path = modes;
  return true;
}

bool read_role(ByteReader value, Capabilities& out) {
  if (value.remaining() != 1) return false;
  const std::uint8_t role = value.u8();
  if (role > static_cast<std::uint8_t>(Role::kPeer)) return false;
  const auto announced = static_cast<Role>(role);
  if (out.role && *out.role != announced) out.conflicting_roles = true;
  if (!out.role) out.role = announced;
  return true;
}

bool read_flag(ByteReader value, bool& flag) {
  if (!value.at_end()) return false;
  flag = true;
  return true;
}

bool read_one(std::uint8_t code, std::span<const std::byte> bytes, Capabilities& out) {
  const ByteReader value(bytes);
  switch (static_cast<CapabilityCode>(code)) {
    case CapabilityCode::kMultiprotocol: return read_multiprotocol(value, out);
    case CapabilityCode::kRouteRefresh: return read_flag(value, out.route_refresh);
    case CapabilityCode::kExtendedNextHop: return read_extended_next_hop(value, out);
    case CapabilityCode::kExtendedMessage: return read_flag(value, out.extended_message);
    case CapabilityCode::kRole: return read_role(value, out);
    case CapabilityCode::kGracefulRestart: return read_graceful_restart(value, out);
    case CapabilityCode::kFourOctetAs: return read_four_octet_as(value, out);
    case CapabilityCode::kAddPath: return read_add_path(value, out);
    case CapabilityCode::kEnhancedRouteRefresh: return read_flag(value, out.enhanced_route_refresh);
    case CapabilityCode::kLongLivedGracefulRestart: return read_long_lived_graceful_restart(value, out);
    case CapabilityCode::kFqdn: break;
  }
  return false;
}

// Writes code and length around what `value` appends.
template <class WriteValue>
void write_one(ByteWriter& writer, CapabilityCode code, WriteValue value) {
  writer.u8(static_cast<std::uint8_t>(code));
  const std::size_t length_at = writer.position();
  writer.u8(0);
  value();
  writer.patch_u8(length_at, static_cast<std::uint8_t>(writer.position() - length_at - 1));
}

void write_family(ByteWriter& writer, Family family) {
  writer.u16(static_cast<std::uint16_t>(afi(family)));
  writer.u8(static_cast<std::uint8_t>(safi(family)));
}

void write_graceful_restart(ByteWriter& writer, const GracefulRestart& restart) {
  auto head =
      static_cast<std::uint16_t>(std::clamp<std::int64_t>(restart.restart_time.count(), 0, kRestartTimeMask));
  if (restart.restarting) head |= kRestartingBit;
  if (restart.notification) head |= kNotificationBit;
  writer.u16(head);
  for (const Family family : kAllFamilies) {
    const auto& state = restart.families[index(family)];
    if (!state) continue;
    write_family(writer, family);
    writer.u8(state->forwarding_preserved ? kForwardingBit : 0);
  }
}

void write_long_lived_graceful_restart(ByteWriter& writer, const LongLivedGracefulRestart& restart) {
  for (const Family family : kAllFamilies) {
    const auto& state = restart.families[index(family)];
    if (!state) continue;
    write_family(writer, family);
    const auto time =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(state->stale_time.count(), 0, 0xFFFFFF));
    writer.u32((state->forwarding_preserved ? std::uint32_t{kForwardingBit} << 24 : 0) | time);
  }
}

void write_add_path(ByteWriter& writer, const PerFamily<AddPathMode>& modes) {
  for (const Family family : kAllFamilies) {
    if (modes[index(family)] == AddPathMode::kNone) continue;
    write_family(writer, family);
    writer.u8(static_cast<std::uint8_t>(modes[index(family)]));
  }
}

}  // namespace

bool Capabilities::speaks(Family family) const {
  if (multiprotocol[index(family)]) return true;
  if (family != Family::kIpv4Unicast) return false;
  const bool other_multiprotocol = std::ranges::any_of(other, [](const RawCapability& c) {
    return c.code == static_cast<std::uint8_t>(CapabilityCode::kMultiprotocol);
  });
  return !other_multiprotocol &&
         std::ranges::none_of(multiprotocol, [](bool announced) { return announced; });
}

bool read_capabilities(std::span<const std::byte> bytes, Capabilities& out) {
  ByteReader reader(bytes);
  while (!reader.at_end()) {
    const std::uint8_t code = reader.u8();
    const auto value = reader.take(reader.u8());
    if (!reader.ok()) return false;
    if (!read_one(code, value, out)) out.other.push_back({code, {value.begin(), value.end()}});
  }
  return true;
}

void write_capabilities(const Capabilities& capabilities, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  const auto nothing = [] {};
  for (const Family family : kAllFamilies) {
    if (!capabilities.multiprotocol[index(family)]) continue;
    write_one(writer, CapabilityCode::kMultiprotocol, [&] {
      writer.u16(static_cast<std::uint16_t>(afi(family)));
      writer.u8(0);
      writer.u8(static_cast<std::uint8_t>(safi(family)));
    });
  }
  if (capabilities.route_refresh) write_one(writer, CapabilityCode::kRouteRefresh, nothing);
  if (capabilities.extended_next_hop) {
    write_one(writer, CapabilityCode::kExtendedNextHop, [&] {
      writer.u16(static_cast<std::uint16_t>(Afi::kIpv4));
      writer.u16(static_cast<std::uint16_t>(Safi::kUnicast));
      writer.u16(static_cast<std::uint16_t>(Afi::kIpv6));
    });
  }
  if (capabilities.extended_message) write_one(writer, CapabilityCode::kExtendedMessage, nothing);
  if (capabilities.role) {
    write_one(writer, CapabilityCode::kRole,
              [&] { writer.u8(static_cast<std::uint8_t>(*capabilities.role)); });
  }
  if (capabilities.graceful_restart) {
    write_one(writer, CapabilityCode::kGracefulRestart,
              [&] { write_graceful_restart(writer, *capabilities.graceful_restart); });
  }
  if (capabilities.four_octet_as) {
    write_one(writer, CapabilityCode::kFourOctetAs, [&] { writer.u32(capabilities.four_octet_as->value); });
  }
  if (capabilities.add_path != PerFamily<AddPathMode>{}) {
    write_one(writer, CapabilityCode::kAddPath, [&] { write_add_path(writer, capabilities.add_path); });
  }
  if (capabilities.enhanced_route_refresh) write_one(writer, CapabilityCode::kEnhancedRouteRefresh, nothing);
  if (capabilities.long_lived_graceful_restart) {
    write_one(writer, CapabilityCode::kLongLivedGracefulRestart,
              [&] { write_long_lived_graceful_restart(writer, *capabilities.long_lived_graceful_restart); });
  }
  for (const RawCapability& raw : capabilities.other) {
    write_one(writer, static_cast<CapabilityCode>(raw.code), [&] {
      writer.bytes(std::span(raw.value).first(std::min<std::size_t>(raw.value.size(), 255)));
    });
  }
}

}  // namespace towpath::bgp
