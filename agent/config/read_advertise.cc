#include "agent/config/read_advertise.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "agent/advertise/configured_claim.h"
#include "agent/config/scalars.h"
#include "towpath/base/unicast_prefix.h"

namespace towpath::agent {
namespace {

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
};

// "192.0.2.80:80", "[2001:db8::80]:80"
Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  const auto wrong = fail(ErrorKind::kInvalid, "must be ADDRESS:PORT, or [ADDRESS]:PORT for IPv6");
  if (colon == std::string_view::npos) return wrong;
  std::string_view address = text.substr(0, colon);
  const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (bracketed) address = address.substr(1, address.size() - 2);
  Endpoint endpoint;
  TOWPATH_TRY(endpoint.address, IpAddress::parse(address));
  if (bracketed != (endpoint.address.family() == AddressFamily::kIpv6)) return wrong;
  if (endpoint.address.is_unspecified() || endpoint.address.is_multicast() ||
      endpoint.address.is_link_local()) {
    return fail(ErrorKind::kInvalid,
                fmt::format("{} is no address of a service", endpoint.address.to_string()));
  }
  TOWPATH_TRY(endpoint.port, number_between<std::uint16_t>(1, 65535)(text.substr(colon + 1)));
  return endpoint;
}

HealthCheck read_health(const Value& value) {
  Section section(value);
  HealthCheck check;
  Endpoint endpoint;
  section.read_required("tcp", endpoint, parse_endpoint);
  check.address = endpoint.address;
  check.port = endpoint.port;
  section.read("interval", check.interval, seconds_between(1, 3600));
  const auto longest = static_cast<std::uint32_t>(check.interval.count());
  check.timeout = std::min(check.timeout, check.interval);
  section.read("timeout", check.timeout, seconds_between(1, longest));
  section.read("rise", check.rise, number_between<std::uint8_t>(1, 100));
  section.read("fall", check.fall, number_between<std::uint8_t>(1, 100));
  section.finish();
  return check;
}

// The value that holds the prefix, where there is one.
std::optional<Value> read_service(const Value& item, ServicePrefix& service) {
  if (!item.node().IsMap()) {
    return item.read(service.prefix, parse_unicast_prefix) ? std::optional(item) : std::nullopt;
  }
  Section section(item);
  const auto prefix = section.require("prefix");
  const bool known = prefix && prefix->read(service.prefix, parse_unicast_prefix);
  if (const auto health = section.get("health")) service.health = read_health(*health);
  section.finish();
  return known ? prefix : std::nullopt;
}

}  // namespace

std::vector<ServicePrefix> read_advertise(const std::vector<Value>& items, const AgentConfig& config) {
  std::vector<ServicePrefix> services;
  std::map<Prefix, int> found;
  for (const Value& item : items) {
    ServicePrefix service;
    const auto prefix = read_service(item, service);
    if (!prefix) continue;
    const auto [other, is_new] = found.emplace(service.prefix, prefix->line());
    if (!is_new) {
      prefix->refuse(fmt::format("is on line {} already", other->second));
    } else if (const auto reason = why_not_claim(service.prefix, config.blocks, config.speaker.peers)) {
      prefix->refuse(*reason);
    } else {
      services.push_back(service);
    }
  }
  return services;
}

}  // namespace towpath::agent
