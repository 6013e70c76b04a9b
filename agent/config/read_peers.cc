#include "agent/config/read_peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "agent/config/read_bfd.h"
#include "agent/config/read_keys.h"
#include "agent/config/scalars.h"
#include "towpath/bgp/add_path.h"
#include "towpath/bgp/family.h"
#include "towpath/bgp/md5_key.h"
#include "towpath/bgp/peer_as.h"
#include "towpath/bgp/role.h"

namespace towpath::agent {
namespace {

using bgp::Family;
using bgp::PeerConfig;

constexpr std::array<std::pair<std::string_view, Family>, 2> kFamilies{
    {{"ipv4", Family::kIpv4Unicast}, {"ipv6", Family::kIpv6Unicast}}};

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

constexpr std::array<std::pair<std::string_view, bgp::Role>, 5> kRoles{
    {{"provider", bgp::Role::kProvider},
     {"rs", bgp::Role::kRouteServer},
     {"rs-client", bgp::Role::kRouteServerClient},
     {"customer", bgp::Role::kCustomer},
     {"peer", bgp::Role::kPeer}}};

constexpr std::array<std::pair<std::string_view, bgp::AddPathMode>, 4> kAddPathModes{
    {{"none", bgp::AddPathMode::kNone},
     {"receive", bgp::AddPathMode::kReceive},
     {"send", bgp::AddPathMode::kSend},
     {"both", bgp::AddPathMode::kBoth}}};

constexpr std::array<std::pair<std::string_view, bgp::Md5Rekey>, 2> kRekeys{
    {{"lazy", bgp::Md5Rekey::kLazy}, {"live", bgp::Md5Rekey::kLive}}};

Result<bgp::PeerAs> parse_peer_as(std::string_view text) {
  if (text == "internal") return bgp::PeerAs::internal();
  if (text == "external") return bgp::PeerAs::external();
  TOWPATH_TRY(const AsNumber as, parse_speaker_as(text));
  return bgp::PeerAs(as);
}

// RFC 9003 section 2: at most 255 octets; peers that know RFC 8203 alone take 128.
Result<std::string> parse_shutdown_text(std::string_view text) {
  if (text.size() > 128)
    return fail(ErrorKind::kInvalid, "must have at most 128 octets (RFC 8203 section 2)");
  return std::string(text);
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
    const bool is_extended = peer.extended_next_hop && family == Family::kIpv4Unicast && address.is_v6();
    if (bgp::unicast(address.family()) != family && !is_extended) {
      item->refuse(fmt::format("must be an {} address{}", name,
                               address.is_v6() ? ", or IPv6 where extended_next_hop is true" : ""));
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
    value.refuse(peer.of_range
                     ? fmt::format("must be an {} address, as its range", format(peer.address.family()))
                     : fmt::format("must be an {} address, as the peer's {}", format(peer.address.family()),
                                   peer.address.to_string()));
  } else if (address == peer.address) {
    value.refuse("is the peer's own address");
  } else {
    peer.local_address = address;
  }
}

// What the peer may announce inside the pools.
std::vector<Prefix> read_peer_blocks(const Value& list, const std::vector<Prefix>& pools) {
  std::vector<Prefix> blocks;
  for (const Value& item : list.items()) {
    Prefix block;
    if (!item.read(block, Prefix::parse)) continue;
    if (std::ranges::any_of(pools, [&](const Prefix& pool) { return pool.contains(block); })) {
      blocks.push_back(block);
    } else {
      item.refuse("lies in none of the pools");
    }
  }
  return blocks;
}

void read_local_as(const Value& value, const AgentConfig& config, PeerConfig& peer) {
  Section section(value);
  bgp::LocalAs local;
  const auto as = section.require("as");
  const bool known = as && as->read(local.as, parse_speaker_as);
  section.read("no_prepend", local.no_prepend, parse_bool);
  section.read("replace_as", local.replace_as, parse_bool);
  section.finish();
  if (!known) return;
  if (local.as == config.speaker.as) {
    as->refuse("is our own AS anyway");
  } else if (peer.as.is_internal(config.speaker.as) || peer.as == bgp::PeerAs(local.as)) {
    value.refuse(
        fmt::format("is for peers in another AS (RFC 7705), this one is in AS {}", peer.as.to_string()));
  } else {
    peer.local_as = local;
  }
}

void read_role(const Value& value, const AgentConfig& config, PeerConfig& peer) {
  bgp::Role role{};
  if (!value.read(role, one_of(kRoles))) return;
  if (peer.as.is_internal(config.speaker.as)) {
    value.refuse("is for peers in another AS (RFC 9234 section 4.1)");
  } else {
    peer.role = role;
  }
}

void read_hop_limits(Section& section, PeerConfig& peer) {
  section.read("ttl", peer.ttl, number_between<std::uint8_t>(0, 255));
  const auto security = section.get("ttl_security");
  if (!security || !security->read(peer.ttl_security, number_between<std::uint8_t>(0, 254))) return;
  if (peer.ttl != 0 && peer.ttl_security != 0) {
    security->refuse("sends every packet with TTL 255 (RFC 5082); leave out ttl");
  }
}

void read_maximum_prefixes(const Value& value, PeerConfig& peer) {
  Section section(value);
  for (const auto& [name, family] : kFamilies) {
    const auto item = section.get(name);
    std::uint32_t& limit = peer.maximum_prefixes.limits[index(family)];
    if (!item || !item->read(limit, number_between<std::uint32_t>(0, 0xFFFFFFFF))) continue;
    if (limit != 0 && !peer.families[index(family)]) {
      item->refuse(fmt::format("has no use: families does not have {}", name));
    }
  }
  section.read("restart", peer.maximum_prefixes.restart, seconds_between(0, 65535));
  section.finish();
}

void read_md5(Section& section, PeerConfig& peer) {
  std::string file;
  const auto key = section.get("md5_key_file");
  if (key && key->read(file, parse_key_path))
    peer.md5 = bgp::Md5Key{.file = file, .secret = {}, .problem = {}};
  const auto rekey = section.get("md5_rekey");
  if (rekey && rekey->read(peer.md5_rekey, one_of(kRekeys)) && !key) {
    rekey->refuse("has no use without md5_key_file");
  }
}

void read_add_path(Section& section, PeerConfig& peer) {
  section.read("add_path", peer.add_path, one_of(kAddPathModes));
  const auto limit = section.get("add_path_limit");
  if (!limit || !limit->read(peer.add_path_limit, number_between<std::uint8_t>(0, 255))) return;
  if (peer.add_path_limit != 0 && !sends(peer.add_path)) {
    limit->refuse("has no use: add_path is neither send nor both");
  }
}

void read_send_hold_time(const Value& value, PeerConfig& peer) {
  if (!value.read(peer.send_hold_time, seconds_between(0, 65535))) return;
  if (peer.send_hold_time.count() != 0 && peer.send_hold_time <= peer.hold_time) {
    value.refuse(
        fmt::format("must be 0 or more than hold_time, {} (RFC 9687 section 5)", peer.hold_time.count()));
  }
}

// Who connects out of a range has no address to be told apart by before it does, and nobody can wait for it.
void read_range(Section& section, PeerConfig& peer, bgp::PeerRange& range) {
  const auto prefix = section.require("range");
  if (prefix->read(range.prefix, Prefix::parse) && range.prefix.is_host()) {
    prefix->refuse("is one address; write address");
  }
  if (const auto address = section.get("address")) address->refuse("has no use with range");
  section.read("limit", range.limit, number_between<std::uint32_t>(1, 65535));
  for (const char* key : {"port", "connect_retry", "passive", "shutdown", "bfd"}) {
    if (const auto value = section.get(key)) value->refuse("has no use with range");
  }
  peer.of_range = peer.passive = true;
  peer.address = IpAddress::any(range.prefix.family());
}

// Everything about one peer that can be judged without the others.
PeerConfig read_peer(const Value& item, const AgentConfig& config, RuleReader& rules,
                     std::vector<bfd::SessionConfig>& bfd, bgp::PeerRange& range) {
  Section section(item);
  PeerConfig peer;
  section.read_required("name", peer.name, parse_name);
  if (section.get("range")) {
    read_range(section, peer, range);
  } else {
    section.read_required("address", peer.address, parse_session_address);
    if (const auto limit = section.get("limit")) limit->refuse("has no use without range");
  }
  section.read_required("as", peer.as, parse_peer_as);
  if (const auto local = section.get("local_as")) read_local_as(*local, config, peer);
  section.read("port", peer.port, port());
  section.read("passive", peer.passive, parse_bool);
  section.read("hold_time", peer.hold_time, parse_hold_time);
  section.read("connect_retry", peer.connect_retry, seconds_between(1, 65535));
  if (const auto send = section.get("send_hold_time")) read_send_hold_time(*send, peer);
  read_hop_limits(section, peer);
  read_md5(section, peer);
  section.read("extended_messages", peer.extended_messages, parse_bool);
  section.read("extended_next_hop", peer.extended_next_hop, parse_bool);
  read_add_path(section, peer);
  section.read("restart_time", peer.restart_time, seconds_between(0, 4095));
  if (const auto role = section.get("role")) read_role(*role, config, peer);
  section.read("role_strict", peer.role_strict, parse_bool);
  if (const auto shutdown = section.get("shutdown")) {
    std::string text;
    if (shutdown->read(text, parse_shutdown_text)) peer.shutdown = text;
  }
  if (const auto families = section.get("families")) read_families(*families, peer);
  if (const auto maximum = section.get("maximum_prefixes")) read_maximum_prefixes(*maximum, peer);
  if (const auto next_hop = section.get("next_hop")) read_next_hops(*next_hop, peer);
  if (const auto local = section.get("local_address")) read_local_address(*local, peer);
  if (const auto client = section.get("route_reflector_client")) {
    client->read(peer.route_reflector_client, parse_bool);
    if (peer.route_reflector_client && !peer.as.is_internal(config.speaker.as)) {
      client->refuse(fmt::format("is for peers in our AS {}, this one is in AS {} (RFC 4456)",
                                 config.speaker.as.to_string(), peer.as.to_string()));
    }
  }
  section.read("enforce_first_as", peer.enforce_first_as, parse_bool);
  peer.import_policy = rules.import_policy(section.get("import"));
  if (const auto told = section.get("export")) rules.read_export(*told, peer);
  if (const auto blocks = section.get("blocks")) {
    peer.authorisation = rules.authorisation(read_peer_blocks(*blocks, config.pools));
  }
  if (const auto path = section.get("bfd"); path && !peer.of_range) bfd.push_back(read_bfd(*path, peer));
  section.finish();
  return peer;
}

// Names and addresses must be unique, and no peer may be this host.
class PeerRegister {
 public:
  explicit PeerRegister(const std::vector<bgp::ListenAddress>& listen) : listen_(listen) {}

  void check(const Value& item, const PeerConfig& peer) {
    check_name(item, peer);
    if (peer.address.is_unspecified()) return;  // did not parse
    const std::string address = peer.address.to_string();
    if (const auto [other, is_new] = addresses_.emplace(peer.address, item.line()); !is_new) {
      complain(item, "address", address,
               fmt::format("is the address of the peer on line {} already", other->second));
    }
    if (std::ranges::find(listen_, peer.address, &bgp::ListenAddress::address) != listen_.end()) {
      complain(item, "address", address, "is our own listen address");
    }
  }

  void check(const Value& item, const bgp::PeerRange& range) {
    check_name(item, range.peer);
    const auto [other, is_new] = ranges_.emplace(range.prefix, item.line());
    if (is_new) return;
    complain(item, "range", range.prefix.to_string(),
             fmt::format("is the range of the peer on line {} already", other->second));
  }

 private:
  void complain(const Value& item, std::string_view key, const std::string& value, std::string_view reason) {
    const auto node = item.node()[std::string(key)];
    const int line = (node.IsDefined() ? node : item.node()).Mark().line + 1;
    item.diagnostics().add(line, fmt::format("{}.{}", item.path(), key), value, reason);
  }

  void check_name(const Value& item, const PeerConfig& peer) {
    if (peer.name == "local") {
      complain(item, "name", peer.name, "stands for this host in route dumps; choose another");
    }
    if (const auto [other, is_new] = names_.emplace(peer.name, item.line()); !is_new && !peer.name.empty()) {
      complain(item, "name", peer.name,
               fmt::format("is the name of the peer on line {} already", other->second));
    }
  }

  const std::vector<bgp::ListenAddress>& listen_;
  std::map<std::string, int> names_;
  std::map<IpAddress, int> addresses_;
  std::map<Prefix, int> ranges_;
};

}  // namespace

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

Peers read_peers(const std::vector<Value>& items, const AgentConfig& config, RuleReader& rules) {
  Peers read;
  PeerRegister seen(config.speaker.listen);
  for (const Value& item : items) {
    bgp::PeerRange range;
    PeerConfig peer = read_peer(item, config, rules, read.bfd, range);
    if (peer.of_range) {
      range.peer = std::move(peer);
      seen.check(item, read.ranges.emplace_back(std::move(range)));
    } else {
      read.peers.push_back(std::move(peer));
      if (item.node().IsMap()) seen.check(item, read.peers.back());
    }
  }
  return read;
}

}  // namespace towpath::agent
