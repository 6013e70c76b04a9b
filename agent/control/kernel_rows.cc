#include "agent/control/kernel_rows.h"

#include <fmt/format.h>
#include <net/if.h>

#include <array>

#include "towpath/netlink/batch.h"

namespace towpath::agent {
namespace {

std::string_view type_name(netlink::RouteType type) {
  return type == netlink::RouteType::kBlackhole ? "blackhole"
         : type == netlink::RouteType::kUnicast ? "unicast"
                                                : "other";
}

// "via 192.0.2.2 dev eth0", "blackhole"; "" for nothing.
std::string text_of(const ForwardingPtr& forwarding, DeviceNames& devices) {
  if (!forwarding) return "";
  if (forwarding->next_hops.empty()) return std::string(type_name(forwarding->type));
  std::string text;
  for (const auto& hop : forwarding->next_hops) {
    if (!text.empty()) text += ", ";
    if (hop.via) text += fmt::format("via {}", hop.via->to_string());
    if (const std::string device = devices.name_for(hop); !device.empty())
      text += fmt::format(" dev {}", device);
  }
  return text;
}

std::string_view problem_of(const RouteRow& route) {
  if (!route.wanted) return "not wanted";
  return route.kernel ? "differs" : "missing in kernel";
}

}  // namespace

std::string DeviceNames::name_for(const netlink::NextHop& hop) {
  const auto [entry, is_new] = known_.try_emplace(hop);
  if (is_new) entry->second = look_up(hop);
  return entry->second;
}

std::string DeviceNames::look_up(const netlink::NextHop& hop) {
  IfIndex device = hop.device;
  if (!device && hop.via) {
    if (!socket_) {
      auto socket = netlink::NetlinkSocket::open();
      if (!socket) return "";
      socket_ = *std::move(socket);
    }
    netlink::Batch batch(*socket_);
    batch.get_route(*hop.via);
    const auto asked = batch.execute_all([&device](const netlink::MessageView& message) {
      const auto route = netlink::parse_route(message);
      if (route && !route->next_hops.empty()) device = route->next_hops.front().device;
    });
    if (!asked) return "";
  }
  std::array<char, IF_NAMESIZE> name{};
  return device && ::if_indextoname(device.value, name.data()) != nullptr ? name.data() : "";
}

bool KernelRows::next_slice(RowWriter& rows) {
  std::size_t seen = 0;
  const bool complete = routes_.walk(role_, next_, [&](const RouteRow& route) {
    next_ = route.prefix;  // where the next slice begins, if this one is full
    if (seen == kSliceEntries) return false;
    ++seen;
    if (query_.matches(route.prefix)) write(rows, route);
    return true;
  });
  if (!complete) return true;
  if (role_ == RouteRole::kLearned) return false;
  role_ = RouteRole::kLearned;
  next_ = Prefix();
  return true;
}

void KernelRows::write(RowWriter& rows, const RouteRow& route) {
  const std::string_view table = word_for(control::kRouteTables, query_.table);
  if (query_.table == control::RouteTable::kDiff) {
    // Leftovers of our predecessor are no difference while they may still be wanted: RouteRow::pending knows.
    if (!route.pending) return;
    rows.row([&](JsonWriter& json) {
      json.field("table", table)
          .field("family", format(route.prefix.family()))
          .field("prefix", route.prefix.to_string())
          .field("problem", problem_of(route))
          .field("wanted", text_of(route.wanted, devices_))
          .field("kernel", text_of(route.kernel, devices_))
          .field("metric", route.metric)
          .field("reason", route.reason);
    });
    return;
  }
  if (!route.kernel) return;
  rows.row([&](JsonWriter& json) {
    json.field("table", table)
        .field("family", format(route.prefix.family()))
        .field("prefix", route.prefix.to_string())
        .field("type", type_name(route.kernel->type))
        .field("metric", route.metric);
    json.key("next_hops").begin_array();
    for (const auto& hop : route.kernel->next_hops) {
      json.begin_object()
          .field("via", hop.via ? hop.via->to_string() : std::string())
          .field("device", devices_.name_for(hop))
          .end_object();
    }
    json.end_array();
  });
}

}  // namespace towpath::agent
