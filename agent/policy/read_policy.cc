#include "agent/policy/read_policy.h"

#include <array>

#include "agent/config/scalars.h"
#include "agent/policy/object_names.h"

namespace towpath::agent {
namespace {

using policy::EndpointSelector;
using policy::IpBlock;
using policy::Labels;
using policy::NetworkPolicy;
using policy::PeerMatch;
using policy::PolicyRule;
using policy::PortMatch;
using policy::PortRange;
using policy::Protocol;
using policy::Requirement;
using policy::Selector;
using policy::SelectorOperator;

constexpr std::array<std::pair<std::string_view, SelectorOperator>, 4> kOperators{
    {{"In", SelectorOperator::kIn},
     {"NotIn", SelectorOperator::kNotIn},
     {"Exists", SelectorOperator::kExists},
     {"DoesNotExist", SelectorOperator::kDoesNotExist}}};
constexpr std::array<std::pair<std::string_view, Protocol>, 3> kProtocols{
    {{"TCP", Protocol::kTcp}, {"UDP", Protocol::kUdp}, {"SCTP", Protocol::kSctp}}};

// yaml-cpp gives "!" to what stands in quotes.
bool is_quoted(const YAML::Node& node) {
  return node.Tag() == "!";
}

bool is_absent(const std::optional<Value>& value) {
  return !value || value->node().IsNull();
}

// Text as Kubernetes' API takes it: "80" and "true" only in quotes.
template <class Parse>
bool read_text(const Value& value, std::string& target, Parse parse) {
  const auto text = value.scalar();
  if (!text) return false;
  if (!is_quoted(value.node()) && is_no_text(*text)) {
    value.refuse("must be text: put it in quotes");
    return false;
  }
  return value.read(target, parse);
}

Labels read_labels(const Value& value) {
  Labels labels;
  if (value.node().IsNull()) return labels;
  Section section(value);
  for (const std::string& key : section.keys()) {
    const auto entry = section.get(key);
    if (const auto good = parse_label_key(key); !good) entry->refuse(good.error().message);
    std::string text;
    if (read_text(*entry, text, parse_label_value)) labels[key] = text;
  }
  return labels;
}

Requirement read_requirement(const Value& value) {
  Section section(value);
  Requirement requirement;
  if (const auto key = section.require("key")) read_text(*key, requirement.key, parse_label_key);
  const bool has_operator = section.read_required("operator", requirement.op, one_of(kOperators));
  const auto values = section.get("values");
  for (const Value& one : values ? values->items() : std::vector<Value>{}) {
    std::string text;
    if (read_text(one, text, parse_label_value)) requirement.values.push_back(text);
  }
  const bool needs_values =
      requirement.op == SelectorOperator::kIn || requirement.op == SelectorOperator::kNotIn;
  const bool has_values = values && values->node().size() > 0;
  if (has_operator && needs_values && !has_values)
    (values ? *values : value).refuse("the operators In and NotIn need at least one of `values`");
  if (has_operator && !needs_values && has_values)
    values->refuse("the operators Exists and DoesNotExist take no values");
  section.finish();
  return requirement;
}

Selector read_selector(const Value& value) {
  Selector selector;
  if (value.node().IsNull()) return selector;
  Section section(value);
  if (const auto labels = section.get("matchLabels")) selector.match_labels = read_labels(*labels);
  for (const Value& item : section.items("matchExpressions"))
    selector.match_expressions.push_back(read_requirement(item));
  section.finish();
  return selector;
}

// Kubernetes takes a CIDR with host bits, and means its network.
Result<Prefix> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos)
    return fail(ErrorKind::kInvalid, "must be an address, '/' and a length, as 10.0.0.0/8 or fd00::/8");
  TOWPATH_TRY(const IpAddress address, IpAddress::parse(text.substr(0, slash)));
  TOWPATH_TRY(const auto length, number_between<unsigned>(0, address.bits())(text.substr(slash + 1)));
  return Prefix::make(address, length);
}

IpBlock read_block(const Value& value) {
  IpBlock block;
  Section section(value);
  const bool has_cidr = section.read_required("cidr", block.cidr, parse_cidr);
  for (const Value& item : section.items("except")) {
    Prefix except;
    if (!item.read(except, parse_cidr)) continue;
    if (has_cidr && (!block.cidr.contains(except) || except == block.cidr))
      item.refuse("must lie inside " + block.cidr.to_string() + ", and be smaller");
    block.except.push_back(except);
  }
  section.finish();
  return block;
}

PeerMatch read_peer(const Value& value) {
  Section section(value);
  const auto pods = section.get("podSelector");
  const auto namespaces = section.get("namespaceSelector");
  const auto block = section.get("ipBlock");
  PeerMatch peer;
  if (!is_absent(block)) {
    if (!is_absent(pods) || !is_absent(namespaces))
      value.refuse("ipBlock stands alone: no podSelector and no namespaceSelector beside it");
    peer = read_block(*block);
  } else {
    EndpointSelector selector;
    if (!is_absent(pods)) selector.pods = read_selector(*pods);
    if (!is_absent(namespaces)) selector.namespaces = read_selector(*namespaces);
    if (value.node().IsMap() && !selector.pods && !selector.namespaces)
      value.refuse("must have podSelector, namespaceSelector or ipBlock");
    peer = std::move(selector);
  }
  section.finish();
  return peer;
}

PortMatch read_port(const Value& value) {
  constexpr auto parse_number = number_between<std::uint16_t>;
  PortMatch match;
  Section section(value);
  if (const auto protocol = section.get("protocol"); !is_absent(protocol))
    protocol->read(match.protocol, one_of(kProtocols));
  const auto port = section.get("port");
  const auto end = section.get("endPort");
  bool is_number = false;
  PortRange range;
  if (!is_absent(port)) {
    is_number = port->node().IsScalar() && !is_quoted(port->node()) && is_no_text(port->node().Scalar());
    if (is_number) {
      if (port->read(range.first, parse_number(1, 65535))) match.port = range = {range.first, range.first};
    } else {
      std::string name;
      if (port->read(name, parse_port_name)) match.port = std::move(name);
    }
  }
  if (!is_absent(end)) {
    if (!is_number) {
      end->refuse("needs `port`, as a number, beside it");
    } else if (end->read(range.last, parse_number(1, 65535))) {
      if (range.last < range.first) end->refuse(fmt::format("must not be smaller than port {}", range.first));
      match.port = range;
    }
  }
  section.finish();
  return match;
}

std::vector<PolicyRule> read_rules(const std::vector<Value>& items, std::string_view peers) {
  std::vector<PolicyRule> rules;
  for (const Value& item : items) {
    PolicyRule rule;
    // `- ` alone is Kubernetes' {}: everything from everybody.
    if (!item.node().IsNull()) {
      Section section(item);
      for (const Value& peer : section.items(peers)) rule.peers.push_back(read_peer(peer));
      for (const Value& port : section.items("ports")) rule.ports.push_back(read_port(port));
      section.finish();
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

// "If no policyTypes are specified, Ingress will always be set and Egress will be set if the policy has any
// egress rules": the API reference of NetworkPolicySpec.
void read_types(const std::vector<Value>& items, NetworkPolicy& policy) {
  policy.isolates_ingress = items.empty();
  policy.isolates_egress = items.empty() && !policy.egress.empty();
  static constexpr std::array<std::pair<std::string_view, bool NetworkPolicy::*>, 2> kTypes{
      {{"Ingress", &NetworkPolicy::isolates_ingress}, {"Egress", &NetworkPolicy::isolates_egress}}};
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i == kTypes.size()) items[i].refuse("there may be two policyTypes at most");
    bool NetworkPolicy::* type = nullptr;
    if (items[i].read(type, one_of(kTypes))) policy.*type = true;
  }
}

}  // namespace

ObjectMeta read_meta(Section& section, bool has_namespace) {
  ObjectMeta meta;
  meta.name_space = "default";
  const auto value = section.require("metadata");
  if (!value) return meta;
  // Its other keys (uid, annotations, managedFields) mean nothing here.
  Section metadata(*value);
  if (const auto name = metadata.require("name"))
    read_text(*name, meta.name, has_namespace ? parse_dns_subdomain : parse_dns_label);
  if (const auto name = metadata.get("namespace"); !is_absent(name)) {
    if (has_namespace) {
      read_text(*name, meta.name_space, parse_dns_label);
    } else {
      name->refuse("a Namespace lies in none");
    }
  }
  if (const auto labels = metadata.get("labels")) meta.labels = read_labels(*labels);
  return meta;
}

NetworkPolicy read_network_policy(Section& section, const ObjectMeta& meta) {
  NetworkPolicy policy;
  policy.name_space = meta.name_space;
  policy.name = meta.name;
  section.get("status");
  if (const auto value = section.require("spec")) {
    Section spec(*value);
    if (const auto pods = spec.get("podSelector")) policy.pods = read_selector(*pods);
    policy.ingress = read_rules(spec.items("ingress"), "from");
    policy.egress = read_rules(spec.items("egress"), "to");
    read_types(spec.items("policyTypes"), policy);
    spec.finish();
  }
  section.finish();
  return policy;
}

}  // namespace towpath::agent
