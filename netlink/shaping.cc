#include "towpath/netlink/shaping.h"

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "towpath/netlink/batch.h"

namespace towpath::netlink {
namespace {

// The kernel's unit for times in struct tc_tbf_qopt (PSCHED_SHIFT).
constexpr std::uint64_t kNanosecondsPerTick = 64;
constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
// One filter for all packets, so any priority is the first.
constexpr std::uint32_t kPriority = 1;

tcmsg traffic_control(IfIndex device, std::uint32_t parent) {
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = static_cast<int>(device.value);
  header.tcm_parent = parent;
  return header;
}

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// tcm_info of a filter: its priority and, in network order, the protocol it is for.
std::uint32_t filter_info() {
  return TC_H_MAKE(kPriority << 16, htons(ETH_P_ALL));
}

std::optional<TokenBucket> parse_token_bucket(const MessageView& message) {
  TokenBucket bucket;
  std::uint64_t ticks = 0;
  bool is_tbf = false;
  std::span<const std::byte> options;
  for_each_attribute(message.after<tcmsg>(), [&](const AttributeView& attribute) {
    if (attribute.type == TCA_KIND) is_tbf = attribute.text() == "tbf";
    if (attribute.type == TCA_OPTIONS) options = attribute.payload;
  });
  if (!is_tbf) return std::nullopt;
  std::uint64_t rate64 = 0;
  for_each_attribute(options, [&](const AttributeView& attribute) {
    if (attribute.type == TCA_TBF_RATE64) rate64 = attribute.number<std::uint64_t>();
    if (attribute.type == TCA_TBF_PARMS) {
      const auto parameters = attribute.number<tc_tbf_qopt>();
      bucket.rate = parameters.rate.rate;
      bucket.queue = parameters.limit;
      ticks = parameters.buffer;
    }
  });
  if (rate64 != 0) bucket.rate = rate64;
  const auto burst =
      static_cast<unsigned __int128>(ticks) * kNanosecondsPerTick * bucket.rate / kNanosecondsPerSecond;
  bucket.burst = static_cast<std::uint32_t>(
      std::min<unsigned __int128>(burst, std::numeric_limits<std::uint32_t>::max()));
  return bucket;
}

// The target of the first mirred action below a u32 filter: options, actions, action, its options,
// parameters.
IfIndex parse_redirection(const MessageView& message) {
  IfIndex target{};
  const auto parameters = [&](const AttributeView& field) {
    if (field.type != TCA_MIRRED_PARMS) return;
    const auto mirred = field.number<tc_mirred>();
    if (mirred.eaction == TCA_EGRESS_REDIR) target = IfIndex{mirred.ifindex};
  };
  const auto action = [&](const AttributeView& element) {
    for_each_attribute(element.payload, [&](const AttributeView& field) {
      if (field.type == TCA_ACT_OPTIONS) for_each_attribute(field.payload, parameters);
    });
  };
  for_each_attribute(message.after<tcmsg>(), [&](const AttributeView& attribute) {
    if (attribute.type != TCA_OPTIONS) return;
    for_each_attribute(attribute.payload, [&](const AttributeView& option) {
      if (option.type == TCA_U32_ACT) for_each_attribute(option.payload, action);
    });
  });
  return target;
}

}  // namespace

TokenBucket TokenBucket::of_bits(std::uint64_t bits_per_second, std::uint64_t burst_bits) {
  constexpr std::uint64_t kSmallestQueue = 16 * 1024;
  constexpr std::uint64_t kQueuedPerSecond = 20;  // 50 ms each
  constexpr std::uint64_t kLargest = std::numeric_limits<std::uint32_t>::max();
  TokenBucket bucket;
  bucket.rate = bits_per_second / 8;
  bucket.burst = static_cast<std::uint32_t>(std::min(burst_bits / 8, kLargest));
  const std::uint64_t queue = bucket.burst + std::max(bucket.rate / kQueuedPerSecond, kSmallestQueue);
  bucket.queue = static_cast<std::uint32_t>(std::min(queue, kLargest));
  return bucket;
}

bool TokenBucket::is_kept_by(const TokenBucket& actual) const {
  if (rate != actual.rate || queue != actual.queue) return false;
  const auto time = static_cast<unsigned __int128>(burst) * kNanosecondsPerSecond / rate;
  // A burst that takes minutes does not fit the kernel's answer, which then says nothing.
  if (time / kNanosecondsPerTick > std::numeric_limits<std::uint32_t>::max()) return true;
  const std::uint64_t unit = kNanosecondsPerTick * rate / kNanosecondsPerSecond + 1;
  const std::uint64_t difference = burst > actual.burst ? burst - actual.burst : actual.burst - burst;
  return difference <= 2 * unit + burst / 1000;
}

std::size_t Batch::create_ifb(std::string_view name) {
  const std::size_t index = open_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  MessageWriter writer(buffer_);
  writer.fixed(ifinfomsg{});
  writer.text(IFLA_IFNAME, name);
  writer.number(IFLA_NUM_TX_QUEUES, std::uint32_t{1});
  writer.number(IFLA_NUM_RX_QUEUES, std::uint32_t{1});
  const std::size_t info = writer.nest(IFLA_LINKINFO);
  writer.text(IFLA_INFO_KIND, "ifb");
  writer.end_nest(info);
  close_request();
  return index;
}

std::size_t Batch::set_token_bucket(IfIndex device, const TokenBucket& bucket) {
  const std::size_t index = open_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
  MessageWriter writer(buffer_);
  writer.fixed(traffic_control(device, TC_H_ROOT));
  writer.text(TCA_KIND, "tbf");
  const std::size_t options = writer.nest(TCA_OPTIONS);
  tc_tbf_qopt parameters{};
  // Told the link layer, the kernel computes by itself and wants no table of transmission times.
  parameters.rate.linklayer = TC_LINKLAYER_ETHERNET;
  parameters.rate.rate = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(bucket.rate, std::numeric_limits<std::uint32_t>::max()));
  parameters.limit = bucket.queue;
  writer.attribute(TCA_TBF_PARMS, bytes_of(parameters));
  writer.number(TCA_TBF_BURST, bucket.burst);
  if (bucket.rate > std::numeric_limits<std::uint32_t>::max()) writer.number(TCA_TBF_RATE64, bucket.rate);
  writer.end_nest(options);
  close_request();
  return index;
}

std::size_t Batch::redirect_incoming(IfIndex device, IfIndex target) {
  open_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
  MessageWriter writer(buffer_);
  tcmsg ingress = traffic_control(device, TC_H_INGRESS);
  ingress.tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0);
  writer.fixed(ingress);
  writer.text(TCA_KIND, "ingress");
  close_request();

  const std::size_t index = open_request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL);
  tcmsg filter = traffic_control(device, TC_H_MAKE(TC_H_INGRESS, 0));
  filter.tcm_info = filter_info();
  writer.fixed(filter);
  writer.text(TCA_KIND, "u32");
  const std::size_t options = writer.nest(TCA_OPTIONS);
  // One key with an empty mask: every packet.
  tc_u32_sel selector{};
  selector.flags = TC_U32_TERMINAL;
  selector.nkeys = 1;
  std::array<std::byte, sizeof(tc_u32_sel) + sizeof(tc_u32_key)> selector_and_key{};
  std::memcpy(selector_and_key.data(), &selector, sizeof selector);
  writer.attribute(TCA_U32_SEL, std::span<const std::byte>(selector_and_key));
  const std::size_t actions = writer.nest(TCA_U32_ACT);
  const std::size_t action = writer.nest(1);  // the first in order
  writer.text(TCA_ACT_KIND, "mirred");
  const std::size_t action_options = writer.nest(TCA_ACT_OPTIONS);
  tc_mirred mirred{};
  mirred.action = TC_ACT_STOLEN;
  mirred.eaction = TCA_EGRESS_REDIR;
  mirred.ifindex = target.value;
  writer.attribute(TCA_MIRRED_PARMS, bytes_of(mirred));
  writer.end_nest(action_options);
  writer.end_nest(action);
  writer.end_nest(actions);
  writer.end_nest(options);
  close_request();
  return index;
}

std::size_t Batch::get_root_discipline(IfIndex device) {
  // Kernels before 6.9 answer this as they tell listeners of a change; the asker hears it only when it wants
  // its echo.
  const std::size_t index = open_request(RTM_GETQDISC, NLM_F_ECHO);
  MessageWriter(buffer_).fixed(traffic_control(device, TC_H_ROOT));
  close_request();
  return index;
}

Result<std::optional<TokenBucket>> find_token_bucket(NetlinkSocket& socket, IfIndex device) {
  std::optional<TokenBucket> bucket;
  Batch batch(socket);
  batch.get_root_discipline(device);
  TOWPATH_TRY(auto failures, batch.execute_all([&](const MessageView& reply) {
    if (reply.header.nlmsg_type == RTM_NEWQDISC) bucket = parse_token_bucket(reply);
  }));
  // ENOENT: nothing but what every interface has from the start.
  if (failures.empty() || failures.front().error.sys_errno == ENOENT) return bucket;
  return std::unexpected(std::move(failures.front().error));
}

Result<std::optional<IfIndex>> find_redirection(NetlinkSocket& socket, IfIndex device) {
  std::vector<std::byte> request;
  MessageWriter writer(request);
  writer.begin(RTM_GETTFILTER, NLM_F_REQUEST | NLM_F_DUMP, 0);
  writer.fixed(traffic_control(device, TC_H_MAKE(TC_H_INGRESS, 0)));
  writer.end();
  std::optional<IfIndex> target;
  TOWPATH_TRY_STATUS(socket.dump(
      request, "dump filters", [&] { target.reset(); },
      [&](const MessageView& message) {
        if (message.header.nlmsg_type != RTM_NEWTFILTER) return;
        if (const IfIndex found = parse_redirection(message); found) target = found;
      }));
  return target;
}

}  // namespace towpath::netlink
