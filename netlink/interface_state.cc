#include "towpath/netlink/interface_state.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "towpath/netlink/batch.h"

namespace towpath::netlink {

Result<std::vector<InterfaceAddress>> dump_addresses(NetlinkSocket& socket, IfIndex device) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  writer.begin(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 0);
  ifaddrmsg filter{};
  filter.ifa_index = device.value;
  writer.fixed(filter);
  writer.end();
  std::vector<InterfaceAddress> addresses;
  TOWPATH_TRY_STATUS(socket.dump(
      request, "dump addresses", [&] { addresses.clear(); },
      [&](const MessageView& message) {
        const auto header = message.fixed<ifaddrmsg>();
        if (message.header.nlmsg_type != RTM_NEWADDR || header.ifa_index != device.value) return;
        std::optional<IpAddress> local, peer;
        for_each_attribute(message.after<ifaddrmsg>(), [&](const AttributeView& attribute) {
          if (attribute.type != IFA_LOCAL && attribute.type != IFA_ADDRESS) return;
          auto address = IpAddress::from_bytes(attribute.payload);
          if (address) (attribute.type == IFA_LOCAL ? local : peer) = *address;
        });
        // IPv6 says its own address in IFA_ADDRESS unless there is a peer; IPv4 always has IFA_LOCAL.
        if (local || peer) addresses.push_back({local ? *local : *peer, header.ifa_prefixlen});
      }));
  return addresses;
}

Result<std::vector<Neighbour>> find_neighbours(NetlinkSocket& socket, IfIndex device,
                                               std::span<const IpAddress> addresses) {
  std::vector<Neighbour> neighbours;
  Batch batch(socket);
  for (const IpAddress& address : addresses) batch.get_neighbour(device, address);
  TOWPATH_TRY(auto failures, batch.execute_all([&](const MessageView& message) {
    const auto header = message.fixed<ndmsg>();
    std::optional<IpAddress> address;
    std::optional<MacAddress> mac;
    for_each_attribute(message.after<ndmsg>(), [&](const AttributeView& attribute) {
      std::array<std::uint8_t, 6> octets{};
      if (attribute.type == NDA_DST) {
        if (auto parsed = IpAddress::from_bytes(attribute.payload)) address = *parsed;
      } else if (attribute.type == NDA_LLADDR && attribute.payload.size() == octets.size()) {
        std::memcpy(octets.data(), attribute.payload.data(), octets.size());
        mac = MacAddress(octets);
      }
    });
    if (address && mac) neighbours.push_back({*address, *mac, (header.ndm_state & NUD_PERMANENT) != 0});
  }));
  for (auto& failure : failures) {
    if (failure.error.kind != ErrorKind::kNotFound) return std::unexpected(std::move(failure.error));
  }
  return neighbours;
}

}  // namespace towpath::netlink
