#include "agent/config/parse_config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>

#include "agent/config/scalars.h"
#include "agent/config/yaml_reader.h"
#include "towpath/base/unique_fd.h"
#include "towpath/bgp/family.h"

namespace towpath::agent {
namespace {

using bgp::Family;
using bgp::PeerConfig;
using bgp::PrefixRule;

constexpr std::size_t kLargestFile = 16U << 20;  // bytes; thousands of peers fit in one

constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLogLevels{{{"debug", LogLevel::kDebug},
                                                                           {"info", LogLevel::kInfo},
                                                                           {"warning", LogLevel::kWarning},
                                                                           {"error", LogLevel::kError}}};
constexpr std::array<std::pair<std::string_view, LogFormat>, 2> kLogFormats{
    {{"text", LogFormat::kText}, {"json", LogFormat::kJson}}};
constexpr std::array<std::pair<std::string_view, Family>, 2> kFamilies{
    {{"ipv4", Family::kIpv4Unicast}, {"ipv6", Family::kIpv6Unicast}}};
constexpr std::array<std::pair<std::string_view, bgp::RuleAction>, 2> kActions{
    {{"accept", bgp::RuleAction::kAccept}, {"reject", bgp::RuleAction::kReject}}};
constexpr std::array<std::pair<std::string_view, bgp::ExportScope>, 2> kScopes{
    {{"own", bgp::ExportScope::kOwn}, {"all", bgp::ExportScope::kAll}}};

auto port() {
  return number_between<std::uint16_t>(1, 65535);
}

Result<std::chrono::seconds> parse_hold_time(std::string_view text) {
  TOWPATH_TRY(const auto seconds, number_between<std::uint16_t>(0, 65535)(text));
  if (seconds == 1 || seconds == 2) {
    return fail(ErrorKind::kInvalid, "must be 0 or at least 3 seconds (RFC 4271 section 4.2)");
  }
  return std::chrono::seconds(seconds);
}

// A number of seconds in [low, high].
auto seconds_between(std::uint32_t low, std::uint32_t high) {
  return [low, high](std::string_view text) -> Result<std::chrono::seconds> {
    TOWPATH_TRY(const auto seconds, number_between<std::uint32_t>(low, high)(text));
    return std::chrono::seconds(seconds);
  };
}

Result<Prefix> parse_pool(std::string_view text) {
  TOWPATH_TRY(const Prefix prefix, Prefix::parse(text));
  for (const IpAddress& address : {prefix.first(), prefix.last()}) {
    if (address.is_unspecified() || address.is_loopback() || address.is_multicast() ||
        address.is_link_local()) {
      return fail(ErrorKind::kInvalid,
                  fmt::format("covers {}, which no container can have", address.to_string()));
    }
  }
  return prefix;
}

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
  auto blocks = read_prefixes(items, parse_pool);
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

std::vector<bgp::ListenAddress> read_listen(const std::vector<Value>& items) {
  std::map<bgp::ListenAddress, int> found;
  std::vector<bgp::ListenAddress> out;
  for (const Value& item : items) {
    Section section(item);
    bgp::ListenAddress listen;
    const bool named = section.read_required("address", listen.address, parse_session_address);
    section.read("port", listen.port, port());
    section.finish();
    if (!named) continue;
    const auto [other, is_new] = found.emplace(listen, item.line());
    if (is_new) {
      out.push_back(listen);
    } else {
      item.refuse(fmt::format("{} port {} is on line {} already", listen.address.to_string(), listen.port,
                              other->second));
    }
  }
  return out;
}

PrefixRule read_rule(const Value& item) {
  Section section(item);
  PrefixRule rule;
  section.read_required("prefix", rule.within, Prefix::parse);
  const std::uint8_t shortest = rule.within.length();
  const std::uint8_t longest = rule.within.address().bits();
  rule.min_length = shortest;
  section.read("min_length", rule.min_length, number_between(shortest, longest));
  rule.max_length = longest;
  section.read("max_length", rule.max_length, number_between(rule.min_length, longest));
  section.read("action", rule.action, one_of(kActions));
  section.finish();
  return rule;
}

bgp::ImportRules read_rules(const std::vector<Value>& items) {
  bgp::ImportRules rules;
  for (const Value& item : items) rules.push_back(read_rule(item));
  return rules;
}

// What stands behind the written rules: a route inside a pool is accepted. Speakers reject what no rule
// matches.
bgp::ImportRules with_pools(bgp::ImportRules rules, const std::vector<Prefix>& pools) {
  for (const Prefix& pool : pools) {
    rules.push_back({pool, pool.length(), pool.address().bits(), bgp::RuleAction::kAccept});
  }
  return rules;
}

void read_families(const Value& list, PeerConfig& peer) {
  const auto items = list.items();
  if (items.empty() && !list.node().IsNull() && !list.node().IsSequence()) return;  // items() said so
  peer.families = {};
  for (const Value& item : items) {
    Family family{};
    if (!item.read(family, one_of(kFamilies))) continue;
    if (std::exchange(peer.families[index(family)], true)) item.refuse("is there twice");
  }
  if (items.empty()) list.refuse("must name at least one family");
}

void read_next_hops(const Value& value, PeerConfig& peer) {
  Section section(value);
  for (const auto& [name, family] : kFamilies) {
    const auto item = section.get(name);
    IpAddress address;
    if (!item || !item->read(address, parse_session_address)) continue;
    if (bgp::unicast(address.family()) != family) {
      item->refuse(fmt::format("must be an {} address", name));
    } else if (!peer.families[index(family)]) {
      item->refuse(fmt::format("has no use: families does not have {}", name));
    } else {
      peer.next_hop_self[index(family)] = address;
    }
  }
  section.finish();
}

void read_local_address(const Value& value, PeerConfig& peer) {
  IpAddress address;
  if (!value.read(address, parse_session_address)) return;
  if (address.family() != peer.address.family()) {
    value.refuse(fmt::format("must be an {} address, as the peer's {}", format(peer.address.family()),
                             peer.address.to_string()));
  } else if (address == peer.address) {
    value.refuse("is the peer's own address");
  } else {
    peer.local_address = address;
  }
}

// Everything about one peer that can be judged without the others.
PeerConfig read_peer(const Value& item, const AgentConfig& config, const bgp::ImportRules& global_rules) {
  Section section(item);
  PeerConfig peer;
  section.read_required("name", peer.name, parse_name);
  section.read_required("address", peer.address, parse_session_address);
  section.read_required("as", peer.as, AsNumber::parse);
  section.read("port", peer.port, port());
  section.read("passive", peer.passive, parse_bool);
  section.read("hold_time", peer.hold_time, parse_hold_time);
  section.read("connect_retry", peer.connect_retry, seconds_between(1, 65535));
  section.read("ttl", peer.ttl, number_between<std::uint8_t>(0, 255));
  section.read("export", peer.export_scope, one_of(kScopes));
  if (const auto families = section.get("families")) read_families(*families, peer);
  if (const auto next_hop = section.get("next_hop")) read_next_hops(*next_hop, peer);
  if (const auto local = section.get("local_address")) read_local_address(*local, peer);
  if (const auto client = section.get("route_reflector_client")) {
    client->read(peer.route_reflector_client, parse_bool);
    if (peer.route_reflector_client && peer.as != config.speaker.as) {
      client->refuse(fmt::format("is for peers in our AS {}, this one is in AS {} (RFC 4456)",
                                 config.speaker.as.to_string(), peer.as.to_string()));
    }
  }
  const auto own_rules = section.get("import");
  peer.import_rules = with_pools(own_rules ? read_rules(own_rules->items()) : global_rules, config.pools);
  section.finish();
  return peer;
}

// Names and addresses must be unique, and no peer may be this host.
class PeerRegister {
 public:
  explicit PeerRegister(const std::vector<bgp::ListenAddress>& listen) : listen_(listen) {}

  void check(const Value& item, const PeerConfig& peer) {
    const auto complain = [&item](std::string_view key, const std::string& value, std::string_view reason) {
      const auto node = item.node()[std::string(key)];
      const int line = (node.IsDefined() ? node : item.node()).Mark().line + 1;
      item.diagnostics().add(line, fmt::format("{}.{}", item.path(), key), value, reason);
    };
    if (peer.name == "local")
      complain("name", peer.name, "stands for this host in route dumps; choose another");
    if (const auto [other, is_new] = names_.emplace(peer.name, item.line()); !is_new && !peer.name.empty()) {
      complain("name", peer.name, fmt::format("is the name of the peer on line {} already", other->second));
    }
    if (peer.address.is_unspecified()) return;  // did not parse
    const std::string address = peer.address.to_string();
    if (const auto [other, is_new] = addresses_.emplace(peer.address, item.line()); !is_new) {
      complain("address", address,
               fmt::format("is the address of the peer on line {} already", other->second));
    }
    if (std::ranges::find(listen_, peer.address, &bgp::ListenAddress::address) != listen_.end()) {
      complain("address", address, "is our own listen address");
    }
  }

 private:
  const std::vector<bgp::ListenAddress>& listen_;
  std::map<std::string, int> names_;
  std::map<IpAddress, int> addresses_;
};

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

void read_log(const Value& value, LogConfig& log) {
  Section section(value);
  section.read("level", log.level, one_of(kLogLevels));
  section.read("format", log.format, one_of(kLogFormats));
  section.finish();
}

AgentConfig read_config(const Value& root) {
  Section section(root);
  AgentConfig config;
  section.read_required("node", config.node, parse_name);
  section.read_required("router_id", config.speaker.router_id, RouterId::parse);
  section.read_required("as", config.speaker.as, AsNumber::parse);
  if (const auto cluster_id = section.get("cluster_id")) {
    RouterId id;
    if (cluster_id->read(id, RouterId::parse)) config.speaker.cluster_id = id;
  }
  config.speaker.listen = read_listen(section.items("listen"));
  config.pools = read_prefixes(section.items("pools"), parse_pool);
  config.blocks = read_blocks(section.items("blocks"), config.pools);
  config.speaker.originate = config.blocks;

  const auto global_rules = read_rules(section.items("import"));
  PeerRegister peers(config.speaker.listen);
  for (const Value& item : section.items("peers")) {
    config.speaker.peers.push_back(read_peer(item, config, global_rules));
    if (item.node().IsMap()) peers.check(item, config.speaker.peers.back());
  }
  if (const auto kernel = section.get("kernel")) read_kernel(*kernel, config.kernel);
  section.read("restart_deferral", config.speaker.restart_deferral, seconds_between(0, 3600));
  section.read("state_dir", config.state_dir, parse_path);
  section.read("control_socket", config.control_socket, parse_socket_path);
  if (const auto log = section.get("log")) read_log(*log, config.log);
  section.finish();
  return config;
}

ConfigErrors whole_file(const std::string& file, std::string_view reason) {
  return {fmt::format("{}: {}", file, reason)};
}

Result<std::string> read_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno, "open");
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "stat");
  if (!S_ISREG(info.st_mode)) return fail(ErrorKind::kInvalid, "is not a regular file");
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "read");
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kLargestFile) return fail(ErrorKind::kInvalid, "is larger than 16 MiB");
  }
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
  const auto text = read_file(path);
  if (!text) return std::unexpected(whole_file(path, text.error().message));
  return parse_config(*text, path);
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
  compare("control_socket", now.control_socket, next.control_socket);
  compare("kernel.install", now.kernel.install, next.kernel.install);
  compare("kernel.table", now.kernel.table, next.kernel.table);
  compare("kernel.protocol", now.kernel.protocol, next.kernel.protocol);
  compare("kernel.metric", now.kernel.metric, next.kernel.metric);
  compare("kernel.blackhole_metric", now.kernel.blackhole_metric, next.kernel.blackhole_metric);
  return errors;
}

}  // namespace towpath::agent
