// IpamConfig::parse(): the keys of a network configuration and of a call that say which addresses a container
// may get.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "plugins/common/host_ipam.h"
#include "towpath/base/unicast_prefix.h"
#include "towpath/ipam/address_range.h"

namespace towpath::cni {
namespace {

using ipam::AddressRange;

constexpr std::uint32_t kLongestCoolDown = 24 * 60 * 60;

CniExpected<std::string> text_of(const Json& element, const std::string& path) {
  if (!element.is_string()) return wrong(path, element, "is not a string");
  return element.get_ref<const std::string&>();
}

// A value whose parse() has the reason and the value in its message.
template <class T>
CniExpected<T> parsed(Result<T> result, const std::string& path) {
  if (result) return *std::move(result);
  return cni_fail(CniCode::kInvalidConfig, fmt::format("{}: {}", path, result.error().message));
}

// Prefixes that do not overlap each other.
CniStatus read_prefixes(const JsonObject& object, const char* key, std::vector<Prefix>& out) {
  return object.for_each(key, [&](const Json& element, const std::string& path) -> CniStatus {
    TOWPATH_TRY(const std::string text, text_of(element, path));
    TOWPATH_TRY(const Prefix prefix, parsed(parse_unicast_prefix(text), path));
    for (const Prefix& other : out) {
      if (other.overlaps(prefix)) return wrong(path, element, fmt::format("overlaps {}", other.to_string()));
    }
    out.push_back(prefix);
    return {};
  });
}

CniStatus read_ranges(const JsonObject& object, const char* key, std::vector<AddressRange>& out) {
  return object.for_each(key, [&](const Json& element, const std::string& path) -> CniStatus {
    TOWPATH_TRY(const std::string text, text_of(element, path));
    TOWPATH_TRY(const AddressRange range, parsed(AddressRange::parse(text), path));
    out.push_back(range);
    return {};
  });
}

// --- labels ---

// CONVENTIONS.md of the specification: args.cni.labels is a list of {key, value}.
CniStatus read_labels(const JsonObject& args, std::map<std::string, std::string>& labels) {
  return args.for_each("labels", [&](const Json& element, const std::string& path) -> CniStatus {
    TOWPATH_TRY(const JsonObject label, JsonObject::make(element, path));
    TOWPATH_TRY(const auto key, label.string("key"));
    TOWPATH_TRY(const auto value, label.string_or("value", ""));
    if (!key) return wrong(path, element, "has no key");
    labels[*key] = value;
    return {};
  });
}

// --- pools ---

struct Pool {
  std::string name;
  std::vector<Prefix> prefixes;
  std::vector<std::string> namespaces;  // empty: of every pod
};

CniExpected<Pool> read_pool(const Json& element, const std::string& path) {
  TOWPATH_TRY(const JsonObject object, JsonObject::make(element, path));
  TOWPATH_TRY_STATUS(object.only({"name", "prefixes", "namespaces"}));
  Pool pool;
  TOWPATH_TRY(pool.name, object.string_or("name", ""));
  if (pool.name.empty()) return wrong(path, element, "has no name");
  TOWPATH_TRY_STATUS(read_prefixes(object, "prefixes", pool.prefixes));
  if (pool.prefixes.empty()) return wrong(path, element, "has no prefixes");
  TOWPATH_TRY_STATUS(object.for_each("namespaces", [&](const Json& name, const std::string& at) -> CniStatus {
    TOWPATH_TRY(std::string text, text_of(name, at));
    pool.namespaces.push_back(std::move(text));
    return {};
  }));
  return pool;
}

CniExpected<std::vector<Pool>> read_pools(const JsonObject& ipam) {
  std::vector<Pool> pools;
  TOWPATH_TRY_STATUS(ipam.for_each("pools", [&](const Json& element, const std::string& path) -> CniStatus {
    TOWPATH_TRY(Pool pool, read_pool(element, path));
    for (const Pool& other : pools) {
      if (other.name == pool.name)
        return wrong(path + ".name", Json(pool.name), "is the name of another pool");
      for (const Prefix& a : other.prefixes) {
        for (const Prefix& b : pool.prefixes) {
          if (a.overlaps(b)) {
            return wrong(path + ".prefixes", Json(b.to_string()),
                         fmt::format("overlaps {} of pool {}", a.to_string(), other.name));
          }
        }
      }
    }
    pools.push_back(std::move(pool));
    return {};
  }));
  return pools;
}

// What the runtime asks for counts more than the pod's namespace.
CniStatus choose_pool(const CniRequest& request, const std::vector<Pool>& pools, const std::string& asked,
                      std::vector<Prefix>& out) {
  if (!asked.empty()) {
    const auto pool = std::ranges::find(pools, asked, &Pool::name);
    if (pool == pools.end()) {
      std::string known;
      for (const Pool& other : pools) known += (known.empty() ? "" : ", ") + other.name;
      return cni_fail(CniCode::kInvalidConfig,
                      fmt::format("pool: '{}' is none of ipam.pools ({})", show(Json(asked)), known));
    }
    out = pool->prefixes;
    return {};
  }
  if (pools.empty()) return {};
  const auto found = request.args.find("K8S_POD_NAMESPACE");
  const std::string pod_namespace = found == request.args.end() ? "" : found->second;
  const auto first = [&](auto fits) { return std::ranges::find_if(pools, fits); };
  auto pool = first(
      [&](const Pool& p) { return std::ranges::find(p.namespaces, pod_namespace) != p.namespaces.end(); });
  if (pool == pools.end()) pool = first([](const Pool& p) { return p.namespaces.empty(); });
  if (pool == pools.end()) {
    // The other verbs have no pod of their own, and are answered for all pools.
    if (request.command != CniCommand::kAdd) return {};
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("ipam.pools: none is for the namespace '{}'", show(Json(pod_namespace))));
  }
  out = pool->prefixes;
  return {};
}

// --- ipRanges ---

struct AskedRange {
  Prefix subnet;
  AddressRange range;
};

// host-local's form: what is not said is the beginning, or the end, of the subnet.
CniExpected<AskedRange> read_asked_range(const Json& element, const std::string& path,
                                         ipam::AddressChoice& choice) {
  TOWPATH_TRY(const JsonObject object, JsonObject::make(element, path));
  TOWPATH_TRY(const std::string subnet_text, object.string_or("subnet", ""));
  TOWPATH_TRY(const Prefix subnet, parsed(parse_unicast_prefix(subnet_text), object.path_of("subnet")));
  AskedRange out{subnet, AddressRange::of(subnet)};
  const auto read = [&](const char* key, IpAddress& address) -> CniStatus {
    TOWPATH_TRY(const std::string text, object.string_or(key, ""));
    if (text.empty()) return {};
    TOWPATH_TRY(address, parsed(IpAddress::parse(text), object.path_of(key)));
    if (!subnet.contains(address))
      return wrong(object.path_of(key), Json(text), "lies outside " + subnet.to_string());
    return {};
  };
  TOWPATH_TRY_STATUS(read("rangeStart", out.range.first));
  TOWPATH_TRY_STATUS(read("rangeEnd", out.range.last));
  if (out.range.last < out.range.first) {
    return wrong(object.path_of("rangeEnd"), Json(out.range.last.to_string()),
                 "lies before rangeStart " + out.range.first.to_string());
  }
  IpAddress gateway = out.range.first;
  TOWPATH_TRY_STATUS(read("gateway", gateway));
  if (object.find("gateway") != nullptr) choice.excluded.push_back({gateway, gateway});
  return out;
}

CniStatus read_ip_ranges(const JsonObject& runtime, ipam::AddressChoice& choice) {
  std::vector<Prefix> subnets;
  TOWPATH_TRY_STATUS(runtime.for_each("ipRanges", [&](const Json& set, const std::string& path) -> CniStatus {
    if (!set.is_array()) return wrong(path, set, "is not a list of ranges");
    for (std::size_t i = 0; i < set.size(); ++i) {
      TOWPATH_TRY(const AskedRange asked, read_asked_range(set[i], fmt::format("{}[{}]", path, i), choice));
      for (const Prefix& other : subnets) {
        if (other != asked.subnet && other.overlaps(asked.subnet))
          return wrong(fmt::format("{}[{}].subnet", path, i), Json(asked.subnet.to_string()),
                       "overlaps " + other.to_string());
      }
      if (std::ranges::find(subnets, asked.subnet) == subnets.end()) subnets.push_back(asked.subnet);
      choice.ranges.push_back(asked.range);
    }
    return {};
  }));
  if (!subnets.empty()) choice.blocks = std::move(subnets);
  return {};
}

// --- addresses by name ---

// "10.64.1.7" or "10.64.1.7/24"; of the length nothing follows here, where every address stands alone.
CniExpected<IpAddress> parse_asked(const std::string& text, const std::string& path) {
  if (text.find('/') == std::string::npos) return parsed(IpAddress::parse(text), path);
  TOWPATH_TRY(const InterfaceAddress address, parsed(InterfaceAddress::parse(text), path));
  return address.address;
}

CniStatus read_ips(const JsonObject& object, ipam::AddressChoice& choice) {
  std::vector<IpAddress>& out = choice.addresses;
  return object.for_each("ips", [&](const Json& element, const std::string& path) -> CniStatus {
    TOWPATH_TRY(const std::string text, text_of(element, path));
    TOWPATH_TRY(const IpAddress address, parse_asked(text, path));
    if (std::ranges::find(out, address) != out.end()) return wrong(path, element, "stands there twice");
    out.push_back(address);
    choice.keys.push_back(path);
    return {};
  });
}

// The form of CNI_ARGS: IP=10.64.1.7,fd00::7
CniStatus read_ip_variable(const CniRequest& request, ipam::AddressChoice& choice) {
  const auto found = request.args.find("IP");
  if (found == request.args.end()) return {};
  for (std::string_view rest = found->second; !rest.empty();) {
    const std::string_view text = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    auto address = parse_asked(std::string(text), "CNI_ARGS: IP");
    if (!address) return cni_fail(CniCode::kInvalidEnvironment, std::move(address).error().message);
    choice.addresses.push_back(*address);
    choice.keys.emplace_back("CNI_ARGS: IP");
  }
  return {};
}

// The same order as for a MAC address: the capability counts most, CNI_ARGS is the deprecated way.
CniStatus read_asked_addresses(const CniRequest& request, const std::optional<JsonObject>& runtime,
                               const std::optional<JsonObject>& args, ipam::AddressChoice& choice) {
  if (runtime) TOWPATH_TRY_STATUS(read_ips(*runtime, choice));
  if (choice.addresses.empty() && args) TOWPATH_TRY_STATUS(read_ips(*args, choice));
  if (choice.addresses.empty()) return read_ip_variable(request, choice);
  return {};
}

CniStatus refuse_excluded(const ipam::AddressChoice& choice, const std::vector<AddressRange>& excluded) {
  for (std::size_t i = 0; i < choice.addresses.size(); ++i) {
    if (ipam::any_contains(excluded, choice.addresses[i])) {
      return cni_fail(CniCode::kInvalidConfig, fmt::format("{}: address {} is in ipam.exclude",
                                                           choice.keys[i], choice.addresses[i].to_string()));
    }
  }
  return {};
}

CniStatus read_own(const CniRequest& request, const JsonObject& config, const JsonObject& ipam,
                   const std::optional<JsonObject>& args, IpamConfig& out) {
  TOWPATH_TRY_STATUS(ipam.only(
      {"type", "blocks", "routes", "pools", "pool", "exclude", "reserve", "coolDown", "borrow", "gateway"}));
  ipam::AddressChoice& choice = out.choice;
  TOWPATH_TRY_STATUS(read_prefixes(ipam, "blocks", choice.blocks));
  TOWPATH_TRY_STATUS(ipam.for_each("routes", [&](const Json& element, const std::string& path) -> CniStatus {
    TOWPATH_TRY(const CniRoute route, parse_route(element, path));
    out.routes.push_back(route);
    return {};
  }));
  TOWPATH_TRY(const auto cool_down, ipam.number("coolDown", 0, kLongestCoolDown));
  choice.cool_down = std::chrono::seconds(cool_down.value_or(0));

  const auto read_switch = [&ipam](const char* key, bool& target) -> CniStatus {
    const Json* value = ipam.find(key);
    if (value == nullptr) return {};
    if (!value->is_boolean()) return wrong(ipam.path_of(key), *value, "is neither true nor false");
    target = value->get<bool>();
    return {};
  };
  TOWPATH_TRY_STATUS(read_switch("borrow", choice.borrow));
  TOWPATH_TRY_STATUS(read_switch("gateway", choice.gateway));
  TOWPATH_TRY(const std::vector<Pool> pools, read_pools(ipam));
  TOWPATH_TRY(std::string pool, ipam.string_or("pool", ""));
  TOWPATH_TRY_STATUS(read_ranges(ipam, "exclude", choice.excluded));
  const std::vector<AddressRange> never = choice.excluded;
  TOWPATH_TRY_STATUS(read_ranges(ipam, "reserve", choice.excluded));
  // What a runtime asks for one container concerns ADD only.
  if (request.command != CniCommand::kAdd) return choose_pool(request, pools, pool, choice.pool);
  if (args) {
    TOWPATH_TRY(pool, args->string_or("pool", pool));
  }
  TOWPATH_TRY_STATUS(choose_pool(request, pools, pool, choice.pool));
  TOWPATH_TRY(const auto runtime, config.object("runtimeConfig"));
  if (runtime) TOWPATH_TRY_STATUS(read_ip_ranges(*runtime, choice));
  TOWPATH_TRY_STATUS(read_asked_addresses(request, runtime, args, choice));
  return refuse_excluded(choice, never);
}

// Where it cannot be read nothing but our own can be given back.
std::string type_or_ours(const Json& config) {
  const auto ipam = config.find("ipam");
  if (ipam == config.end() || !ipam->is_object()) return kOwnIpamType;
  const auto type = ipam->find("type");
  return type != ipam->end() && type->is_string() ? type->get<std::string>() : kOwnIpamType;
}

}  // namespace

CniExpected<IpamConfig> IpamConfig::parse(const CniRequest& request) {
  IpamConfig out;
  TOWPATH_TRY(const JsonObject config, JsonObject::make(request.config, ""));
  TOWPATH_TRY(out.state_dir, config.string_or("stateDir", out.state_dir));
  if (!out.state_dir.starts_with('/')) {
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("stateDir: '{}' is not an absolute path", out.state_dir));
  }
  if (only_removes(request.command)) {
    out.type = type_or_ours(request.config);
    return out;
  }
  std::optional<JsonObject> args;
  TOWPATH_TRY(const auto all_args, config.object("args"));
  if (all_args) {
    TOWPATH_TRY(args, all_args->object("cni"));
  }
  if (args) TOWPATH_TRY_STATUS(read_labels(*args, out.labels));
  TOWPATH_TRY(const auto given, config.object("ipam"));
  const Json nothing = Json::object();
  TOWPATH_TRY(const JsonObject ipam,
              given ? CniExpected<JsonObject>(*given) : JsonObject::make(nothing, "ipam"));
  TOWPATH_TRY(out.type, ipam.string_or("type", out.type));
  if (!out.is_own()) return out;
  TOWPATH_TRY_STATUS(read_own(request, config, ipam, args, out));
  return out;
}

}  // namespace towpath::cni
