#include "cli/ipam_release.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/endpoint_links.h"
#include "cli/host_look.h"
#include "cli/local_rows.h"
#include "towpath/ipam/release.h"

namespace towpath::cli {

using nlohmann::json;

Status release_endpoint(ipam::StateStore& store, const ipam::EndpointRecord& record) {
  TOWPATH_TRY(const auto now, store.find(record.attachment));
  if (now && now->generation == record.generation) {
    TOWPATH_TRY_STATUS(remove_links(record.attachment));
    TOWPATH_TRY(const bool released, store.release(record.attachment, record.generation));
    if (released) return {};
  }
  return fail(ErrorKind::kConflict, fmt::format("{} was attached or released by somebody else meanwhile",
                                                record.attachment.to_string()));
}

Status release_address(const std::string& state_dir, const IpamRelease& what, Output& output) {
  TOWPATH_TRY(auto store, open_store(state_dir));
  TOWPATH_TRY(const auto records, store.endpoints());
  TOWPATH_TRY(const auto record, ipam::find_holder(records, what.address, what.container));
  TOWPATH_TRY(const auto host, look_at_host(records));
  if (!what.force) {
    if (const Status may = ipam::check_releasable(record, ipam::sandbox_fate(record, records, host)); !may)
      return fail(may.error().kind, may.error().message + "; --force does so now, and cuts it off");
  }
  TOWPATH_TRY_STATUS(release_endpoint(store, record));
  for (const ipam::BlockAddress& allocated : record.allocated) {
    output.row(to_line({{"address", allocated.address.to_string()},
                        {"block", allocated.block.to_string()},
                        {"container_id", record.attachment.container_id},
                        {"ifname", record.attachment.ifname},
                        {"network", record.network}}));
  }
  return {};
}

}  // namespace towpath::cli
