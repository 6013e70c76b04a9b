#include "agent/config/parse_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/config/read_advertise.h"
#include "agent/config/read_keys.h"
#include "agent/config/read_peers.h"
#include "agent/config/read_rules.h"
#include "agent/config/scalars.h"
#include "agent/config/yaml_reader.h"
#include "towpath/base/read_file.h"
#include "towpath/base/unicast_prefix.h"

namespace towpath::agent {
namespace {

constexpr std::uint8_t kGreatestMultipath = 64;
constexpr std::size_t kLargestFile = 16U << 20;  // bytes; thousands of peers fit in one

constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLogLevels{{{"debug", LogLevel::kDebug},
                                                                           {"info", LogLevel::kInfo},
                                                                           {"warning", LogLevel::kWarning},
                                                                           {"error", LogLevel::kError}}};
constexpr std::array<std::pair<std::string_view, LogFormat>, 2> kLogFormats{
    {{"text", LogFormat::kText}, {"json", LogFormat::kJson}}};
// A list of prefixes of which none covers another.
std::vector<Prefix> read_prefixes(const std::vector<Value>& items,
                                  Result<Prefix> (*parse)(std::string_view)) {
  std::vector<std::pair<Prefix, int>> found;
  for (const Value& item : items) {
    Prefix prefix;
    if (!item.read(prefix, parse)) continue;
    const auto other = std::ranges::find_if(found, [&](const auto& f) { return f.first.overlaps(prefix); });
    if (other == found.end()) {
      found.emplace_back(prefix, item.line());
    } else {
      item.refuse(fmt::format("overlaps {} on line {}", other->first.to_string(), other->second));
    }
  }
  std::vector<Prefix> out;
  for (const auto& [prefix, line] : found) out.push_back(prefix);
  return out;
}

std::vector<Prefix> read_blocks(const std::vector<Value>& items, const std::vector<Prefix>& pools) {
  auto blocks = read_prefixes(items, parse_unicast_prefix);
  for (const Value& item : items) {
    const auto block =
        item.node().IsScalar() ? Prefix::parse(item.node().Scalar()) : fail(ErrorKind::kInvalid, "");
    if (!block) continue;  // read_prefixes said so
    if (std::ranges::none_of(pools, [&](const Prefix& pool) { return pool.contains(*block); })) {
      item.refuse("lies in none of the pools");
    }
  }
  return blocks;
}

// Containers get the addresses of a block. One that this host or a peer has must not be among them: the first
// container would cut the session off.
void refuse_blocks_with_hosts(const std::vector<Value>& items, const bgp::SpeakerConfig& speaker) {
  for (const Value& item : items) {
    const auto block =
        item.node().IsScalar() ? Prefix::parse(item.node().Scalar()) : fail(ErrorKind::kInvalid, "");
    if (!block) continue;
    const auto check = [&](const IpAddress& address, const std::string& whose) {
      if (!block->contains(address)) return;
      item.refuse(fmt::format("contains {}, {}", address.to_string(), whose));
    };
    for (const bgp::ListenAddress& own : speaker.listen) check(own.address, "our own listen address");
    for (const bgp::PeerConfig& peer : speaker.peers) {
      check(peer.address, "the address of peer " + peer.name);
      if (peer.local_address) check(*peer.local_address, "our own address toward peer " + peer.name);
    }
    for (const bgp::PeerRange& range : speaker.ranges) {
      if (!block->overlaps(range.prefix)) continue;
      item.refuse(
          fmt::format("overlaps {}, the range of peer {}", range.prefix.to_string(), range.peer.name));
    }
  }
}

void read_kernel(const Value& value, KernelConfig& kernel) {
  Section section(value);
  section.read("install", kernel.install, parse_bool);
  section.read("table", kernel.table, [](std::string_view text) -> Result<std::uint32_t> {
    TOWPATH_TRY(const auto table, number_between<std::uint32_t>(1, UINT32_MAX)(text));
    if (table == 255) return fail(ErrorKind::kInvalid, "is the kernel's own table 'local'");
    return table;
  });
  // 1 to 4 are the kernel's and the administrator's: redirect, kernel, boot, static (linux/rtnetlink.h).
  section.read("protocol", kernel.protocol, number_between<std::uint8_t>(5, 255));
  section.read("metric", kernel.metric, number_between<std::uint32_t>(1, UINT32_MAX - 1));
  const auto blackhole = section.get("blackhole_metric");
  if (blackhole) blackhole->read(kernel.blackhole_metric, number_between<std::uint32_t>(1, UINT32_MAX));
  if (kernel.blackhole_metric <= kernel.metric) {
    (blackhole ? *blackhole : value)
        .refuse(fmt::format("blackhole_metric {} must be greater than metric {}, or the blackhole would win",
                            kernel.blackhole_metric, kernel.metric));
  }
  section.finish();
}

// One number for both families, or one for each.
void read_multipath(const Value& value, bgp::MultipathLimits& limits) {
  const auto count = number_between<std::uint8_t>(1, kGreatestMultipath);
  if (!value.node().IsMap()) {
    std::uint8_t both = 1;
    if (value.read(both, count)) limits.fill(both);
    return;
  }
  Section section(value);
  section.read("ipv4", limits[index(bgp::Family::kIpv4Unicast)], count);
  section.read("ipv6", limits[index(bgp::Family::kIpv6Unicast)], count);
  section.finish();
}

void read_log(const Value& value, LogConfig& log) {
  Section section(value);
  section.read("level", log.level, one_of(kLogLevels));
  section.read("format", log.format, one_of(kLogFormats));
  section.finish();
}

// On loopback unless the file says otherwise: whoever reaches the address may read.
bgp::ListenAddress read_metrics(const Value& value) {
  Section section(value);
  bgp::ListenAddress at{.address = *IpAddress::parse("127.0.0.1"), .port = kMetricsPort};
  section.read("address", at.address, IpAddress::parse);
  section.read("port", at.port, number_between<std::uint16_t>(1, 65535));
  section.finish();
  return at;
}

AgentConfig read_config(const Value& root) {
  Section section(root);
  AgentConfig config;
  section.read_required("node", config.node, parse_name);
  section.read_required("router_id", config.speaker.router_id, RouterId::parse);
  section.read_required("as", config.speaker.as, parse_speaker_as);
  if (const auto cluster_id = section.get("cluster_id")) {
    RouterId id;
    if (cluster_id->read(id, RouterId::parse)) config.speaker.cluster_id = id;
  }
  config.speaker.listen = read_listen(section.items("listen"));
  config.pools = read_prefixes(section.items("pools"), parse_unicast_prefix);
  const auto blocks = section.items("blocks");
  config.blocks = read_blocks(blocks, config.pools);
  config.speaker.originate = config.blocks;

  RuleReader rules(config.pools, config.blocks);
  if (const auto policies = section.get("policies")) rules.read_policies(*policies);
  rules.read_global_import(section.items("import"));
  Peers read = read_peers(section.items("peers"), config, rules);
  config.speaker.peers = std::move(read.peers);
  config.speaker.ranges = std::move(read.ranges);
  config.bfd = std::move(read.bfd);
  refuse_blocks_with_hosts(blocks, config.speaker);
  config.advertise = read_advertise(section.items("advertise"), config);
  config.advertise_leases = read_prefixes(section.items("advertise_leases"), parse_unicast_prefix);
  if (const auto kernel = section.get("kernel")) read_kernel(*kernel, config.kernel);
  if (const auto multipath = section.get("multipath")) read_multipath(*multipath, config.speaker.multipath);
  section.read("restart_deferral", config.speaker.restart_deferral, seconds_between(0, 3600));
  section.read("state_dir", config.state_dir, parse_path);
  section.read("network_policies", config.network_policies, parse_path);
  section.read("control_socket", config.control_socket, parse_socket_path);
  if (const auto metrics = section.get("metrics")) config.metrics = read_metrics(*metrics);
  if (const auto log = section.get("log")) read_log(*log, config.log);
  section.finish();
  return config;
}

ConfigErrors whole_file(const std::string& file, std::string_view reason) {
  return {fmt::format("{}: {}", file, reason)};
}

}  // namespace

std::expected<AgentConfig, ConfigErrors> parse_config(const std::string& text, const std::string& file) {
  try {
    const auto documents = YAML::LoadAll(text);
    if (documents.empty() || documents[0].IsNull())
      return std::unexpected(whole_file(file, "the file is empty"));
    if (documents.size() > 1) {
      return std::unexpected(ConfigErrors{fmt::format(
          "{}:{}: a second YAML document begins; there must be one", file, documents[1].Mark().line + 1)});
    }
    Diagnostics diagnostics(file);
    AgentConfig config = read_config(Value(diagnostics, documents[0], ""));
    if (!diagnostics.empty()) return std::unexpected(diagnostics.lines());
    return config;
  } catch (const YAML::Exception& e) {
    // Also what is no YAML at all; yaml-cpp counts lines from 0.
    return std::unexpected(
        ConfigErrors{fmt::format("{}:{}: not valid YAML: {}", file, e.mark.line + 1, e.msg)});
  }
}

std::expected<AgentConfig, ConfigErrors> load_config(const std::string& path) {
  const auto text = read_file(path, kLargestFile);
  if (!text) return std::unexpected(whole_file(path, text.error().message));
  auto config = parse_config(*text, path);
  if (config) read_keys(*config);
  return config;
}

ConfigErrors needs_restart(const AgentConfig& now, const AgentConfig& next, const std::string& file) {
  ConfigErrors errors;
  const auto compare = [&](std::string_view key, const auto& old_value, const auto& new_value) {
    if (old_value == new_value) return;
    errors.push_back(
        fmt::format("{}: {}: value '{}': cannot change from '{}' while towpathd runs; restart it", file, key,
                    new_value, old_value));
  };
  compare("state_dir", now.state_dir, next.state_dir);
  compare("network_policies", now.network_policies, next.network_policies);
  compare("control_socket", now.control_socket, next.control_socket);
  compare("kernel.install", now.kernel.install, next.kernel.install);
  compare("kernel.table", now.kernel.table, next.kernel.table);
  compare("kernel.protocol", now.kernel.protocol, next.kernel.protocol);
  compare("kernel.metric", now.kernel.metric, next.kernel.metric);
  compare("kernel.blackhole_metric", now.kernel.blackhole_metric, next.kernel.blackhole_metric);
  return errors;
}

}  // namespace towpath::agent
