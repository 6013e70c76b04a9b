#include "agent/policy/policy_endpoint.h"

#include <array>
#include <string_view>
#include <utility>

#include "agent/config/scalars.h"

namespace towpath::agent {
namespace {

constexpr std::string_view kPortPrefix = "port.towpath/";
constexpr std::array<std::pair<std::string_view, policy::Protocol>, 3> kProtocols{
    {{"TCP", policy::Protocol::kTcp}, {"UDP", policy::Protocol::kUdp}, {"SCTP", policy::Protocol::kSctp}}};

std::optional<policy::NamedPort> named_port(std::string_view key, std::string_view value) {
  if (!key.starts_with(kPortPrefix)) return std::nullopt;
  policy::NamedPort named{.name = std::string(key.substr(kPortPrefix.size()))};
  const std::size_t dash = value.find('-');
  const auto port = number_between<std::uint16_t>(1, 65535)(value.substr(0, dash));
  if (!port) return std::nullopt;
  named.port = *port;
  if (dash == std::string_view::npos) return named;
  const auto protocol = one_of(kProtocols)(value.substr(dash + 1));
  if (!protocol) return std::nullopt;
  named.protocol = *protocol;
  return named;
}

}  // namespace

std::optional<policy::Endpoint> policy_endpoint(const ipam::EndpointRecord& record) {
  if (record.state != ipam::AllocationState::kLive || record.host_ifname.empty()) return std::nullopt;
  policy::Endpoint endpoint{.interface = record.host_ifname,
                            .name_space = "default",
                            .labels = record.labels,
                            .addresses = record.addresses};
  const auto name_space = record.pod.find("K8S_POD_NAMESPACE");
  if (name_space != record.pod.end() && !name_space->second.empty()) endpoint.name_space = name_space->second;
  for (const auto& [key, value] : record.labels) {
    if (auto port = named_port(key, value)) endpoint.ports.push_back(*std::move(port));
  }
  return endpoint;
}

}  // namespace towpath::agent
