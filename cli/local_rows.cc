#include "cli/local_rows.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "towpath/ipam/allocation.h"
#include "towpath/ipam/block.h"
#include "towpath/ipam/endpoint_record.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cli {
namespace {

using nlohmann::json;

std::string to_line(const json& row) {
  // The runtime chose parts of these texts; a row must be valid JSON all the same.
  return row.dump(-1, ' ', false, json::error_handler_t::replace);
}

// RFC 3339, UTC.
std::string format_time(WallTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

Result<ipam::StateStore> open_store(const std::string& state_dir) {
  auto store = ipam::StateStore::open(state_dir, ipam::StateStore::OpenMode::kExisting);
  if (store || store.error().kind != ErrorKind::kNotFound) return store;
  return fail(
      ErrorKind::kNotFound,
      fmt::format(
          "no state store in {}: nothing was attached on this host since it was booted, or --state-dir "
          "must name another directory",
          state_dir));
}

json endpoint_row(const ipam::EndpointRecord& record) {
  json addresses = json::array();
  for (const IpAddress& address : record.addresses) addresses.push_back(address.to_string());
  return {{"container_id", record.attachment.container_id},
          {"ifname", record.attachment.ifname},
          {"network", record.network},
          {"state", format(record.state)},
          {"host_ifname", record.host_ifname},
          {"mac", record.mac.to_string()},
          {"addresses", std::move(addresses)},
          {"mtu", record.mtu},
          {"sandbox", record.sandbox},
          {"created", format_time(record.created)},
          {"labels", record.labels},
          {"pod", record.pod}};
}

json allocation_row(const ipam::Allocation& allocation) {
  return {{"address", allocation.address.to_string()}, {"container_id", allocation.attachment.container_id},
          {"ifname", allocation.attachment.ifname},    {"network", allocation.network},
          {"state", format(allocation.state)},         {"since", format_time(allocation.since)}};
}

}  // namespace

Status print_endpoints(const std::string& state_dir, Output& output) {
  TOWPATH_TRY(const auto store, open_store(state_dir));
  TOWPATH_TRY(const auto records, store.endpoints());
  for (const auto& record : records) {
    if (!output.row(to_line(endpoint_row(record)))) return {};
  }
  return {};
}

Status print_blocks(const std::string& state_dir, bool with_allocations, Output& output) {
  TOWPATH_TRY(const auto store, open_store(state_dir));
  TOWPATH_TRY(const auto blocks, store.blocks());
  std::vector<ipam::Allocation> allocations;
  if (with_allocations) {
    TOWPATH_TRY(allocations, store.allocations());
  }
  for (const auto& block : blocks) {
    json row{{"block", block.prefix.to_string()},
             {"family", format(block.prefix.family())},
             {"state", format(block.state)},
             {"size", block.size()},
             {"used", block.used},
             {"free", block.free()}};
    if (with_allocations) {
      json& list = row["allocations"] = json::array();
      for (const auto& allocation : allocations) {
        if (allocation.block == block.prefix) list.push_back(allocation_row(allocation));
      }
    }
    if (!output.row(to_line(row))) return {};
  }
  return {};
}

Status print_allocations(const std::string& state_dir, Output& output) {
  TOWPATH_TRY(const auto store, open_store(state_dir));
  TOWPATH_TRY(const auto allocations, store.allocations());
  for (const auto& allocation : allocations) {
    if (!output.row(to_line(allocation_row(allocation)))) return {};
  }
  return {};
}

}  // namespace towpath::cli
