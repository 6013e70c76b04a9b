#include "netlink/kernel_error.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "towpath/base/mac_address.h"
#include "towpath/base/prefix.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/next_hop_object.h"
#include "towpath/netlink/route.h"

namespace towpath::netlink {
namespace {

std::string_view extended_text(std::span<const std::byte> attributes) {
  std::string_view text;
  for_each_attribute(attributes, [&](const AttributeView& attribute) {
    if (attribute.type == NLMSGERR_ATTR_MSG) text = attribute.text();
  });
  return text;
}

// The address or prefix that an address or neighbour request is about.
std::string address_in(std::span<const std::byte> attributes, std::uint16_t type) {
  std::string text;
  for_each_attribute(attributes, [&](const AttributeView& attribute) {
    if (attribute.type != type) return;
    if (auto address = IpAddress::from_bytes(attribute.payload)) text = address->to_string();
  });
  return text;
}

std::string describe_link(const MessageView& request, std::string_view verb) {
  const Link link = parse_link(request);
  std::string text = fmt::format("{} interface", verb);
  if (!link.name.empty()) text += " " + link.name;
  if (link.index) text += fmt::format(" ifindex {}", link.index.value);
  return text;
}

std::string describe_address(const MessageView& request, std::string_view verb) {
  const auto header = request.fixed<ifaddrmsg>();
  return fmt::format("{} address {}/{} ifindex {}", verb, address_in(request.after<ifaddrmsg>(), IFA_LOCAL),
                     header.ifa_prefixlen, header.ifa_index);
}

std::string describe_neighbour(const MessageView& request, std::string_view verb) {
  const auto header = request.fixed<ndmsg>();
  return fmt::format("{} neighbour {} ifindex {}", verb, address_in(request.after<ndmsg>(), NDA_DST),
                     header.ndm_ifindex);
}

std::string describe_route(const MessageView& request, std::string_view verb) {
  const auto route = parse_route(request);
  return fmt::format("{} route {}", verb, route ? format(*route) : std::string("of another kind"));
}

std::string describe_next_hop(const MessageView& request, std::string_view verb) {
  const auto object = parse_next_hop(request);
  return fmt::format("{} next hop {}", verb, object ? format(*object) : std::string("without a number"));
}

// "set queueing discipline tbf ifindex 3".
std::string describe_traffic_control(const MessageView& request, std::string_view verb) {
  std::string text(verb);
  for_each_attribute(request.after<tcmsg>(), [&](const AttributeView& attribute) {
    if (attribute.type == TCA_KIND) text += fmt::format(" {}", attribute.text());
  });
  return text + fmt::format(" ifindex {}", request.fixed<tcmsg>().tcm_ifindex);
}

}  // namespace

KernelAnswer read_answer(const MessageView& message) {
  const auto error = message.fixed<nlmsgerr>();
  KernelAnswer answer{-error.error, {}};
  if (message.header.nlmsg_flags & NLM_F_ACK_TLVS) {
    // The refused request follows the number whole, unless the kernel says that it left all but its header
    // away.
    const std::size_t quoted =
        message.header.nlmsg_flags & NLM_F_CAPPED ? sizeof(nlmsghdr) : error.msg.nlmsg_len;
    const std::size_t skip = sizeof(error.error) + NLMSG_ALIGN(quoted);
    if (skip < message.payload.size()) answer.text = extended_text(message.payload.subspan(skip));
  }
  return answer;
}

KernelAnswer read_dump_end(const MessageView& message) {
  KernelAnswer answer{-message.fixed<int>(), {}};
  if (message.header.nlmsg_flags & NLM_F_ACK_TLVS) answer.text = extended_text(message.after<int>());
  return answer;
}

Error make_error(const KernelAnswer& answer, std::string_view operation) {
  if (answer.text.empty()) return Error::from_errno(answer.sys_errno, operation);
  return Error::from_errno(answer.sys_errno, fmt::format("{}: {}", operation, answer.text));
}

Status receive_removal(NetlinkSocket& socket, std::uint32_t sequence, std::string_view operation) {
  for (;;) {
    TOWPATH_TRY(auto datagram, socket.receive_answer());
    while (const auto message = next_message(datagram)) {
      if (message->header.nlmsg_seq != sequence || message->header.nlmsg_type != NLMSG_ERROR) continue;
      const KernelAnswer answer = read_answer(*message);
      if (answer.sys_errno == 0 || answer.sys_errno == ENOENT) return {};
      return std::unexpected(make_error(answer, operation));
    }
  }
}

std::string describe_request(const MessageView& request) {
  const bool create = request.header.nlmsg_flags & NLM_F_CREATE;
  switch (request.header.nlmsg_type) {
    case RTM_NEWLINK: return describe_link(request, create ? "create" : "set");
    case RTM_DELLINK: return describe_link(request, "delete");
    case RTM_GETLINK: return describe_link(request, "find");
    case RTM_NEWADDR: return describe_address(request, "add");
    case RTM_DELADDR: return describe_address(request, "delete");
    case RTM_NEWNEIGH: return describe_neighbour(request, "set");
    case RTM_GETNEIGH: return describe_neighbour(request, "find");
    case RTM_DELNEIGH: return describe_neighbour(request, "delete");
    case RTM_NEWROUTE:
      return describe_route(request, request.header.nlmsg_flags & NLM_F_REPLACE ? "replace" : "add");
    case RTM_DELROUTE: return describe_route(request, "delete");
    case RTM_NEWNEXTHOP:
      return describe_next_hop(request, request.header.nlmsg_flags & NLM_F_REPLACE ? "replace" : "add");
    case RTM_DELNEXTHOP: return describe_next_hop(request, "delete");
    case RTM_NEWQDISC: return describe_traffic_control(request, "set queueing discipline");
    case RTM_GETQDISC: return describe_traffic_control(request, "find queueing discipline");
    case RTM_NEWTFILTER: return describe_traffic_control(request, "add filter");
    default: return fmt::format("request of type {}", request.header.nlmsg_type);
  }
}

}  // namespace towpath::netlink
