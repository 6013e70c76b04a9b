#include "cli/local_rows.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "towpath/ipam/endpoint_record.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cli {

using nlohmann::json;

std::string to_line(const json& row) {
  // The runtime chose parts of these texts; a row must be valid JSON all the same.
  return row.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string format_time(WallTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

Result<ipam::StateStore> open_store(const std::string& state_dir) {
  auto store =
      ipam::StateStore::open(state_dir, ipam::StateStore::OpenMode::kExisting, ipam::StoreLook::kWhole);
  if (store || store.error().kind != ErrorKind::kNotFound) return store;
  return fail(
      ErrorKind::kNotFound,
      fmt::format(
          "no state store in {}: nothing was attached on this host since it was booted, or --state-dir "
          "must name another directory",
          state_dir));
}

namespace {

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

}  // namespace

Status print_endpoints(const std::string& state_dir, Output& output) {
  TOWPATH_TRY(const auto store, open_store(state_dir));
  TOWPATH_TRY(const auto records, store.endpoints());
  for (const auto& record : records) {
    if (!output.row(to_line(endpoint_row(record)))) return {};
  }
  return {};
}

}  // namespace towpath::cli
