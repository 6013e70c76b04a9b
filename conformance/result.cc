// What ADD prints: section 5 "ADD Success", each older version's shape, and the kernel as the witness.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "conformance/trial.h"
#include "towpath/base/prefix.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

const json* container_interface(const Attachment& a) {
  for (const auto& each : list_at(a.result, "interfaces")) {
    if (text_at(each, "name") == a.ifname && text_at(each, "sandbox") == a.netns) return &each;
  }
  return nullptr;
}

bool is_on_host(const json& interface) {
  return text_at(interface, "sandbox").empty();
}

// An address as the kernel prints it, so that texts can be compared.
std::string canonical(const std::string& address) {
  const auto parsed = InterfaceAddress::parse(address);
  return parsed ? parsed->to_string() : "malformed " + address;
}
std::string canonical_ip(const std::string& text) {
  const auto parsed = IpAddress::parse(text);
  return parsed ? parsed->to_string() : "malformed " + text;
}

Outcome echoes_version(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const std::string got = text_at(a.result, "cniVersion");
  TOWPATH_TRY_STATUS(expect(got == trial.version, fmt::format("asked {}, got '{}'", trial.version, got)));
  return got;
}

Outcome lists_container_interface(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(expect(container_interface(a) != nullptr,
                            fmt::format("no interface {} with sandbox {} in {}", a.ifname, a.netns,
                                        list_at(a.result, "interfaces").dump())));
  return "name and sandbox as given";
}

Outcome lists_host_interfaces(Trial& trial) {
  const KernelView before = trial.host();
  TOWPATH_TRY(auto a, trial.added());
  std::vector<std::string> made;
  for (const auto& name : trial.host().link_names()) {
    if (before.link(name) != nullptr) continue;
    made.push_back(name);
    const bool listed = std::ranges::any_of(list_at(a.result, "interfaces"), [&](const json& each) {
      return text_at(each, "name") == name && is_on_host(each);
    });
    TOWPATH_TRY_STATUS(expect(listed, fmt::format("{} was made on the host and is not listed", name)));
  }
  return made.empty() ? "none was made on the host" : fmt::format("{}", fmt::join(made, " "));
}

Outcome lists_only_real_interfaces(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView host = trial.host(), inside = trial.inside(a);
  for (const auto& each : list_at(a.result, "interfaces")) {
    const std::string name = text_at(each, "name");
    const KernelView& where = is_on_host(each) ? host : inside;
    TOWPATH_TRY_STATUS(expect(where.link(name) != nullptr, "there is no interface " + each.dump()));
  }
  return fmt::format("{} interfaces", list_at(a.result, "interfaces").size());
}

Outcome macs_are_true(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView host = trial.host(), inside = trial.inside(a);
  for (const auto& each : list_at(a.result, "interfaces")) {
    const std::string name = text_at(each, "name");
    const std::string kernel = (is_on_host(each) ? host : inside).mac(name);
    TOWPATH_TRY_STATUS(
        expect(text_at(each, "mac") == kernel,
               fmt::format("{}: result says '{}', kernel says '{}'", name, text_at(each, "mac"), kernel)));
  }
  return "equal to the kernel's";
}

Outcome mtus_are_true(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView host = trial.host(), inside = trial.inside(a);
  for (const auto& each : list_at(a.result, "interfaces")) {
    const std::string name = text_at(each, "name");
    const json* link = (is_on_host(each) ? host : inside).link(name);
    TOWPATH_TRY_STATUS(
        expect(each.contains("mtu") && each["mtu"].is_number_unsigned(), "no mtu: " + each.dump()));
    TOWPATH_TRY_STATUS(
        expect(link != nullptr && link->value("mtu", 0U) == each["mtu"].get<unsigned>(),
               fmt::format("{}: the kernel has another MTU than {}", name, each["mtu"].dump())));
  }
  return "equal to the kernel's";
}

Outcome addresses_are_there(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView inside = trial.inside(a);
  const json& interfaces = list_at(a.result, "interfaces");
  TOWPATH_TRY_STATUS(expect(!list_at(a.result, "ips").empty(), "no ips in " + a.result.dump()));
  for (const auto& each : list_at(a.result, "ips")) {
    const std::string address = canonical(text_at(each, "address"));
    const bool has_index = each.contains("interface") && each["interface"].is_number_integer();
    TOWPATH_TRY_STATUS(expect(has_index, "no interface index: " + each.dump()));
    const auto index = each["interface"].get<std::int64_t>();
    TOWPATH_TRY_STATUS(expect(index >= 0 && index < static_cast<std::int64_t>(interfaces.size()),
                              "interface index out of range: " + each.dump()));
    const json& interface = interfaces[static_cast<std::size_t>(index)];
    if (is_on_host(interface)) continue;
    const auto kernel = inside.addresses(text_at(interface, "name"), true);
    TOWPATH_TRY_STATUS(expect(std::ranges::find(kernel, address) != kernel.end(),
                              fmt::format("{} is not on {}, which has {}", address,
                                          text_at(interface, "name"), fmt::join(kernel, " "))));
  }
  return fmt::format("{}", fmt::join(addresses_of(a.result), " "));
}

Outcome addresses_are_complete(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  std::set<std::string> listed;
  for (const auto& address : addresses_of(a.result)) listed.insert(canonical(address));
  const auto kernel = trial.inside(a).addresses(a.ifname);
  for (const auto& address : kernel) {
    TOWPATH_TRY_STATUS(
        expect(listed.contains(address), address + " is on the interface and not in the result"));
  }
  return fmt::format("{} addresses", kernel.size());
}

Outcome addresses_are_well_formed(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  for (const auto& each : list_at(a.result, "ips")) {
    const auto address = InterfaceAddress::parse(text_at(each, "address"));
    TOWPATH_TRY_STATUS(expect(address.has_value(), "no address in CIDR notation: " + each.dump()));
    if (!each.contains("gateway")) continue;
    const auto gateway = IpAddress::parse(text_at(each, "gateway"));
    TOWPATH_TRY_STATUS(expect(gateway && gateway->family() == address->address.family(),
                              "the gateway is no address of the same family: " + each.dump()));
  }
  return "CIDR, gateways of the same family";
}

Outcome routes_are_there(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView inside = trial.inside(a);
  std::size_t count = 0;
  for (const auto& each : list_at(a.result, "routes")) {
    const auto destination = Prefix::parse(text_at(each, "dst"));
    TOWPATH_TRY_STATUS(expect(destination.has_value(), "dst is no prefix: " + each.dump()));
    const std::string gateway = text_at(each, "gw").empty() ? "" : canonical_ip(text_at(each, "gw"));
    const bool found = std::ranges::any_of(inside.routes(), [&](const Route& route) {
      return route.destination == destination->to_string() && (gateway.empty() || route.gateway == gateway);
    });
    TOWPATH_TRY_STATUS(expect(found, "not in the kernel: " + each.dump()));
    ++count;
  }
  if (count == 0) return skipped("the result has no routes");
  return fmt::format("{} routes", count);
}

Outcome default_route_is_listed(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView inside = trial.inside(a);
  for (const auto& route : inside.routes()) {
    if (!route.destination.ends_with("/0")) continue;
    const bool listed = std::ranges::any_of(list_at(a.result, "routes"), [&](const json& each) {
      return text_at(each, "dst") == route.destination;
    });
    TOWPATH_TRY_STATUS(expect(listed, route.destination + " is in the sandbox and not in the result"));
  }
  return "every default route of the sandbox";
}

Outcome dns_has_shape(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const auto dns = a.result.find("dns");
  if (dns == a.result.end()) return "absent";
  TOWPATH_TRY_STATUS(expect(dns->is_object(), "dns is no object: " + dns->dump()));
  for (const char* key : {"nameservers", "search", "options"}) {
    TOWPATH_TRY_STATUS(expect(!dns->contains(key) || (*dns)[key].is_array(), "not a list: " + dns->dump()));
  }
  TOWPATH_TRY_STATUS(expect(!dns->contains("domain") || (*dns)["domain"].is_string(), dns->dump()));
  return dns->dump();
}

Outcome ipam_is_abbreviated(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(
      expect(list_at(a.result, "interfaces").empty(), "it has interfaces: " + a.result.dump()));
  for (const auto& each : list_at(a.result, "ips")) {
    TOWPATH_TRY_STATUS(expect(!each.contains("interface"), "an address has an interface: " + each.dump()));
  }
  return "no interfaces";
}

// Until 0.2.0: ip4 and ip6, one each, and nothing of interfaces.
Checked<void> has_oldest_shape(const json& result) {
  TOWPATH_TRY_STATUS(
      expect(result.contains("ip4") || result.contains("ip6"), "neither ip4 nor ip6: " + result.dump()));
  for (const char* key : {"ip4", "ip6"}) {
    if (!result.contains(key)) continue;
    const auto address = InterfaceAddress::parse(text_at(result[key], "ip"));
    TOWPATH_TRY_STATUS(
        expect(address && address->address.is_v6() == (key[2] == '6'), "wrong 'ip': " + result.dump()));
  }
  return expect(!result.contains("ips") && !result.contains("interfaces"),
                "has keys of 0.3.0: " + result.dump());
}

Checked<void> has_list_shape(const json& result, std::string_view version) {
  TOWPATH_TRY_STATUS(expect(!list_at(result, "ips").empty(), "no ips: " + result.dump()));
  TOWPATH_TRY_STATUS(
      expect(!result.contains("ip4") && !result.contains("ip6"), "has ip4 or ip6: " + result.dump()));
  const bool says_family = compare_versions(version, "0.4.0") <= 0;
  for (const auto& each : list_at(result, "ips")) {
    const std::string wanted = !says_family ? "" : is_v6(text_at(each, "address")) ? "6" : "4";
    TOWPATH_TRY_STATUS(expect(text_at(each, "version") == wanted,
                              fmt::format("'version' should be '{}': {}", wanted, each.dump())));
  }
  if (compare_versions(version, "1.1.0") >= 0) return {};
  for (const auto& each : list_at(result, "interfaces")) {
    for (const char* key : {"mtu", "socketPath", "pciID"}) {
      TOWPATH_TRY_STATUS(expect(!each.contains(key), fmt::format("'{}' is of 1.1.0: {}", key, each.dump())));
    }
  }
  for (const auto& each : list_at(result, "routes")) {
    for (const char* key : {"mtu", "advmss", "priority", "table", "scope"}) {
      TOWPATH_TRY_STATUS(expect(!each.contains(key), fmt::format("'{}' is of 1.1.0: {}", key, each.dump())));
    }
  }
  return {};
}

Outcome serves(Trial& trial, std::string_view version) {
  if (!trial.subject().speaks(version))
    return skipped("VERSION does not list it, or an older one was asked for");
  trial.version = version;
  TOWPATH_TRY(auto a, trial.added());
  // The key is newer than 0.2.0's results, but every writer of that time put it in.
  TOWPATH_TRY_STATUS(expect(text_at(a.result, "cniVersion") == version,
                            fmt::format("cniVersion is '{}'", text_at(a.result, "cniVersion"))));
  const bool oldest = compare_versions(version, "0.2.0") <= 0;
  TOWPATH_TRY_STATUS(oldest ? has_oldest_shape(a.result) : has_list_shape(a.result, version));
  TOWPATH_TRY_STATUS(trial.del(a));
  return fmt::format("{}", fmt::join(addresses_of(a.result), " "));
}

Outcome serves_010(Trial& t) {
  return serves(t, "0.1.0");
}
Outcome serves_020(Trial& t) {
  return serves(t, "0.2.0");
}
Outcome serves_030(Trial& t) {
  return serves(t, "0.3.0");
}
Outcome serves_031(Trial& t) {
  return serves(t, "0.3.1");
}
Outcome serves_040(Trial& t) {
  return serves(t, "0.4.0");
}
Outcome serves_100(Trial& t) {
  return serves(t, "1.0.0");
}
Outcome serves_110(Trial& t) {
  return serves(t, "1.1.0");
}

}  // namespace

std::vector<Requirement> result_requirements() {
  return {
      {"RESULT-01", "ADD", "5 ADD Success", Level::kMust, kAnyKind, "", Pool::kAny,
       "cniVersion is the one of the request", echoes_version},
      {"RESULT-02", "ADD", "5 ADD Success", Level::kMust, kMain | kMeta, "0.3.0", Pool::kAny,
       "interfaces has CNI_IFNAME with sandbox equal to CNI_NETNS", lists_container_interface},
      {"RESULT-03", "ADD", "5 ADD Success", Level::kMust, kMain, "0.3.0", Pool::kAny,
       "interfaces has every link made on the host, without sandbox", lists_host_interfaces},
      {"RESULT-04", "ADD", "5 ADD Success", Level::kMust, kMain | kMeta, "0.3.0", Pool::kAny,
       "every listed interface exists where the result says", lists_only_real_interfaces},
      {"RESULT-05", "ADD", "5 ADD Success", Level::kMust, kMain | kMeta, "0.3.0", Pool::kAny,
       "mac is the kernel's, for every interface", macs_are_true},
      {"RESULT-06", "ADD", "5 ADD Success", Level::kMust, kMain | kMeta, "1.1.0", Pool::kAny,
       "mtu is given and is the kernel's, for every interface", mtus_are_true},
      {"RESULT-07", "ADD", "5 ADD Success", Level::kMust, kMain | kMeta, "0.3.0", Pool::kAny,
       "every address has an interface index and is on that interface", addresses_are_there},
      {"RESULT-08", "ADD", "5 ADD Success", Level::kMust, kMain | kMeta, "", Pool::kAny,
       "every global address of the interface is in ips", addresses_are_complete},
      {"RESULT-09", "ADD", "5 ADD Success", Level::kMust, kAnyKind, "0.3.0", Pool::kAny,
       "addresses are in CIDR notation, gateways of the same family", addresses_are_well_formed},
      {"RESULT-10", "ADD", "5 ADD Success", Level::kMust, kMain | kMeta, "0.3.0", Pool::kAny,
       "every route of the result is in the sandbox", routes_are_there},
      {"RESULT-11", "ADD", "5 ADD Success", Level::kMust, kMain | kMeta, "0.3.0", Pool::kAny,
       "every default route of the sandbox is in the result", default_route_is_listed},
      {"RESULT-12", "ADD", "5 ADD Success", Level::kMust, kAnyKind, "", Pool::kAny,
       "dns, when given, is an object of lists and a domain", dns_has_shape},
      {"RESULT-13", "ADD", "5 Delegated plugins", Level::kMust, kIpam, "0.3.0", Pool::kAny,
       "an IPAM result has no interfaces and no interface index", ipam_is_abbreviated},
      {"RESULT-14", "ADD", "0.1.0: Result", Level::kMust, kAnyKind, "", Pool::kAny,
       "0.1.0, when listed, is served in its own shape: ip4, ip6", serves_010},
      {"RESULT-15", "ADD", "0.2.0: Result", Level::kMust, kAnyKind, "", Pool::kAny,
       "0.2.0, when listed, is served in its own shape: ip4, ip6", serves_020},
      {"RESULT-16", "ADD", "0.3.0: Result", Level::kMust, kAnyKind, "", Pool::kAny,
       "0.3.0, when listed, is served in its own shape: ips with version", serves_030},
      {"RESULT-17", "ADD", "0.3.1: Result", Level::kMust, kAnyKind, "", Pool::kAny,
       "0.3.1, when listed, is served in its own shape: ips with version", serves_031},
      {"RESULT-18", "ADD", "0.4.0: Result", Level::kMust, kAnyKind, "", Pool::kAny,
       "0.4.0, when listed, is served in its own shape: ips with version", serves_040},
      {"RESULT-19", "ADD", "1.0.0: 5 ADD Success", Level::kMust, kAnyKind, "", Pool::kAny,
       "1.0.0, when listed, is served in its own shape: ips without version, no keys of 1.1.0", serves_100},
      {"RESULT-20", "ADD", "5 ADD Success", Level::kMust, kAnyKind, "", Pool::kAny,
       "1.1.0, when listed, is served in its own shape", serves_110},
  };
}

}  // namespace towpath::conformance
