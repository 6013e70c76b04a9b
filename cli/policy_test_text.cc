#include "cli/policy_test_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace towpath::cli {
namespace {

using nlohmann::json;

std::string text(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return "";
  std::string out = it->is_string() ? it->get<std::string>() : it->dump();
  std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return out;
}

// "next hop 192.0.2.2, origin igp, AS path 65001, communities 65000:1 65000:2"
std::string route_text(const json& route) {
  static constexpr std::pair<const char*, const char*> kParts[]{{"next_hop", "next hop"},
                                                                {"origin", "origin"},
                                                                {"as_path", "AS path"},
                                                                {"local_pref", "local preference"},
                                                                {"med", "MED"}};
  std::vector<std::string> parts;
  for (const auto& [key, name] : kParts) {
    if (const std::string value = text(route, key); !value.empty())
      parts.push_back(fmt::format("{} {}", name, value));
  }
  std::string communities;
  const auto list = route.find("communities");
  for (const json& item : list == route.end() ? json::array() : *list) {
    if (item.is_string()) communities += " " + item.get<std::string>();
  }
  if (!communities.empty()) parts.push_back("communities" + communities);
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string outcome_text(const json& row) {
  std::string out = text(row, "outcome");
  if (const std::string rule = text(row, "rule"); !rule.empty()) out += " by rule " + rule;
  if (const std::string reason = text(row, "reason"); !reason.empty()) out += ": " + reason;
  return out;
}

std::string rule_text(const json& rule) {
  const bool matched = rule.value("matched", false);
  return fmt::format("{}  {}", text(rule, "rule"),
                     matched ? "fits: " + text(rule, "does") : "does not fit: " + text(rule, "mismatch"));
}

}  // namespace

std::string policy_test_text(std::string_view json_row) {
  const json row = json::parse(json_row, nullptr, false);
  std::string out;
  if (!row.is_object()) return out;
  const auto line = [&out](std::string_view key, std::string_view value) {
    out += fmt::format("{:<8}  {}\n", key, value);
  };
  const bool import = text(row, "direction") == "import";
  line("prefix", text(row, "prefix"));
  line(import ? "from" : "to",
       text(row, "peer") +
           (row.value("session", true) ? "" : ", without a session: by the configuration alone"));
  if (const std::string source = text(row, "source"); !source.empty()) line("source", source);
  if (const auto route = row.find("route"); route != row.end() && route->is_object()) {
    line("route", route_text(*route));
  }
  if (const auto rules = row.find("rules"); rules != row.end() && rules->is_array()) {
    for (const json& rule : *rules) {
      if (rule.is_object()) line("rule", rule_text(rule));
    }
  }
  line("outcome", outcome_text(row));
  if (const auto result = row.find("result"); result != row.end() && result->is_object()) {
    line("result", route_text(*result));
  }
  return out;
}

}  // namespace towpath::cli
