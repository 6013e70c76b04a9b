// prevResult: section 2 "ADD", section 3, section 5 "ADD Success".
#include <fmt/format.h>

#include <algorithm>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

constexpr const char* kEarlierAddress = "198.51.100.9/24";

// What a plugin earlier in the chain could have made: one more interface in the sandbox, an address, a route,
// a resolver.
Checked<json> earlier_result(Trial& trial, const Attachment& a) {
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"link", "add", "earlier0", "type", "bridge"}));
  json ip{{"address", kEarlierAddress}, {"interface", 0}};
  if (compare_versions(trial.version, "0.4.0") <= 0) ip["version"] = "4";
  return json{{"cniVersion", trial.version},
              {"interfaces",
               {{{"name", "earlier0"}, {"mac", trial.inside(a).mac("earlier0")}, {"sandbox", a.netns}}}},
              {"ips", {ip}},
              {"routes", {{{"dst", "203.0.113.0/24"}, {"gw", "198.51.100.1"}}}},
              {"dns", {{"nameservers", {"198.51.100.53"}}}}};
}

// The name of the interface that an address of the result belongs to.
std::string owner_of(const json& result, std::string_view address) {
  const json& interfaces = list_at(result, "interfaces");
  for (const auto& each : list_at(result, "ips")) {
    if (text_at(each, "address") != address || !each.contains("interface")) continue;
    const auto index =
        each["interface"].is_number_unsigned() ? each["interface"].get<std::size_t>() : interfaces.size();
    if (index < interfaces.size()) return text_at(interfaces[index], "name");
  }
  return {};
}

bool has(const json& result, const char* list, const char* key, std::string_view value) {
  return std::ranges::any_of(list_at(result, list),
                             [&](const json& each) { return text_at(each, key) == value; });
}

Checked<Attachment> add_after_an_earlier_one(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  TOWPATH_TRY(const json earlier, earlier_result(trial, a));
  trial.remember(a);
  Request r = trial.request("ADD", a);
  r.config["prevResult"] = earlier;
  const Reply reply = trial.run(r);
  TOWPATH_TRY_STATUS(expect(reply.ok(), "ADD with prevResult: " + reply.summary()));
  a.result = reply.document;
  return a;
}

Outcome passes_on(Trial& trial) {
  TOWPATH_TRY(const auto a, add_after_an_earlier_one(trial));
  TOWPATH_TRY_STATUS(
      expect(has(a.result, "interfaces", "name", "earlier0"), "the interface of prevResult is lost"));
  TOWPATH_TRY_STATUS(
      expect(has(a.result, "ips", "address", kEarlierAddress), "the address of prevResult is lost"));
  TOWPATH_TRY_STATUS(
      expect(has(a.result, "routes", "dst", "203.0.113.0/24"), "the route of prevResult is lost"));
  return "interface, address and route are passed on";
}

Outcome keeps_indices(Trial& trial) {
  TOWPATH_TRY(const auto a, add_after_an_earlier_one(trial));
  const std::string earlier = owner_of(a.result, kEarlierAddress);
  if (earlier.empty()) return skipped("prevResult is not passed on (CHAIN-01)");
  TOWPATH_TRY_STATUS(expect(earlier == "earlier0", "the earlier address now belongs to " + earlier));
  for (const auto& address : addresses_of(a.result)) {
    if (address == kEarlierAddress) continue;
    TOWPATH_TRY_STATUS(expect(owner_of(a.result, address) == a.ifname,
                              fmt::format("{} belongs to '{}'", address, owner_of(a.result, address))));
  }
  return "each address points at its own interface";
}

Outcome check_with_chain(Trial& trial) {
  TOWPATH_TRY(auto a, add_after_an_earlier_one(trial));
  for (const char* verb : {"CHECK", "DEL"}) {  // of this plugin alone: no other has done its ADD
    const Reply reply = trial.run(trial.request(verb, a));
    TOWPATH_TRY_STATUS(expect(reply.ok(), fmt::format("{}: {}", verb, reply.summary())));
  }
  TOWPATH_TRY_STATUS(
      expect(trial.inside(a).link("earlier0") != nullptr, "DEL removed the earlier plugin's interface"));
  return "CHECK and DEL with the joined result";
}

Outcome malformed_previous_result(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  for (const json& value :
       {json(5), json::array({"x"}), json{{"cniVersion", trial.version}, {"ips", "none"}}}) {
    trial.remember(a);
    Request r = trial.request("ADD", a);
    r.config["prevResult"] = value;
    TOWPATH_TRY_STATUS(expect_code(trial.run(r), {6, 7}, "prevResult " + value.dump()));
  }
  return "code 6 or 7";
}

Outcome whole_chain(Trial& trial) {
  if (trial.network().plugins.size() < 2) return skipped("the configuration has one plugin only");
  TOWPATH_TRY(auto a, trial.added());
  if (compare_versions(trial.version, "0.4.0") >= 0) TOWPATH_TRY_STATUS(trial.check(a));
  TOWPATH_TRY_STATUS(trial.del(a));
  TOWPATH_TRY_STATUS(trial.del(a));
  return fmt::format("{} plugins: ADD, CHECK, DEL, DEL", trial.network().plugins.size());
}

Outcome meta_passes_on(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  const json before = a.result;
  if (before.is_null()) return skipped("a meta plugin needs a chain with another plugin before it");
  TOWPATH_TRY_STATUS(trial.add(a));
  for (const auto& each : list_at(before, "interfaces")) {
    TOWPATH_TRY_STATUS(
        expect(has(a.result, "interfaces", "name", text_at(each, "name")), "lost: " + each.dump()));
  }
  for (const auto& each : list_at(before, "ips")) {
    TOWPATH_TRY_STATUS(
        expect(has(a.result, "ips", "address", text_at(each, "address")), "lost: " + each.dump()));
  }
  return "interfaces and addresses are passed on";
}

Outcome meta_needs_previous_result(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  Request r = trial.request("ADD", a);
  r.config.erase("prevResult");
  TOWPATH_TRY_STATUS(expect_refused(trial.run(r), "ADD of a meta plugin without prevResult"));
  return "fails";
}

}  // namespace

std::vector<Requirement> chaining_requirements() {
  return {
      {"CHAIN-01", "ADD", "2 ADD; 5 ADD Success", Level::kMust, kMain, "0.3.0", Pool::kAny,
       "passes on the interfaces, addresses and routes of prevResult", passes_on},
      {"CHAIN-02", "ADD", "5 ADD Success", Level::kMust, kMain, "0.3.0", Pool::kAny,
       "interface indices are right in a result joined with prevResult", keeps_indices},
      {"CHAIN-03", "CHECK", "3 Checking an attachment", Level::kMust, kMain, "0.4.0", Pool::kAny,
       "CHECK and DEL work with the result of a chain, and spare the other plugin's interface",
       check_with_chain},
      {"CHAIN-04", "ADD", "5 Error", Level::kShould, kMain | kMeta, "0.3.0", Pool::kAny,
       "a malformed prevResult gives code 6 or 7", malformed_previous_result},
      {"CHAIN-05", "any", "3", Level::kMust, kMain, "0.3.0", Pool::kAny,
       "the configured chain works as a whole", whole_chain},
      {"CHAIN-06", "ADD", "5 ADD Success", Level::kMust, kMeta, "0.3.0", Pool::kAny,
       "a meta plugin passes on the interfaces and addresses of prevResult", meta_passes_on},
      {"CHAIN-07", "ADD", "2 ADD", Level::kShould, kMeta, "0.3.0", Pool::kAny,
       "a meta plugin fails without prevResult", meta_needs_previous_result},
  };
}

}  // namespace towpath::conformance
