// The bytes of the elements of the port maps: what the maps' rules compare and what they yield.
//
// A key or a value is a row of fields, each filled up to four bytes, in network order: the kernel's
// registers. Both the agent, which writes elements, and the plugin, whose CHECK looks one up, need them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "towpath/netlink/port_maps.h"

namespace towpath::netlink {

inline constexpr const char* kNftTable = "towpath";

// "ports_any4", "ports_on6": the map that holds the key.
const char* port_map_of(const PortKey& key);
const char* hairpin_set_of(AddressFamily family);

std::vector<std::byte> encode(const PortKey& key);
std::vector<std::byte> encode(const PortTarget& target);
// Source and destination of a packet to itself.
std::vector<std::byte> encode_hairpin(const IpAddress& address);
// `on_address`: of a map whose keys have a host address. Nothing if the length is another.
std::optional<PortKey> decode_port_key(AddressFamily family, bool on_address,
                                       std::span<const std::byte> bytes);
std::optional<PortTarget> decode_port_target(AddressFamily family, std::span<const std::byte> bytes);
std::optional<IpAddress> decode_hairpin(AddressFamily family, std::span<const std::byte> bytes);

// Where a transaction begins and ends (NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END): a message of no family,
// with the subsystem in its resource id, in network order.
void append_nft_marker(std::vector<std::byte>& out, std::uint16_t type, std::uint32_t sequence);

struct SetElement {
  std::vector<std::byte> key;
  std::vector<std::byte> data{};     // empty: of a set, or not told
  std::vector<std::byte> key_end{};  // of intervals: the last key of each field
  // Of verdict maps: where to go on, or NF_ACCEPT where there is no chain.
  bool is_verdict = false;
  std::string go_to{};
};
// Writes the attributes that every message about elements has: table, set, and the elements.
void write_elements(MessageWriter& writer, const char* set, std::span<const SetElement> elements,
                    const char* table = kNftTable);
// Calls visit(SetElement) for the elements of one answer.
void for_each_element(const MessageView& message, const std::function<void(const SetElement&)>& visit);

}  // namespace towpath::netlink
