#include "towpath/netlink/rule_monitor.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

#include "netlink/message_reader.h"

namespace towpath::netlink {
namespace {

// The name of the table is the first attribute, of the same number for every kind of object in it.
constexpr std::uint16_t kTableName = NFTA_TABLE_NAME;
static_assert(kTableName == NFTA_CHAIN_TABLE && kTableName == NFTA_RULE_TABLE &&
              kTableName == NFTA_SET_TABLE && kTableName == NFTA_SET_ELEM_LIST_TABLE);

}  // namespace

bool RuleMonitor::is_about_our_table(const MessageView& message) const {
  if (message.header.nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES) return false;
  // The end of a transaction: who caused it, no table.
  if ((message.header.nlmsg_type & 0xFF) == NFT_MSG_NEWGEN) return false;
  if (message.fixed<nfgenmsg>().nfgen_family != NFPROTO_INET) return false;
  bool ours = false;
  for_each_attribute(message.after<nfgenmsg>(), [&](const AttributeView& attribute) {
    ours |= attribute.type == kTableName && attribute.text() == table_;
  });
  return ours;
}

Result<RuleMonitor> RuleMonitor::open(std::vector<std::uint32_t> own_ports, std::string table) {
  TOWPATH_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_NETFILTER, 4 << 20));
  TOWPATH_TRY_STATUS(socket.join(NFNLGRP_NFTABLES));
  return RuleMonitor(std::move(socket), std::move(own_ports), std::move(table));
}

Result<std::optional<std::uint32_t>> RuleMonitor::read() {
  std::optional<std::uint32_t> culprit;
  for (;;) {
    auto datagram = socket_.receive();
    if (!datagram) {
      if (datagram.error().sys_errno == EAGAIN) return culprit;
      if (datagram.error().sys_errno != ENOBUFS) return std::unexpected(std::move(datagram).error());
      culprit = culprit.value_or(0);
      continue;
    }
    while (const auto message = next_message(*datagram)) {
      const std::uint32_t port = message->header.nlmsg_pid;
      if (std::ranges::find(own_ports_, port) == own_ports_.end() && is_about_our_table(*message))
        culprit = port;
    }
  }
}

}  // namespace towpath::netlink
