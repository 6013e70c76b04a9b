#include "plugins/towpath/capabilities.h"

#include <fmt/format.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace towpath::cni {
namespace {

// containerd 1 and 2 send some of these objects with the names that their fields have in Go: "HostPort" is
// "hostPort".
Json with_lower_first_letters(const Json& value) {
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& element : value) out.push_back(with_lower_first_letters(element));
    return out;
  }
  if (!value.is_object()) return value;
  Json out = Json::object();
  for (const auto& [key, element] : value.items()) {
    std::string name = key;
    if (!name.empty() && name[0] >= 'A' && name[0] <= 'Z') name[0] = static_cast<char>(name[0] - 'A' + 'a');
    if (name == key || !value.contains(name)) out[name] = with_lower_first_letters(element);
  }
  return out;
}

CniStatus check_texts(const JsonObject& object, const char* key) {
  return object.for_each(key, [](const Json& element, const std::string& path) -> CniStatus {
    if (!element.is_string()) return wrong(path, element, "is not a string");
    return {};
  });
}

// A list of names; podman sends such a list for each network by its name.
CniStatus check_aliases(const JsonObject& runtime) {
  const Json* aliases = runtime.find("aliases");
  if (aliases == nullptr || !aliases->is_object()) return check_texts(runtime, "aliases");
  TOWPATH_TRY(const JsonObject networks, JsonObject::make(*aliases, runtime.path_of("aliases")));
  for (const auto& [network, names] : aliases->items())
    TOWPATH_TRY_STATUS(check_texts(networks, network.c_str()));
  return {};
}

// Of servers, as resolv.conf has them: a link-local one may have its interface behind '%'.
CniStatus check_addresses(const JsonObject& object, const char* key) {
  TOWPATH_TRY_STATUS(check_texts(object, key));
  return object.for_each(key, [](const Json& element, const std::string& path) -> CniStatus {
    const auto& text = element.get_ref<const std::string&>();
    if (!IpAddress::parse(std::string_view(text).substr(0, text.find('%'))))
      return wrong(path, element, "is not an IP address");
    return {};
  });
}

// --- mac ---

CniExpected<MacAddress> parse_mac(const std::string& key, const std::string& text) {
  const auto mac = MacAddress::parse(text);
  if (!mac) return cni_fail(CniCode::kInvalidConfig, fmt::format("{}: {}", key, mac.error().message));
  if (mac->is_multicast() || *mac == MacAddress()) {
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("{}: '{}' is not the address of one interface", key, text));
  }
  return *mac;
}

// The capability counts most, then `args`; CNI_ARGS is the deprecated way (CONVENTIONS.md).
CniStatus read_mac(const CniRequest& request, const std::optional<JsonObject>& runtime,
                   const std::optional<JsonObject>& args, std::optional<MacAddress>& out) {
  const auto read = [&](const std::optional<JsonObject>& object) -> CniStatus {
    if (!object || out) return {};
    TOWPATH_TRY(const std::string text, object->string_or("mac", ""));
    if (text.empty()) return {};
    TOWPATH_TRY(out, parse_mac(object->path_of("mac"), text));
    return {};
  };
  TOWPATH_TRY_STATUS(read(runtime));
  TOWPATH_TRY_STATUS(read(args));
  const auto variable = request.args.find("MAC");
  if (out || variable == request.args.end() || variable->second.empty()) return {};
  auto mac = parse_mac("CNI_ARGS: MAC", variable->second);
  if (!mac) return cni_fail(CniCode::kInvalidEnvironment, std::move(mac).error().message);
  out = *mac;
  return {};
}

// --- dns ---

CniStatus read_dns(const JsonObject& runtime, Json& out) {
  TOWPATH_TRY(const auto dns, runtime.object("dns"));
  if (!dns) return {};
  // The capability's words and those of a result.
  constexpr std::array<std::pair<const char*, const char*>, 3> kNames{
      {{"servers", "nameservers"}, {"searches", "search"}, {"options", "options"}}};
  Json lists = Json::object();
  for (const auto& [asked, answered] : kNames) {
    const bool are_addresses = std::string_view(asked) == "servers";
    TOWPATH_TRY_STATUS(are_addresses ? check_addresses(*dns, asked) : check_texts(*dns, asked));
    const Json* list = dns->find(asked);
    if (list != nullptr && !list->empty()) lists[answered] = *list;
  }
  if (!lists.empty()) out = std::move(lists);
  return {};
}

// --- portMappings ---

constexpr std::array<std::pair<std::string_view, std::uint8_t>, 3> kProtocols{
    {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}}};

// "TCP" and "tcp": Kubernetes and podman differ. Nothing is tcp.
CniExpected<std::uint8_t> read_protocol(const JsonObject& object) {
  TOWPATH_TRY(const std::string text, object.string_or("protocol", "tcp"));
  std::string lower = text.empty() ? "tcp" : text;
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const auto found = std::ranges::find(kProtocols, lower, [](const auto& entry) { return entry.first; });
  if (found != kProtocols.end()) return found->second;
  return wrong(object.path_of("protocol"), Json(text), "is none of tcp, udp, sctp");
}

CniExpected<std::uint16_t> read_port(const JsonObject& object, const char* key) {
  constexpr std::uint32_t kLargest = std::numeric_limits<std::uint16_t>::max();
  TOWPATH_TRY(const auto port, object.number(key, 1, kLargest));
  if (!port) return cni_fail(CniCode::kInvalidConfig, fmt::format("{} is missing", object.path_of(key)));
  return static_cast<std::uint16_t>(*port);
}

CniExpected<std::optional<IpAddress>> read_host_ip(const JsonObject& object) {
  TOWPATH_TRY(const std::string text, object.string_or("hostIP", ""));
  if (text.empty()) return std::nullopt;
  const auto address = IpAddress::parse(text);
  if (!address) {
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("{}: {}", object.path_of("hostIP"), address.error().message));
  }
  if (address->is_multicast()) return wrong(object.path_of("hostIP"), Json(text), "is a multicast address");
  if (address->is_v6() && address->is_loopback()) {
    return cni_fail(CniCode::kUnsupportedField,
                    fmt::format("{}: '{}' is not supported: Linux lets nothing from ::1 leave the host",
                                object.path_of("hostIP"), text));
  }
  return *address;
}

// Do both lead packets to the same port of the same address?
bool overlap(const ipam::PortMapping& a, const ipam::PortMapping& b) {
  if (a.protocol != b.protocol || a.host_port != b.host_port) return false;
  if (!a.host_ip || !b.host_ip) return true;
  if (a.host_ip->family() != b.host_ip->family()) return false;
  return a.host_ip->is_unspecified() || b.host_ip->is_unspecified() || a.host_ip == b.host_ip;
}

CniStatus read_ports(const JsonObject& runtime, std::vector<ipam::PortMapping>& out) {
  return runtime.for_each("portMappings", [&](const Json& element, const std::string& path) -> CniStatus {
    TOWPATH_TRY(const JsonObject object, JsonObject::make(element, path));
    // podman and CRI write hostPort 0 for a port that is only to be known, not to be mapped.
    if (const Json* port = object.find("hostPort"); port == nullptr || *port == 0) return {};
    ipam::PortMapping mapping;
    TOWPATH_TRY(mapping.protocol, read_protocol(object));
    TOWPATH_TRY(mapping.host_port, read_port(object, "hostPort"));
    TOWPATH_TRY(mapping.container_port, read_port(object, "containerPort"));
    TOWPATH_TRY(mapping.host_ip, read_host_ip(object));
    if (std::ranges::any_of(out, [&](const auto& other) { return overlap(mapping, other); })) {
      return wrong(path, element, "maps a port of the host that is mapped above it already");
    }
    out.push_back(mapping);
    return {};
  });
}

// --- bandwidth ---

// The kernel counts a burst in bytes, in 32 bits.
constexpr std::uint64_t kLargestBurst = std::uint64_t{std::numeric_limits<std::uint32_t>::max()} * 8;

CniExpected<std::uint64_t> read_bits(const JsonObject& object, const char* key, std::uint64_t largest) {
  const Json* value = object.find(key);
  if (value == nullptr) return std::uint64_t{0};
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() > largest) {
    return wrong(object.path_of(key), *value, fmt::format("is not a whole number from 0 to {}", largest));
  }
  const auto bits = value->get<std::uint64_t>();
  if (bits != 0 && bits < 8) return wrong(object.path_of(key), *value, "bits are less than a byte");
  return bits;
}

CniStatus read_direction(const JsonObject& object, const char* rate_key, const char* burst_key,
                         std::uint64_t& rate, std::uint64_t& burst) {
  TOWPATH_TRY(rate, read_bits(object, rate_key, std::numeric_limits<std::uint64_t>::max()));
  TOWPATH_TRY(burst, read_bits(object, burst_key, kLargestBurst));
  if ((rate == 0) == (burst == 0)) return {};
  const bool has_rate = rate != 0;
  return cni_fail(CniCode::kInvalidConfig,
                  fmt::format("{}: '{}' needs {}: a rate and a burst go together",
                              object.path_of(has_rate ? rate_key : burst_key), has_rate ? rate : burst,
                              object.path_of(has_rate ? burst_key : rate_key)));
}

CniStatus read_bandwidth(const JsonObject& object, ipam::Bandwidth& out) {
  TOWPATH_TRY_STATUS(
      read_direction(object, "ingressRate", "ingressBurst", out.ingress_rate, out.ingress_burst));
  return read_direction(object, "egressRate", "egressBurst", out.egress_rate, out.egress_burst);
}

CniStatus refuse_hardware(const JsonObject& runtime) {
  for (const char* key : {"deviceID", "infinibandGUID"}) {
    const Json* value = runtime.find(key);
    if (value == nullptr || (value->is_string() && value->get_ref<const std::string&>().empty())) continue;
    return cni_fail(CniCode::kUnsupportedField,
                    fmt::format("{}: '{}' asks for a device of the host; this plugin makes its own",
                                runtime.path_of(key), show(*value)));
  }
  return {};
}

}  // namespace

CniExpected<Capabilities> Capabilities::parse(const CniRequest& request) {
  Capabilities out;
  TOWPATH_TRY(const JsonObject config, JsonObject::make(request.config, ""));
  const Json* runtime_config = config.find("runtimeConfig");
  const Json asked = runtime_config != nullptr ? with_lower_first_letters(*runtime_config) : Json();
  std::optional<JsonObject> runtime;
  if (!asked.is_null()) {
    TOWPATH_TRY(runtime, JsonObject::make(asked, "runtimeConfig"));
  }
  TOWPATH_TRY(const auto all_args, config.object("args"));
  std::optional<JsonObject> args;
  if (all_args) {
    TOWPATH_TRY(args, all_args->object("cni"));
  }
  TOWPATH_TRY_STATUS(read_mac(request, runtime, args, out.mac));
  // As the bandwidth plugin has it: rates in the network configuration hold for every container.
  TOWPATH_TRY_STATUS(read_bandwidth(config, out.bandwidth));
  if (!runtime) return out;
  TOWPATH_TRY_STATUS(refuse_hardware(*runtime));
  TOWPATH_TRY_STATUS(check_aliases(*runtime));
  TOWPATH_TRY_STATUS(read_dns(*runtime, out.dns));
  TOWPATH_TRY_STATUS(read_ports(*runtime, out.ports));
  TOWPATH_TRY(const auto bandwidth, runtime->object("bandwidth"));
  if (bandwidth) {
    out.bandwidth = {};
    TOWPATH_TRY_STATUS(read_bandwidth(*bandwidth, out.bandwidth));
  }
  return out;
}

CniStatus check_dns(const JsonObject& dns) {
  TOWPATH_TRY_STATUS(dns.string("domain"));
  TOWPATH_TRY_STATUS(check_addresses(dns, "nameservers"));
  for (const char* key : {"search", "options"}) TOWPATH_TRY_STATUS(check_texts(dns, key));
  return {};
}

CniStatus check_bursts(const ipam::Bandwidth& bandwidth, std::uint32_t mtu) {
  const std::uint64_t frame = (std::uint64_t{mtu} + ETH_HLEN) * 8;
  for (const auto& [key, burst] : {std::pair{"ingressBurst", bandwidth.ingress_burst},
                                   std::pair{"egressBurst", bandwidth.egress_burst}}) {
    if (burst == 0 || burst >= frame) continue;
    return cni_fail(
        CniCode::kInvalidConfig,
        fmt::format("{}: '{}' bits are less than the {} of one packet of MTU {}, which could never pass", key,
                    burst, frame, mtu));
  }
  return {};
}

}  // namespace towpath::cni
