// CHECK: section 2 "CHECK". Each sabotage is done behind the plugin's back, as an administrator's slip would
// be.
#include <fmt/format.h>

#include <algorithm>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

Outcome right_after_add(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(expect_success_without_output(trial.call("CHECK", a), "CHECK right after ADD"));
  return "success without output";
}

Outcome changes_nothing(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView host = trial.host(), inside = trial.inside(a);
  (void)trial.call("CHECK", a);
  const std::string change = host.change_to(trial.host()) + inside.change_to(trial.inside(a));
  TOWPATH_TRY_STATUS(expect(change.empty(), change));
  return "host and sandbox unchanged";
}

// CHECK has to succeed before the sabotage and to fail after it.
Outcome notices(Trial& trial, std::string_view what,
                const std::function<Checked<void>(Attachment&)>& sabotage, const Bend& bend = {}) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(trial.check(a));
  TOWPATH_TRY_STATUS(sabotage(a));
  const Reply reply = trial.call("CHECK", a, bend);
  TOWPATH_TRY_STATUS(expect_refused(reply, fmt::format("CHECK, {}", what)));
  return reply.summary();
}

Outcome interface_gone(Trial& trial) {
  return notices(trial, "interface deleted",
                 [&](Attachment& a) { return trial.ip(a.netns, {"link", "delete", a.ifname}); });
}

Outcome interface_down(Trial& trial) {
  return notices(trial, "interface set down",
                 [&](Attachment& a) { return trial.ip(a.netns, {"link", "set", a.ifname, "down"}); });
}

Checked<void> remove_addresses(Trial& trial, Attachment& a, bool v6) {
  std::size_t count = 0;
  for (const auto& address : trial.inside(a).addresses(a.ifname)) {
    if (is_v6(address) != v6) continue;
    TOWPATH_TRY_STATUS(trial.ip(a.netns, {"address", "delete", address, "dev", a.ifname}));
    ++count;
  }
  if (count == 0) return skipped(fmt::format("the interface has no IPv{} address", v6 ? 6 : 4));
  return {};
}

Outcome v4_address_gone(Trial& trial) {
  return notices(trial, "IPv4 address removed",
                 [&](Attachment& a) { return remove_addresses(trial, a, false); });
}
Outcome v6_address_gone(Trial& trial) {
  return notices(trial, "IPv6 address removed",
                 [&](Attachment& a) { return remove_addresses(trial, a, true); });
}

// Removes a route that the result names.
Checked<void> remove_route(Trial& trial, Attachment& a, bool v6) {
  for (const auto& each : list_at(a.result, "routes")) {
    const std::string destination = text_at(each, "dst");
    if (is_v6(destination) != v6) continue;
    return trial.ip(a.netns, {v6 ? "-6" : "-4", "route", "delete", destination});
  }
  return skipped(fmt::format("the result has no IPv{} route", v6 ? 6 : 4));
}

Outcome v4_route_gone(Trial& trial) {
  return notices(trial, "IPv4 route removed", [&](Attachment& a) { return remove_route(trial, a, false); });
}
Outcome v6_route_gone(Trial& trial) {
  return notices(trial, "IPv6 route removed", [&](Attachment& a) { return remove_route(trial, a, true); });
}

// Removes whatever this attachment put into the host's routing table.
Outcome host_route_gone(Trial& trial) {
  TOWPATH_TRY(auto first, trial.added());
  const KernelView before = trial.host();
  return notices(trial, "host's route to the container removed", [&](Attachment&) -> Checked<void> {
    const KernelView now = trial.host();
    for (const auto& route : now.routes()) {
      const bool old = std::ranges::any_of(before.routes(), [&](const Route& r) {
        return r.destination == route.destination && r.device == route.device;
      });
      if (old) continue;
      return trial.ip("",
                      {route.is_v6 ? "-6" : "-4", "route", "delete", route.destination, "dev", route.device});
    }
    return skipped("ADD makes no route on the host");
  });
}

Checked<std::string> host_link_of(const Attachment& a, const KernelView& host) {
  for (const auto& each : list_at(a.result, "interfaces")) {
    const std::string name = text_at(each, "name");
    const json* link = text_at(each, "sandbox").empty() ? host.link(name) : nullptr;
    if (link != nullptr && text_at(object_at(*link, "linkinfo"), "info_kind") == "veth") return name;
  }
  return skipped("the result has no veth on the host");
}

Outcome host_link_down(Trial& trial) {
  return notices(trial, "host's end set down", [&](Attachment& a) -> Checked<void> {
    TOWPATH_TRY(const std::string name, host_link_of(a, trial.host()));
    return trial.ip("", {"link", "set", name, "down"});
  });
}

Outcome host_link_detached(Trial& trial) {
  return notices(trial, "host's end taken out of its bridge", [&](Attachment& a) -> Checked<void> {
    const KernelView host = trial.host();
    TOWPATH_TRY(const std::string name, host_link_of(a, host));
    if (text_at(*host.link(name), "master").empty()) return skipped("the host's end is in no bridge");
    return trial.ip("", {"link", "set", name, "nomaster"});
  });
}

// The result handed to CHECK is what counts, so one that is not true must be found out.
Outcome doubts(Trial& trial, std::string_view what, const std::function<bool(json&)>& alter) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(trial.check(a));
  Attachment altered = a;
  if (!alter(altered.result)) return skipped("the result has nothing to alter");
  const Reply reply = trial.call("CHECK", altered);
  TOWPATH_TRY_STATUS(expect_refused(reply, fmt::format("CHECK, {}", what)));
  return reply.summary();
}

Outcome wrong_mac(Trial& trial) {
  return doubts(trial, "prevResult with another MAC", [](json& result) {
    for (auto& each : result["interfaces"]) {
      if (!text_at(each, "sandbox").empty()) return each["mac"] = "02:00:5e:00:53:77", true;
    }
    return false;
  });
}

Outcome wrong_address(Trial& trial) {
  return doubts(trial, "prevResult with an address that is not there", [](json& result) {
    for (auto& each : result["ips"]) {
      if (!is_v6(text_at(each, "address"))) return each["address"] = "198.51.100.99/32", true;
    }
    return false;
  });
}

Outcome needs_previous_result(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const Reply reply = trial.call("CHECK", a, [](Request& r) { r.config.erase("prevResult"); });
  TOWPATH_TRY_STATUS(expect_refused(reply, "CHECK without prevResult"));
  return reply.summary();
}

Outcome old_version(Trial& trial) {
  if (!trial.subject().speaks("0.3.1")) return skipped("the plugin does not speak 0.3.1");
  trial.version = "0.3.1";
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(expect_code(trial.call("CHECK", a), {1}, "CHECK with version 0.3.1"));
  return "code 1";
}

// A later plugin of the chain (tuning, sbr, portmap...) may add to what is there, and tell so in the result.
Outcome tolerates_later_plugins(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"address", "add", "198.51.100.50/32", "dev", a.ifname}));
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"route", "add", "203.0.113.0/24", "dev", a.ifname}));
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"link", "add", "later0", "type", "bridge"}));
  Attachment later = a;
  later.result["interfaces"].push_back(
      {{"name", "later0"}, {"mac", trial.inside(a).mac("later0")}, {"sandbox", a.netns}});
  TOWPATH_TRY_STATUS(
      expect_success_without_output(trial.call("CHECK", later), "CHECK after a later plugin's work"));
  return "more address, route and interface";
}

Outcome tolerates_new_mac(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"link", "set", a.ifname, "address", "02:00:5e:00:53:42"}));
  Attachment later = a;
  for (auto& each : later.result["interfaces"]) {
    if (!text_at(each, "sandbox").empty()) each["mac"] = "02:00:5e:00:53:42";
  }
  TOWPATH_TRY_STATUS(
      expect_success_without_output(trial.call("CHECK", later), "CHECK with a MAC changed by tuning"));
  return "MAC changed in kernel and result";
}

Outcome after_del(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(trial.check(a));
  TOWPATH_TRY_STATUS(trial.del(a));
  TOWPATH_TRY_STATUS(expect_refused(trial.call("CHECK", a), "CHECK after DEL"));
  return "fails";
}

}  // namespace

std::vector<Requirement> check_requirements() {
  constexpr std::string_view kSince = "0.4.0";
  const auto row = [&](std::string_view id, Level level, unsigned kinds, std::string_view text,
                       Outcome (*check)(Trial&)) {
    return Requirement{id, "CHECK", "2 CHECK", level, kinds, kSince, Pool::kAny, text, check};
  };
  return {
      row("CHECK-01", Level::kMust, kAnyKind, "is a success right after ADD, without output",
          right_after_add),
      row("CHECK-02", Level::kMust, kAnyKind, "changes nothing", changes_nothing),
      row("CHECK-03", Level::kShould, kMain, "fails when the interface is gone", interface_gone),
      row("CHECK-04", Level::kShould, kMain, "fails when an IPv4 address is gone from the sandbox",
          v4_address_gone),
      row("CHECK-05", Level::kShould, kMain, "fails when an IPv6 address is gone from the sandbox",
          v6_address_gone),
      row("CHECK-06", Level::kShould, kMain, "fails when an IPv4 route of the result is gone", v4_route_gone),
      row("CHECK-07", Level::kShould, kMain, "fails when an IPv6 route of the result is gone", v6_route_gone),
      row("CHECK-08", Level::kShould, kMain, "fails when the host's route to the container is gone",
          host_route_gone),
      row("CHECK-09", Level::kShould, kMain, "fails when the interface is down", interface_down),
      row("CHECK-10", Level::kShould, kMain, "fails when the host's end is down", host_link_down),
      row("CHECK-11", Level::kShould, kMain, "fails when the host's end is no longer in its bridge",
          host_link_detached),
      row("CHECK-12", Level::kMust, kMain, "believes prevResult: fails when its MAC is not the interface's",
          wrong_mac),
      row("CHECK-13", Level::kMust, kMain, "believes prevResult: fails when its address is not there",
          wrong_address),
      row("CHECK-14", Level::kShould, kMain, "fails without prevResult", needs_previous_result),
      row("CHECK-15", Level::kMust, kAnyKind, "gives code 1 below version 0.4.0", old_version),
      row("CHECK-16", Level::kMust, kMain, "tolerates addresses, routes and interfaces of later plugins",
          tolerates_later_plugins),
      row("CHECK-17", Level::kMust, kMain, "tolerates a MAC that a later plugin set and reported",
          tolerates_new_mac),
      row("CHECK-18", Level::kShould, kMain | kIpam, "fails after DEL: the reservation is gone", after_del),
  };
}

}  // namespace towpath::conformance
