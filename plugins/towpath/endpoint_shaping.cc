#include "plugins/towpath/endpoint_shaping.h"

#include <fmt/format.h>

#include "towpath/ipam/endpoint_names.h"
#include "towpath/netlink/batch.h"
#include "towpath/netlink/shaping.h"

namespace towpath::cni {
namespace {

using netlink::TokenBucket;

Result<IfIndex> create_ifb(netlink::NetlinkSocket& host, const std::string& name) {
  IfIndex index{};
  netlink::Batch batch(host);
  batch.create_ifb(name);
  batch.get_link(name);
  TOWPATH_TRY(auto failures, batch.execute_all([&](const netlink::MessageView& reply) {
    index = netlink::parse_link(reply).index;
  }));
  if (!failures.empty()) return std::unexpected(std::move(failures.front().error));
  return index;
}

// One that is there already was left by an ADD of this attachment that was killed in a sandbox which is gone.
Result<IfIndex> create_ifb_anew(netlink::NetlinkSocket& host, const EndpointPlan& plan) {
  const std::string name = ipam::shaping_ifname(plan.attachment);
  auto index = create_ifb(host, name);
  if (index || index.error().kind != ErrorKind::kExists) return index;
  TOWPATH_TRY_STATUS(remove_shaping(host, plan.attachment));
  return create_ifb(host, name);
}

CniStatus check_bucket(netlink::NetlinkSocket& host, const netlink::Link& link, std::uint64_t rate,
                       std::uint64_t burst) {
  TOWPATH_CNI_TRY(const auto actual, netlink::find_token_bucket(host, link.index));
  if (!actual) {
    return cni_fail(CniCode::kCheckFailed,
                    fmt::format("the token bucket of {} bits/s on {} is gone", rate, link.name));
  }
  const TokenBucket wanted = TokenBucket::of_bits(rate, burst);
  if (wanted.is_kept_by(*actual)) return {};
  return cni_fail(
      CniCode::kCheckFailed,
      fmt::format(
          "the token bucket on {} has {} bytes/s, burst {}, queue {}, not {} bytes/s, burst {}, queue {}",
          link.name, actual->rate, actual->burst, actual->queue, wanted.rate, wanted.burst, wanted.queue));
}

}  // namespace

CniStatus make_shaping(netlink::NetlinkSocket& host, IfIndex device, const EndpointPlan& plan,
                       Rollback& rollback) {
  const ipam::Bandwidth& asked = plan.bandwidth;
  IfIndex ifb{};
  if (asked.egress_rate != 0) {
    TOWPATH_CNI_TRY(ifb, create_ifb_anew(host, plan));
    rollback.push([&host, ifb] {
      netlink::Batch remove(host);
      remove.delete_link(ifb);
      static_cast<void>(remove.execute());  // what stays is found by name by DEL or GC
    });
  }
  netlink::Batch batch(host);
  if (asked.ingress_rate != 0) {
    batch.set_token_bucket(device, TokenBucket::of_bits(asked.ingress_rate, asked.ingress_burst));
  }
  if (ifb) {
    batch.set_link(ifb, {.alias = plan.attachment.to_string(), .no_ipv6_link_local = true, .up = true});
    batch.set_token_bucket(ifb, TokenBucket::of_bits(asked.egress_rate, asked.egress_burst));
    batch.redirect_incoming(device, ifb);
  }
  TOWPATH_CNI_TRY_STATUS(batch.execute());
  return {};
}

CniStatus check_shaping(netlink::NetlinkSocket& host, const netlink::Link& device, const EndpointPlan& plan) {
  const ipam::Bandwidth& asked = plan.bandwidth;
  if (asked.ingress_rate != 0) {
    TOWPATH_TRY_STATUS(check_bucket(host, device, asked.ingress_rate, asked.ingress_burst));
  }
  if (asked.egress_rate == 0) return {};
  const std::string name = ipam::shaping_ifname(plan.attachment);
  const auto ifb = netlink::find_link(host, name);
  if (!ifb && ifb.error().kind == ErrorKind::kNotFound) {
    return cni_fail(CniCode::kCheckFailed, fmt::format("interface {} on the host is gone", name));
  }
  if (!ifb) return std::unexpected(to_cni_error(ifb.error()));
  if (!ifb->up) return cni_fail(CniCode::kCheckFailed, fmt::format("interface {} on the host is down", name));
  TOWPATH_CNI_TRY(const auto target, netlink::find_redirection(host, device.index));
  if (target != ifb->index) {
    return cni_fail(CniCode::kCheckFailed,
                    fmt::format("what comes in by {} is not redirected to {}", device.name, name));
  }
  return check_bucket(host, *ifb, asked.egress_rate, asked.egress_burst);
}

}  // namespace towpath::cni
