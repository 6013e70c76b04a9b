#include "plugins/common/cni_result.h"

#include <fmt/format.h>

#include <limits>

namespace towpath::cni {
namespace {

constexpr std::uint32_t kAnyNumber = std::numeric_limits<std::uint32_t>::max();

CniExpected<std::optional<IpAddress>> optional_address(const JsonObject& object, const char* key) {
  TOWPATH_TRY(const auto text, object.string(key));
  if (!text || text->empty()) return std::nullopt;
  const auto address = IpAddress::parse(*text);
  if (!address)
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("{}: {}", object.path_of(key), address.error().message));
  return *address;
}

CniExpected<InterfaceAddress> required_network(const JsonObject& object, const char* key) {
  TOWPATH_TRY(const auto text, object.string(key));
  if (!text) return cni_fail(CniCode::kInvalidConfig, fmt::format("{} is missing", object.path_of(key)));
  const auto address = InterfaceAddress::parse(*text);
  if (!address)
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("{}: {}", object.path_of(key), address.error().message));
  return *address;
}

CniExpected<CniInterface> parse_interface(const Json& value, const std::string& path) {
  TOWPATH_TRY(const JsonObject object, JsonObject::make(value, path));
  CniInterface interface;
  TOWPATH_TRY(interface.name, object.string_or("name", ""));
  TOWPATH_TRY(interface.mac, object.string_or("mac", ""));
  TOWPATH_TRY(const auto mtu, object.number("mtu", 0, kAnyNumber));
  interface.mtu = mtu.value_or(0);
  TOWPATH_TRY(interface.sandbox, object.string_or("sandbox", ""));
  TOWPATH_TRY(interface.socket_path, object.string_or("socketPath", ""));
  TOWPATH_TRY(interface.pci_id, object.string_or("pciID", ""));
  return interface;
}

CniExpected<CniIp> parse_ip(const Json& value, const std::string& path) {
  TOWPATH_TRY(const JsonObject object, JsonObject::make(value, path));
  CniIp ip;
  TOWPATH_TRY(ip.address, required_network(object, "address"));
  TOWPATH_TRY(ip.gateway, optional_address(object, "gateway"));
  TOWPATH_TRY(ip.interface, object.number("interface", 0, kAnyNumber));
  return ip;
}

Json to_json(const CniInterface& interface, CniVersion version) {
  Json out = {{"name", interface.name}};
  if (!interface.mac.empty()) out["mac"] = interface.mac;
  if (!interface.sandbox.empty()) out["sandbox"] = interface.sandbox;
  if (version < kFirstWithMtu) return out;
  if (interface.mtu != 0) out["mtu"] = interface.mtu;
  if (!interface.socket_path.empty()) out["socketPath"] = interface.socket_path;
  if (!interface.pci_id.empty()) out["pciID"] = interface.pci_id;
  return out;
}

Json to_json(const CniIp& ip, CniVersion version) {
  Json out = {{"address", ip.address.to_string()}};
  if (version < kFirstWithoutIpVersion) out["version"] = ip.address.address.is_v4() ? "4" : "6";
  if (ip.gateway) out["gateway"] = ip.gateway->to_string();
  if (ip.interface) out["interface"] = *ip.interface;
  return out;
}

Json to_json(const CniRoute& route, CniVersion version) {
  Json out = {{"dst", route.destination.to_string()}};
  if (route.gateway) out["gw"] = route.gateway->to_string();
  if (version < kFirstWithMtu) return out;
  if (route.mtu) out["mtu"] = *route.mtu;
  if (route.advmss) out["advmss"] = *route.advmss;
  if (route.priority) out["priority"] = *route.priority;
  if (route.table) out["table"] = *route.table;
  if (route.scope) out["scope"] = *route.scope;
  return out;
}

// It goes into our result as it is, so it has to be what a result may have.
CniStatus check_dns_types(const JsonObject& dns) {
  TOWPATH_TRY_STATUS(dns.string("domain"));
  for (const char* key : {"nameservers", "search", "options"}) {
    TOWPATH_TRY_STATUS(dns.for_each(key, [](const Json& element, const std::string& path) -> CniStatus {
      if (!element.is_string()) return wrong(path, element, "is not a string");
      return {};
    }));
  }
  return {};
}

template <class T>
Json to_json_array(const std::vector<T>& values, CniVersion version) {
  Json out = Json::array();
  for (const T& value : values) out.push_back(to_json(value, version));
  return out;
}

}  // namespace

CniExpected<CniRoute> parse_route(const Json& value, const std::string& path) {
  TOWPATH_TRY(const JsonObject object, JsonObject::make(value, path));
  CniRoute route;
  TOWPATH_TRY(const InterfaceAddress destination, required_network(object, "dst"));
  route.destination = destination.prefix();
  TOWPATH_TRY(route.gateway, optional_address(object, "gw"));
  TOWPATH_TRY(route.mtu, object.number("mtu", 0, kAnyNumber));
  TOWPATH_TRY(route.advmss, object.number("advmss", 0, kAnyNumber));
  TOWPATH_TRY(route.priority, object.number("priority", 0, kAnyNumber));
  TOWPATH_TRY(route.table, object.number("table", 0, kAnyNumber));
  TOWPATH_TRY(route.scope, object.number("scope", 0, 255));
  return route;
}

CniExpected<CniResult> CniResult::parse(const Json& value, const std::string& path) {
  TOWPATH_TRY(const JsonObject object, JsonObject::make(value, path));
  CniResult result;
  TOWPATH_TRY_STATUS(
      object.for_each("interfaces", [&](const Json& element, const std::string& at) -> CniStatus {
        TOWPATH_TRY(CniInterface interface, parse_interface(element, at));
        result.interfaces.push_back(std::move(interface));
        return {};
      }));
  TOWPATH_TRY_STATUS(object.for_each("ips", [&](const Json& element, const std::string& at) -> CniStatus {
    TOWPATH_TRY(CniIp ip, parse_ip(element, at));
    result.ips.push_back(ip);
    return {};
  }));
  TOWPATH_TRY_STATUS(object.for_each("routes", [&](const Json& element, const std::string& at) -> CniStatus {
    TOWPATH_TRY(CniRoute route, parse_route(element, at));
    result.routes.push_back(route);
    return {};
  }));
  TOWPATH_TRY(const auto dns, object.object("dns"));
  if (dns) {
    TOWPATH_TRY_STATUS(check_dns_types(*dns));
    result.dns = *object.find("dns");
  }
  return result;
}

Json CniResult::to_json(CniVersion version) const {
  Json out = {{"cniVersion", version.to_string()}, {"ips", to_json_array(ips, version)}};
  if (!interfaces.empty()) out["interfaces"] = to_json_array(interfaces, version);
  if (!routes.empty()) out["routes"] = to_json_array(routes, version);
  if (dns.is_object() && !dns.empty()) out["dns"] = dns;
  return out;
}

}  // namespace towpath::cni
