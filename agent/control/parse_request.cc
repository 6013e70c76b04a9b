#include "agent/control/parse_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

namespace towpath::agent {
namespace {

using control::Code;
using control::Command;
using control::Request;
using control::RouteTable;
using nlohmann::json;

std::unexpected<ControlFailure> refuse(Code code, std::string message) {
  return std::unexpected(ControlFailure{code, std::move(message)});
}

template <class Table>
std::string words(const Table& table) {
  std::string out;
  for (const auto& [word, value] : table) out += out.empty() ? std::string(word) : fmt::format(", {}", word);
  return out;
}

// The first key of `object` that is not among `known`.
std::optional<std::string> unknown_key(const json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) == known.end()) return key;
  }
  return std::nullopt;
}

// The version first: what else stands in a request of another version is not ours to judge.
std::expected<json, ControlFailure> parse_envelope(std::string_view line) {
  json document = json::parse(line, nullptr, false);
  if (document.is_discarded()) return refuse(Code::kMalformed, "the request is not valid JSON");
  if (!document.is_object()) return refuse(Code::kMalformed, "the request is not a JSON object");
  const auto version = document.find("v");
  if (version == document.end() || !version->is_number_integer()) {
    return refuse(Code::kMalformed, "v: the protocol version, a number, is missing");
  }
  if (*version != control::kProtocolVersion) {
    return refuse(Code::kWrongVersion, fmt::format("v: value '{}': this agent speaks version {}",
                                                   version->dump(), control::kProtocolVersion));
  }
  if (const auto key = unknown_key(document, {"v", "command", "arguments"})) {
    return refuse(Code::kMalformed, fmt::format("{}: unknown key; known are v, command, arguments", *key));
  }
  return document;
}

std::expected<control::RouteQuery, ControlFailure> parse_route_query(const json& arguments) {
  control::RouteQuery query;
  for (const auto& [key, value] : arguments.items()) {
    const auto bad = [&](std::string_view reason) {
      return refuse(Code::kBadArgument,
                    fmt::format("{}: value '{}': {}", key,
                                value.is_string() ? value.get<std::string>() : value.dump(), reason));
    };
    if (!value.is_string()) return bad("must be a string");
    const auto& text = value.get_ref<const std::string&>();
    if (key == "table") {
      const auto table = value_for(control::kRouteTables, text);
      if (!table) return bad("must be one of " + words(control::kRouteTables));
      query.table = *table;
    } else if (key == "peer") {
      query.peer = text;
    } else if (key == "prefix") {
      const auto prefix = Prefix::parse(text);
      if (!prefix) return bad(prefix.error().message);
      query.prefix = *prefix;
    } else if (key == "address") {
      const auto address = IpAddress::parse(text);
      if (!address) return bad(address.error().message);
      query.address = *address;
    } else if (key == "format") {
      if (text != "rows" && text != "mrt") return bad("must be rows or mrt");
      query.mrt = text == "mrt";
    } else {
      return refuse(
          Code::kBadArgument,
          fmt::format("{}: unknown argument; routes takes table, peer, prefix, address, format", key));
    }
  }
  if (query.peer && (query.table == RouteTable::kKernel || query.table == RouteTable::kDiff)) {
    return refuse(Code::kBadArgument,
                  fmt::format("peer: value '{}': kernel routes do not belong to a peer", *query.peer));
  }
  if (query.mrt && query.table != RouteTable::kLocRib && query.table != RouteTable::kAdjRibIn) {
    return refuse(Code::kBadArgument,
                  fmt::format("format: value 'mrt': only for loc-rib and adj-rib-in, not for {}",
                              word_for(control::kRouteTables, query.table)));
  }
  return query;
}

std::expected<control::EndpointName, ControlFailure> parse_endpoint_name(const json& arguments) {
  control::EndpointName name;
  for (const auto& [key, value] : arguments.items()) {
    if (key != "container" && key != "ifname") {
      return refuse(Code::kBadArgument,
                    fmt::format("{}: unknown argument; endpoint-changed takes container, ifname", key));
    }
    if (!value.is_string()) {
      return refuse(Code::kBadArgument, fmt::format("{}: value '{}': must be a string", key, value.dump()));
    }
    (key == "container" ? name.container : name.ifname) = value.get<std::string>();
  }
  for (const auto& [key, value] : {std::pair{"container", &name.container}, {"ifname", &name.ifname}}) {
    if (value->empty()) return refuse(Code::kBadArgument, fmt::format("{}: a name, is missing", key));
  }
  return name;
}

// Reads the arguments of one command into values, with a complaint that names key and value.
class Arguments {
 public:
  Arguments(const json& object, std::string_view command) : object_(object), command_(command) {}

  template <class Parse, class T>
  void read(std::string_view key, T& target, Parse parse) {
    const json* value = take(key);
    if (value == nullptr) return;
    if (!value->is_string()) return complain(key, *value, "must be a string");
    auto parsed = parse(value->get_ref<const std::string&>());
    if (!parsed) return complain(key, *value, parsed.error().message);
    target = *std::move(parsed);
  }
  template <class Parse, class T>
  void read_required(std::string_view key, T& target, Parse parse) {
    if (!object_.contains(key)) fail_with(fmt::format("{}: is missing", key));
    read(key, target, parse);
  }
  void read_required_number(std::string_view key, std::optional<std::uint32_t>& target) {
    if (!object_.contains(key)) fail_with(fmt::format("{}: is missing", key));
    read_number(key, target);
  }
  void read_number(std::string_view key, std::optional<std::uint32_t>& target,
                   std::uint32_t high = UINT32_MAX) {
    const json* value = take(key);
    if (value == nullptr) return;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() > high) {
      return complain(key, *value, fmt::format("must be a number from 0 to {}", high));
    }
    target = value->get<std::uint32_t>();
  }
  void read_texts(std::string_view key, std::vector<std::string>& target) {
    const json* value = take(key);
    if (value == nullptr) return;
    const auto is_text = [](const json& item) { return item.is_string(); };
    if (!value->is_array() || !std::ranges::all_of(*value, is_text)) {
      return complain(key, *value, "must be a list of strings");
    }
    target = value->get<std::vector<std::string>>();
  }

  // The first complaint; an argument that nobody asked for is one, too.
  std::optional<ControlFailure> failure() {
    std::string known;
    for (const std::string& key : known_) known += known.empty() ? key : ", " + key;
    for (const auto& [key, value] : object_.items()) {
      if (std::ranges::find(known_, key) != known_.end()) continue;
      fail_with(fmt::format("{}: unknown argument; {} takes {}", key, command_, known));
    }
    return failure_;
  }

 private:
  const json* take(std::string_view key) {
    known_.emplace_back(key);
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  void complain(std::string_view key, const json& value, std::string_view reason) {
    fail_with(fmt::format("{}: value '{}': {}", key,
                          value.is_string() ? value.get<std::string>() : value.dump(), reason));
  }
  void fail_with(std::string message) {
    if (!failure_) failure_ = ControlFailure{Code::kBadArgument, std::move(message)};
  }

  const json& object_;
  std::string_view command_;
  std::vector<std::string> known_;
  std::optional<ControlFailure> failure_;
};

Result<std::string> any_text(const std::string& text) {
  return text;
}

Result<std::string> some_text(const std::string& text) {
  if (text.empty()) return fail(ErrorKind::kInvalid, "must not be empty");
  return text;
}

// A word of one of the tables of protocol.h.
template <class Table>
auto word_of(const Table& table) {
  return [&table](const std::string& text) -> Result<std::remove_cvref_t<decltype(table[0].second)>> {
    if (const auto value = value_for(table, text)) return *value;
    return fail(ErrorKind::kInvalid, "must be one of " + words(table));
  };
}

std::expected<control::PolicyTest, ControlFailure> parse_policy_test(const json& object) {
  control::PolicyTest test;
  Arguments arguments(object, "policy-test");
  arguments.read_required("direction", test.direction, word_of(control::kDirections));
  arguments.read_required("peer", test.peer, some_text);
  arguments.read_required("prefix", test.prefix, [](const std::string& text) { return Prefix::parse(text); });
  if (test.direction == control::Direction::kImport) {
    arguments.read("origin", test.origin, any_text);
    arguments.read("as_path", test.as_path, any_text);
    arguments.read("next_hop", test.next_hop, [](const std::string& text) { return IpAddress::parse(text); });
    arguments.read_number("med", test.med);
    arguments.read_number("local_pref", test.local_pref);
    arguments.read_texts("communities", test.communities);
  }
  if (auto failure = arguments.failure()) return std::unexpected(*std::move(failure));
  return test;
}

std::expected<control::LeaseRequest, ControlFailure> parse_lease(const json& object, Command command) {
  control::LeaseRequest lease;
  Arguments arguments(object, word_for(control::kCommands, command));
  arguments.read_required("prefix", lease.prefix,
                          [](const std::string& text) { return Prefix::parse(text); });
  if (command == Command::kAdvertise) {
    std::optional<std::uint32_t> seconds;
    arguments.read_required("owner", lease.owner, any_text);
    arguments.read_required_number("lease", seconds);
    lease.seconds = seconds.value_or(0);
  } else {
    arguments.read("owner", lease.owner, any_text);
  }
  if (auto failure = arguments.failure()) return std::unexpected(*std::move(failure));
  return lease;
}

std::expected<control::DrainRequest, ControlFailure> parse_drain(const json& object) {
  control::DrainRequest drain;
  Arguments arguments(object, "drain");
  std::optional<std::uint32_t> wait;
  arguments.read_number("wait", wait, control::kLongestDrainWait);
  drain.wait = wait.value_or(drain.wait);
  arguments.read("reason", drain.reason, [](const std::string& text) -> Result<std::string> {
    if (text.size() <= control::kLongestReason) return text;
    return fail(ErrorKind::kInvalid,
                fmt::format("must have at most {} octets (RFC 8203)", control::kLongestReason));
  });
  if (auto failure = arguments.failure()) return std::unexpected(*std::move(failure));
  return drain;
}

std::expected<control::FlowQuestion, ControlFailure> parse_flow(const json& object) {
  control::FlowQuestion flow;
  Arguments arguments(object, "policy-simulate");
  const auto address = [](const std::string& text) { return IpAddress::parse(text); };
  arguments.read_required("from", flow.from, address);
  arguments.read_required("to", flow.to, address);
  arguments.read("protocol", flow.protocol, word_of(control::kFlowProtocols));
  std::optional<std::uint32_t> port;
  arguments.read_number("port", port, 65535);
  flow.port = port.value_or(0);
  if (auto failure = arguments.failure()) return std::unexpected(*std::move(failure));
  if (flow.from.family() != flow.to.family())
    return refuse(Code::kBadArgument, fmt::format("to: value '{}': must be of the family of {}",
                                                  flow.to.to_string(), flow.from.to_string()));
  return flow;
}

}  // namespace

std::expected<Request, ControlFailure> parse_request(std::string_view line) {
  const auto document = parse_envelope(line);
  if (!document) return std::unexpected(document.error());

  const auto command = document->find("command");
  if (command == document->end() || !command->is_string()) {
    return refuse(Code::kMalformed, "command: a string, is missing");
  }
  const auto& name = command->get_ref<const std::string&>();
  const auto known = value_for(control::kCommands, name);
  if (!known) {
    return refuse(Code::kUnknownCommand,
                  fmt::format("command: value '{}': must be one of {}", name, words(control::kCommands)));
  }
  const auto given = document->find("arguments");
  const json arguments = given == document->end() ? json::object() : *given;
  if (!arguments.is_object()) return refuse(Code::kMalformed, "arguments: must be an object");

  Request request{.command = *known};
  if (*known == Command::kRoutes) {
    auto query = parse_route_query(arguments);
    if (!query) return std::unexpected(std::move(query.error()));
    request.routes = *std::move(query);
  } else if (*known == Command::kEndpointChanged) {
    auto endpoint = parse_endpoint_name(arguments);
    if (!endpoint) return std::unexpected(std::move(endpoint.error()));
    request.endpoint = *std::move(endpoint);
  } else if (*known == Command::kPolicyTest) {
    auto test = parse_policy_test(arguments);
    if (!test) return std::unexpected(std::move(test.error()));
    request.policy_test = *std::move(test);
  } else if (*known == Command::kAdvertise || *known == Command::kWithdraw) {
    auto lease = parse_lease(arguments, *known);
    if (!lease) return std::unexpected(std::move(lease.error()));
    request.lease = *std::move(lease);
  } else if (*known == Command::kPolicySimulate) {
    auto flow = parse_flow(arguments);
    if (!flow) return std::unexpected(std::move(flow.error()));
    request.flow = *std::move(flow);
  } else if (*known == Command::kDrain) {
    auto drain = parse_drain(arguments);
    if (!drain) return std::unexpected(std::move(drain.error()));
    request.drain = *std::move(drain);
  } else if (!arguments.empty()) {
    return refuse(Code::kBadArgument,
                  fmt::format("{}: unknown argument; {} takes none", arguments.begin().key(), name));
  }
  return request;
}

}  // namespace towpath::agent
