#include "cli/columns.h"

#include <fmt/format.h>

#include <cstdint>

namespace towpath::cli {
namespace {

using nlohmann::json;

// The value of a key as a person would write it; "" where the row does not have it.
std::string text(const json& row, const char* key) {
  const auto it = row.find(key);
  if (it == row.end() || it->is_null()) return "";
  if (it->is_string()) return it->get<std::string>();
  if (it->is_boolean()) return it->get<bool>() ? "yes" : "no";
  if (it->is_array()) {
    std::string out;
    for (const auto& item : *it) {
      if (!out.empty()) out += ',';
      out += item.is_string() ? item.get<std::string>() : item.dump();
    }
    return out;
  }
  return it->dump();
}

bool is_true(const json& row, const char* key) {
  const auto it = row.find(key);
  return it != row.end() && it->is_boolean() && it->get<bool>();
}

// What is not isolated may all; a dash tells it from a list that is empty.
std::string policies(const json& row, const char* isolated, const char* key) {
  return is_true(row, isolated) ? text(row, key) : std::string("-");
}

std::string milliseconds(const json& row, const char* key) {
  const auto it = row.find(key);
  if (it == row.end() || !it->is_number()) return "";
  return fmt::format("{:g}ms", it->get<double>() / 1000);
}

// "42s", "3m10s", "5h02m", "12d03h": never wider than seven characters for decades.
std::string duration(const json& row, const char* key) {
  const auto it = row.find(key);
  if (it == row.end() || !it->is_number()) return "";
  const auto seconds = it->get<std::int64_t>();
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d{:02}h", seconds / 86400, seconds / 3600 % 24);
}

std::string rested(const json& row) {
  const std::string time = duration(row, "rested_seconds");
  return time.empty() ? "not used" : time;
}

// What was done, or could be.
std::string repair_word(const json& row) {
  const std::string repair = text(row, "repair");
  if (!is_true(row, "done")) return repair;
  return repair == "release" ? "released" : repair == "rebuild" ? "rebuilt" : "gone";
}

// A cell that shows one key as it is.
#define TOWPATH_CELL(key) [](const json& row) { return text(row, key); }

// "*" best, "S" stale, "F" filtered.
std::string route_flags(const json& row) {
  std::string flags;
  flags += is_true(row, "best") ? '*' : ' ';
  if (is_true(row, "stale")) flags += 'S';
  if (is_true(row, "filtered")) flags += 'F';
  return flags;
}

// With the path's identifier where it has one (RFC 7911).
std::string route_prefix(const json& row) {
  const std::string id = text(row, "path_id");
  return text(row, "prefix") + (id.empty() ? "" : " #" + id);
}

std::string next_hops(const json& row) {
  const auto it = row.find("next_hops");
  if (it == row.end() || !it->is_array()) return "";
  std::string out;
  for (const auto& hop : *it) {
    if (!out.empty()) out += ", ";
    const std::string via = text(hop, "via");
    out += via.empty() ? "" : via + " ";
    out += "dev " + text(hop, "device");
  }
  return out;
}

// Container ids are 64 hex digits with most runtimes; twelve tell them apart, as those runtimes' own tools
// show them.
std::string short_id(const json& row) {
  return text(row, "container_id").substr(0, 12);
}

std::string pod_name(const json& row) {
  const auto it = row.find("pod");
  if (it == row.end() || !it->is_object()) return "";
  const std::string name = text(*it, "K8S_POD_NAME");
  return name.empty() ? "" : text(*it, "K8S_POD_NAMESPACE") + "/" + name;
}

}  // namespace

Columns route_columns(control::RouteTable table) {
  if (table == control::RouteTable::kKernel) {
    return {{"PREFIX", TOWPATH_CELL("prefix")},
            {"TYPE", TOWPATH_CELL("type"), false, 0, 2},
            {"METRIC", TOWPATH_CELL("metric"), true, 0, 1},
            {"NEXT HOPS", next_hops, false, 12}};
  }
  if (table == control::RouteTable::kDiff) {
    return {{"PREFIX", TOWPATH_CELL("prefix")},
            {"PROBLEM", TOWPATH_CELL("problem")},
            {"WANTED", TOWPATH_CELL("wanted"), false, 12, 2},
            {"KERNEL", TOWPATH_CELL("kernel"), false, 12, 2},
            {"REASON", TOWPATH_CELL("reason"), false, 16}};
  }
  Columns columns{{"  ", route_flags},
                  {"PREFIX", route_prefix},
                  {"PEER", TOWPATH_CELL("peer"), false, 8},
                  {"NEXT HOP", TOWPATH_CELL("next_hop")},
                  {"PREF", TOWPATH_CELL("local_pref"), true, 0, 3},
                  {"MED", TOWPATH_CELL("med"), true, 0, 1},
                  {"AGE", [](const json& row) { return duration(row, "age_seconds"); }, true, 0, 5},
                  {"ORIGIN", TOWPATH_CELL("origin"), false, 0, 2},
                  {"AS PATH", TOWPATH_CELL("as_path"), false, 8, 7},
                  {"COMMUNITIES", TOWPATH_CELL("communities"), false, 12, 4}};
  if (table == control::RouteTable::kAdjRibOut) {
    columns.insert(columns.begin(), {"TO", TOWPATH_CELL("to"), false, 8});
  }
  return columns;
}

Columns peer_columns() {
  return {{"NAME", TOWPATH_CELL("name"), false, 8},
          {"ADDRESS", TOWPATH_CELL("address")},
          {"AS", TOWPATH_CELL("as"), true, 0, 5},
          {"STATE", TOWPATH_CELL("state")},
          {"SINCE", [](const json& row) { return duration(row, "since_seconds"); }, true},
          {"FAMILIES", TOWPATH_CELL("families"), false, 0, 2},
          {"RECEIVED", TOWPATH_CELL("prefixes_received"), true, 0, 4},
          {"ACCEPTED", TOWPATH_CELL("prefixes_accepted"), true, 0, 3},
          {"SENT", TOWPATH_CELL("prefixes_sent"), true, 0, 4},
          {"LAST ERROR", TOWPATH_CELL("last_error"), false, 16, 8}};
}

Columns bfd_columns() {
  return {{"PEER", TOWPATH_CELL("peer"), false, 8},
          {"ADDRESS", TOWPATH_CELL("address")},
          {"STATE", TOWPATH_CELL("state")},
          {"SINCE", [](const json& row) { return duration(row, "since_seconds"); }, true},
          {"TRANSMIT", [](const json& row) { return milliseconds(row, "transmit_interval_us"); }, true, 0, 4},
          {"DETECT", [](const json& row) { return milliseconds(row, "detection_time_us"); }, true, 0, 5},
          {"UPS", TOWPATH_CELL("ups"), true, 0, 3},
          {"DIAGNOSTIC", TOWPATH_CELL("diagnostic"), false, 12, 6},
          {"LAST ERROR", TOWPATH_CELL("last_error"), false, 16, 8}};
}

Columns policy_columns() {
  return {{"INTERFACE", TOWPATH_CELL("interface"), false, 0, 3},
          {"NAMESPACE", TOWPATH_CELL("namespace")},
          {"ADDRESSES", TOWPATH_CELL("addresses"), false, 12},
          {"LABELS", TOWPATH_CELL("labels"), false, 8, 4},
          {"INGRESS", [](const json& row) { return policies(row, "ingress_isolated", "ingress_policies"); },
           false, 12},
          {"EGRESS", [](const json& row) { return policies(row, "egress_isolated", "egress_policies"); },
           false, 12}};
}

Columns advertised_columns() {
  return {{"PREFIX", TOWPATH_CELL("prefix")},
          {"ANNOUNCED", TOWPATH_CELL("announced")},
          {"SOURCE", TOWPATH_CELL("source"), false, 0, 3},
          {"OWNER", TOWPATH_CELL("owner"), false, 8},
          {"ENDS IN", [](const json& row) { return duration(row, "ends_in_seconds"); }, true, 0, 6},
          {"SINCE", [](const json& row) { return duration(row, "since_seconds"); }, true, 0, 4},
          {"HEALTH", TOWPATH_CELL("health"), false, 0, 5},
          {"PROBLEM", TOWPATH_CELL("problem"), false, 16, 8}};
}

Columns endpoint_columns() {
  return {{"CONTAINER", short_id},
          {"IFNAME", TOWPATH_CELL("ifname")},
          {"NETWORK", TOWPATH_CELL("network"), false, 8, 3},
          {"HOST DEVICE", TOWPATH_CELL("host_ifname")},
          {"ADDRESSES", TOWPATH_CELL("addresses"), false, 16},
          {"MTU", TOWPATH_CELL("mtu"), true, 0, 1},
          {"POD", pod_name, false, 12, 4},
          {"CREATED", TOWPATH_CELL("created"), false, 0, 2}};
}

Columns block_columns() {
  return {{"BLOCK", TOWPATH_CELL("block")},
          {"STATE", TOWPATH_CELL("state"), false, 0, 2},
          {"SIZE", TOWPATH_CELL("size"), true},
          {"USED", TOWPATH_CELL("used"), true},
          {"PENDING", TOWPATH_CELL("pending"), true, 0, 3},
          {"RESTING", TOWPATH_CELL("resting"), true, 0, 4},
          {"FREE", TOWPATH_CELL("free"), true}};
}

Columns resting_columns() {
  return {{"ADDRESS", TOWPATH_CELL("address")},
          {"BLOCK", TOWPATH_CELL("block"), false, 0, 2},
          {"RESTED", rested, true}};
}

Columns released_columns() {
  return {{"RELEASED", TOWPATH_CELL("address")},
          {"CONTAINER", short_id},
          {"IFNAME", TOWPATH_CELL("ifname")},
          {"NETWORK", TOWPATH_CELL("network"), false, 8, 3}};
}

Columns repair_columns() {
  Columns columns = finding_columns();
  columns.insert(columns.begin(), {"REPAIR", repair_word});
  return columns;
}

Columns imported_columns() {
  return {{"IMPORTED", TOWPATH_CELL("address")}, {"CONTAINER", short_id},
          {"IFNAME", TOWPATH_CELL("ifname")},    {"NETWORK", TOWPATH_CELL("network"), false, 8, 3},
          {"NEW", TOWPATH_CELL("new")},          {"SANDBOX", TOWPATH_CELL("sandbox"), false, 12, 4}};
}

Columns finding_columns() {
  return {{"KIND", TOWPATH_CELL("kind")},
          {"ADDRESS", TOWPATH_CELL("address")},
          {"CONTAINER", short_id},
          {"IFNAME", TOWPATH_CELL("ifname"), false, 0, 2},
          {"REASON", TOWPATH_CELL("reason"), false, 24}};
}

Columns allocation_columns() {
  return {{"ADDRESS", TOWPATH_CELL("address")}, {"CONTAINER", short_id},
          {"IFNAME", TOWPATH_CELL("ifname")},   {"NETWORK", TOWPATH_CELL("network"), false, 8, 3},
          {"STATE", TOWPATH_CELL("state")},     {"SINCE", TOWPATH_CELL("since"), false, 0, 2}};
}

Columns version_columns() {
  return {{"PROGRAM", TOWPATH_CELL("program")},
          {"VERSION", TOWPATH_CELL("version")},
          {"PROTOCOL", TOWPATH_CELL("protocol"), true}};
}

std::string status_text(std::string_view json_row) {
  const auto row = nlohmann::ordered_json::parse(json_row, nullptr, false);  // in the agent's order
  std::string out;
  if (!row.is_object()) return out;
  std::size_t width = 0;
  for (const auto& [key, value] : row.items()) width = std::max(width, key.size());
  for (const auto& [key, value] : row.items())
    out += fmt::format("{:<{}}  {}\n", key, width, text(row, key.c_str()));
  return out;
}

}  // namespace towpath::cli
