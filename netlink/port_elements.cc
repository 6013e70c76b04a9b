#include "netlink/port_elements.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "netlink/kernel_error.h"
#include "towpath/netlink/conntrack.h"

namespace towpath::netlink {
namespace {

constexpr std::size_t kField = 4;

// Appends fields, each filled up with zeros.
class Fields {
 public:
  void octet(std::uint8_t value) { bytes(std::as_bytes(std::span(&value, 1))); }
  void port(std::uint16_t value) {
    const std::uint16_t network = htons(value);
    bytes(std::as_bytes(std::span(&network, 1)));
  }
  void address(const IpAddress& value) { bytes(value.bytes()); }
  std::vector<std::byte> take() { return std::move(out_); }

 private:
  void bytes(std::span<const std::byte> value) {
    out_.insert(out_.end(), value.begin(), value.end());
    out_.resize((out_.size() + kField - 1) / kField * kField);
  }
  std::vector<std::byte> out_;
};

std::uint16_t port_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint16_t network = 0;
  std::memcpy(&network, bytes.data() + at, sizeof network);
  return ntohs(network);
}

std::size_t address_size(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? 4 : 16;
}

std::span<const std::byte> data_value(std::span<const std::byte> nest) {
  std::span<const std::byte> value;
  for_each_attribute(nest, [&](const AttributeView& field) {
    if (field.type == NFTA_DATA_VALUE) value = field.payload;
  });
  return value;
}

}  // namespace

const char* port_map_of(const PortKey& key) {
  if (key.family == AddressFamily::kIpv4) return key.host_ip ? "ports_on4" : "ports_any4";
  return key.host_ip ? "ports_on6" : "ports_any6";
}

const char* hairpin_set_of(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? "hairpin4" : "hairpin6";
}

std::vector<std::byte> encode(const PortKey& key) {
  Fields out;
  out.octet(key.protocol);
  if (key.host_ip) out.address(*key.host_ip);
  out.port(key.port);
  return out.take();
}

std::vector<std::byte> encode(const PortTarget& target) {
  Fields out;
  out.address(target.address);
  out.port(target.port);
  return out.take();
}

std::vector<std::byte> encode_hairpin(const IpAddress& address) {
  Fields out;
  out.address(address);
  out.address(address);
  return out.take();
}

std::optional<PortKey> decode_port_key(AddressFamily family, bool on_address,
                                       std::span<const std::byte> bytes) {
  const std::size_t address = on_address ? address_size(family) : 0;
  if (bytes.size() != kField + address + kField) return std::nullopt;
  PortKey key;
  key.family = family;
  key.protocol = std::to_integer<std::uint8_t>(bytes[0]);
  if (on_address) key.host_ip = *IpAddress::from_bytes(bytes.subspan(kField, address));
  key.port = port_at(bytes, kField + address);
  return key;
}

std::optional<PortTarget> decode_port_target(AddressFamily family, std::span<const std::byte> bytes) {
  const std::size_t address = address_size(family);
  if (bytes.size() != address + kField) return std::nullopt;
  return PortTarget{*IpAddress::from_bytes(bytes.first(address)), port_at(bytes, address)};
}

std::optional<IpAddress> decode_hairpin(AddressFamily family, std::span<const std::byte> bytes) {
  const std::size_t address = address_size(family);
  if (bytes.size() != 2 * address) return std::nullopt;
  return *IpAddress::from_bytes(bytes.first(address));
}

void write_elements(MessageWriter& writer, const char* set, std::span<const SetElement> elements,
                    const char* table) {
  writer.text(NFTA_SET_ELEM_LIST_TABLE, table);
  writer.text(NFTA_SET_ELEM_LIST_SET, set);
  if (elements.empty()) return;
  const auto write_data = [&](std::uint16_t type, const std::vector<std::byte>& value) {
    const std::size_t data = writer.nest(static_cast<std::uint16_t>(type | NLA_F_NESTED));
    writer.attribute(NFTA_DATA_VALUE, std::span<const std::byte>(value));
    writer.end_nest(data);
  };
  const auto write_verdict = [&](const std::string& go_to) {
    const std::size_t data = writer.nest(NFTA_SET_ELEM_DATA | NLA_F_NESTED);
    const std::size_t verdict = writer.nest(NFTA_DATA_VERDICT | NLA_F_NESTED);
    const auto code = static_cast<std::uint32_t>(go_to.empty() ? NF_ACCEPT : NFT_GOTO);
    writer.number(NFTA_VERDICT_CODE, htonl(code));
    if (!go_to.empty()) writer.text(NFTA_VERDICT_CHAIN, go_to);
    writer.end_nest(verdict);
    writer.end_nest(data);
  };
  const std::size_t list = writer.nest(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
  for (const SetElement& element : elements) {
    const std::size_t one = writer.nest(NFTA_LIST_ELEM | NLA_F_NESTED);
    write_data(NFTA_SET_ELEM_KEY, element.key);
    if (!element.key_end.empty()) write_data(NFTA_SET_ELEM_KEY_END, element.key_end);
    if (!element.data.empty()) write_data(NFTA_SET_ELEM_DATA, element.data);
    if (element.is_verdict) write_verdict(element.go_to);
    writer.end_nest(one);
  }
  writer.end_nest(list);
}

void for_each_element(const MessageView& message, const std::function<void(const SetElement&)>& visit) {
  const auto one = [&](const AttributeView& element) {
    SetElement found;
    for_each_attribute(element.payload, [&](const AttributeView& field) {
      const auto value = data_value(field.payload);
      if (field.type == NFTA_SET_ELEM_KEY) found.key.assign(value.begin(), value.end());
      if (field.type == NFTA_SET_ELEM_DATA) found.data.assign(value.begin(), value.end());
    });
    visit(found);
  };
  for_each_attribute(message.after<nfgenmsg>(), [&](const AttributeView& attribute) {
    if (attribute.type == NFTA_SET_ELEM_LIST_ELEMENTS) for_each_attribute(attribute.payload, one);
  });
}

void append_nft_marker(std::vector<std::byte>& out, std::uint16_t type, std::uint32_t sequence) {
  MessageWriter writer(out);
  writer.begin(type, NLM_F_REQUEST, sequence);
  nfgenmsg family{};
  family.res_id = htons(NFNL_SUBSYS_NFTABLES);
  writer.fixed(family);
  writer.end();
}

namespace {

// A transaction of its own, so that the next one is not refused because this one is gone already.
Status delete_element(NetlinkSocket& socket, const char* set, const SetElement& element) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  append_nft_marker(request, NFNL_MSG_BATCH_BEGIN, socket.next_sequence());
  const std::uint32_t sequence = socket.next_sequence();
  writer.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSETELEM, NLM_F_REQUEST | NLM_F_ACK, sequence);
  nfgenmsg family{};
  family.nfgen_family = NFPROTO_INET;
  writer.fixed(family);
  write_elements(writer, set, std::span(&element, 1));
  writer.end();
  append_nft_marker(request, NFNL_MSG_BATCH_END, socket.next_sequence());
  TOWPATH_TRY_STATUS(socket.send(request));
  return receive_removal(socket, sequence, "remove a port mapping");
}

}  // namespace

Status remove_port(NetlinkSocket& socket, const PortKey& key) {
  return delete_element(socket, port_map_of(key), {encode(key)});
}

Status remove_hairpin(NetlinkSocket& socket, const IpAddress& address) {
  return delete_element(socket, hairpin_set_of(address.family()), {encode_hairpin(address)});
}

void forget_mapped_flows(NetlinkSocket& socket, const PortKey& key, const PortTarget& target) {
  const auto flows = dump_flows(socket, key.family, key.protocol, key.port);
  if (!flows) return;
  for (const TrackedFlow& flow : *flows) {
    const bool was_mapped = flow.reply_source == target.address && flow.reply_source_port == target.port &&
                            flow.destination != target.address;
    if (was_mapped) static_cast<void>(forget_flow(socket, flow));
  }
}

Result<std::optional<PortTarget>> find_port_target(NetlinkSocket& socket, const PortKey& key) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  const std::uint32_t sequence = socket.next_sequence();
  writer.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NLM_F_REQUEST | NLM_F_ACK, sequence);
  nfgenmsg family{};
  family.nfgen_family = NFPROTO_INET;
  writer.fixed(family);
  const SetElement wanted{encode(key)};
  write_elements(writer, port_map_of(key), std::span(&wanted, 1));
  writer.end();
  TOWPATH_TRY_STATUS(socket.send(request));
  std::optional<PortTarget> target;
  for (;;) {
    TOWPATH_TRY(auto datagram, socket.receive_answer());
    while (const auto message = next_message(datagram)) {
      if (message->header.nlmsg_seq != sequence) continue;
      if (message->header.nlmsg_type != NLMSG_ERROR) {
        for_each_element(*message, [&](const SetElement& element) {
          target = decode_port_target(key.family, element.data);
        });
        continue;
      }
      const KernelAnswer answer = read_answer(*message);
      // No such element, or no map at all.
      if (answer.sys_errno == 0 || answer.sys_errno == ENOENT) return target;
      return std::unexpected(make_error(answer, "look up a port mapping"));
    }
  }
}

}  // namespace towpath::netlink
