#include "cli/ipam_import.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "cli/host_local_folder.h"
#include "cli/local_rows.h"
#include "cli/sandbox_search.h"
#include "towpath/ipam/host_local.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cli {
namespace {

// host-local does not keep the sandbox. Where it is found, a container that vanishes can be told from one
// that lives; where not, its addresses wait for DEL or GC.
ipam::Adoption adoption(const ipam::HostLocalAttachment& given, const SandboxSearch& search) {
  ipam::Adoption wanted{.attachment = given.attachment, .addresses = given.addresses};
  for (const IpAddress& address : given.addresses) {
    const auto place = search.find(given.attachment.ifname, address);
    if (!place) continue;
    wanted.sandbox = place->path;
    wanted.sandbox_inode = place->inode;
    break;
  }
  return wanted;
}

}  // namespace

Status import_addresses(const std::string& state_dir, const IpamImport& what, Output& output) {
  TOWPATH_TRY(auto store, open_store(state_dir));
  TOWPATH_TRY(const auto folder, HostLocalFolder::lock(what.folder));
  TOWPATH_TRY(const auto files, folder.read());
  TOWPATH_TRY(const auto attachments, ipam::parse_host_local(folder.path(), files));
  const SandboxSearch search;
  std::vector<ipam::Adoption> wanted;
  wanted.reserve(attachments.size());
  for (const ipam::HostLocalAttachment& given : attachments) {
    wanted.push_back(adoption(given, search));
    wanted.back().network = what.network.empty() ? folder.network() : what.network;
    wanted.back().now = std::chrono::system_clock::now();
    wanted.back().origin = folder.path();
  }
  if (wanted.empty()) return {};
  TOWPATH_TRY(const auto adopted, store.adopt(wanted));
  for (const ipam::Adopted& one : adopted) {
    for (const ipam::BlockAddress& allocated : one.record.allocated) {
      const nlohmann::json row{{"address", allocated.address.to_string()},
                               {"block", allocated.block.to_string()},
                               {"container_id", one.record.attachment.container_id},
                               {"ifname", one.record.attachment.ifname},
                               {"network", one.record.network},
                               {"sandbox", one.record.sandbox},
                               {"new", one.is_new}};
      if (!output.row(to_line(row))) return {};
    }
  }
  return {};
}

}  // namespace towpath::cli
