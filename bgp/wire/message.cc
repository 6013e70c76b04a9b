#include "bgp/wire/message.h"

#include <algorithm>

namespace towpath::bgp {
namespace {

void clear_attributes(PathAttributes& attributes) {
  attributes.origin = Origin::kIgp;
  attributes.as_path.segments.clear();
  attributes.next_hop = {};
  attributes.med.reset();
  attributes.local_pref.reset();
  attributes.atomic_aggregate = false;
  attributes.aggregator.reset();
  attributes.originator_id.reset();
  attributes.cluster_list.clear();
  attributes.communities.clear();
  attributes.extended_communities.clear();
  attributes.large_communities.clear();
  attributes.only_to_customer.reset();
  attributes.unknown.clear();
}

}  // namespace

void UpdateMessage::clear() {
  for (const Family family : kAllFamilies) {
    unreach[index(family)].family = family;
    unreach[index(family)].nlri.clear();
  }
  for (Reach& part : reach) {
    part.family = Family::kIpv4Unicast;
    part.next_hop = {};
    part.nlri.clear();
  }
  clear_attributes(attributes);
  end_of_rib.reset();
  problems.clear();
}

void UpdateMessage::forget_unused() {
  for (Reach& part : reach) {
    if (!part.nlri.empty()) continue;
    part.family = Family::kIpv4Unicast;
    part.next_hop = {};
  }
  if (!announces()) clear_attributes(attributes);
}

bool UpdateMessage::treated_as_withdraw() const {
  return std::ranges::any_of(problems,
                             [](const DecodeError& e) { return e.disposition == Disposition::kWithdraw; });
}

MessageType type_of(const Message& message) {
  struct Visitor {
    MessageType operator()(const OpenMessage&) const { return MessageType::kOpen; }
    MessageType operator()(const UpdateMessage&) const { return MessageType::kUpdate; }
    MessageType operator()(const NotificationMessage&) const { return MessageType::kNotification; }
    MessageType operator()(const KeepaliveMessage&) const { return MessageType::kKeepalive; }
    MessageType operator()(const RouteRefreshMessage&) const { return MessageType::kRouteRefresh; }
  };
  return std::visit(Visitor{}, message);
}

std::string_view format(MessageType type) {
  switch (type) {
    case MessageType::kOpen: return "OPEN";
    case MessageType::kUpdate: return "UPDATE";
    case MessageType::kNotification: return "NOTIFICATION";
    case MessageType::kKeepalive: return "KEEPALIVE";
    case MessageType::kRouteRefresh: return "ROUTE-REFRESH";
  }
  return "unknown";
}

}  // namespace towpath::bgp
