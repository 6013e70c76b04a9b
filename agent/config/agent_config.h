// What towpathd.yaml says, as values: complete, checked, defaults filled in.
//
// parse_config() (parse_config.h) makes one or refuses the whole file. Two configurations compare with ==,
// which is how a reload finds out what changed. Every default here is the one that packaging/towpathd.yaml
// documents; a test holds the two together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/advertise/service_prefix.h"
#include "towpath/base/prefix.h"
#include "towpath/bfd/session_config.h"
#include "towpath/bgp/config.h"

namespace towpath::agent {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  friend auto operator<=>(const LogConfig&, const LogConfig&) = default;
};

struct KernelConfig {
  bool install = true;                    // learned routes; without them the host only passes routes on
  std::uint32_t table = 254;              // RT_TABLE_MAIN
  std::uint8_t protocol = 84;             // rtm_protocol, the mark of our routes
  std::uint32_t metric = 32;              // of learned routes; never 0, which IPv6 would turn into 1024
  std::uint32_t blackhole_metric = 4096;  // of own blocks; worse than `metric`
  friend auto operator<=>(const KernelConfig&, const KernelConfig&) = default;
};

inline constexpr std::uint16_t kMetricsPort = 9479;

struct AgentConfig {
  std::string node;
  bgp::SpeakerConfig speaker;  // import rules of every peer resolved; originates the blocks
  std::vector<Prefix> pools;
  std::vector<Prefix> blocks;
  std::vector<ServicePrefix> advertise;
  std::vector<Prefix> advertise_leases;  // what programs of this host may announce by a lease
  std::vector<bfd::SessionConfig> bfd;   // one for each peer that asks for it
  KernelConfig kernel;
  std::string state_dir = "/run/towpath";
  std::string network_policies = "/etc/towpath/policies";  // a directory; policies are on if it is there
  std::string control_socket = "/run/towpath/towpathd.sock";
  std::optional<bgp::ListenAddress> metrics;  // where to serve them
  LogConfig log;
  friend auto operator<=>(const AgentConfig&, const AgentConfig&) = default;
};

}  // namespace towpath::agent
