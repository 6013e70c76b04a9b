#include "plugins/towpath-ipam/ipam_plugin.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugins/common/host_ipam.h"

namespace towpath::cni {
namespace {

CniExpected<CniResult> add(const CniRequest& request) {
  TOWPATH_TRY(const IpamConfig config, IpamConfig::parse(request));
  if (config.choice.borrow) {
    // Packets would come to this host, and whether it leads them to the container is for others to say.
    return cni_fail(CniCode::kUnsupportedField,
                    "ipam.borrow: 'true' is not supported here: it needs towpath as the main plugin");
  }
  TOWPATH_CNI_TRY(auto store, ipam::StateStore::open(config.state_dir, ipam::StateStore::OpenMode::kCreate));
  auto wanted =
      make_reserve_request(request, config, ipam::AllocationState::kLive, std::chrono::system_clock::now());
  wanted.allocate = true;
  TOWPATH_TRY(const auto record, reserve(store, std::move(wanted), [](const ipam::EndpointRecord& existing) {
                return !sandbox_is_alive(existing);
              }));
  CniResult result;
  for (const ipam::BlockAddress& allocated : record.allocated) {
    if (config.choice.gateway) {
      result.ips.push_back({InterfaceAddress{allocated.address, allocated.block.length()},
                            ipam::gateway_of(allocated.block), std::nullopt});
    } else {
      result.ips.push_back({InterfaceAddress::host(allocated.address), std::nullopt, std::nullopt});
    }
  }
  result.routes = config.routes;
  return result;
}

CniStatus release(ipam::StateStore& store, const ipam::EndpointRecord& record) {
  TOWPATH_CNI_TRY_STATUS(store.release(record.attachment, record.generation));
  return {};
}

// An attachment of another network is not ours to remove, even if the runtime gave it the same names.
CniStatus del(const CniRequest& request) {
  TOWPATH_TRY(const IpamConfig config, IpamConfig::parse(request));
  TOWPATH_TRY(auto store, open_existing(config.state_dir));
  if (!store) return {};
  TOWPATH_CNI_TRY(const auto record, store->find(request.attachment));
  if (!record || record->network != request.network) return {};
  return release(*store, *record);
}

CniStatus check(const CniRequest& request) {
  TOWPATH_TRY(const IpamConfig config, IpamConfig::parse(request));
  const auto missing = [&](std::string_view what) {
    return cni_fail(CniCode::kCheckFailed, fmt::format("{} {}", request.attachment.to_string(), what));
  };
  TOWPATH_TRY(const auto store, open_existing(config.state_dir));
  if (!store) return missing("has no address: there is no state store");
  TOWPATH_CNI_TRY(const auto record, store->find(request.attachment));
  if (!record || record->network != request.network) return missing("has no address");
  if (record->sandbox_inode != request.netns_inode) return missing("has its address in another sandbox");
  if (!request.prev_result) return {};
  for (const ipam::BlockAddress& allocated : record->allocated) {
    const auto same = [&](const CniIp& ip) { return ip.address.address == allocated.address; };
    if (std::ranges::none_of(request.prev_result->ips, same)) {
      return missing(
          fmt::format("has address {}, which is not in prevResult", allocated.address.to_string()));
    }
  }
  return {};
}

CniStatus gc(const CniRequest& request) {
  TOWPATH_TRY(const IpamConfig config, IpamConfig::parse(request));
  TOWPATH_TRY(auto store, open_existing(config.state_dir));
  if (!store) return {};
  // Those with an interface of ours are not this plugin's.
  TOWPATH_TRY(const auto stale,
              stale_records(*store, request, [](const ipam::EndpointRecord&) { return true; }));
  std::vector<CniError> errors;
  for (const ipam::EndpointRecord& record : stale) {
    if (auto released = release(*store, record); !released) errors.push_back(std::move(released).error());
  }
  return join_errors(errors);
}

CniStatus status(const CniRequest& request) {
  TOWPATH_TRY(const IpamConfig config, IpamConfig::parse(request));
  return check_addresses_available(config);
}

}  // namespace

PluginHandlers ipam_plugin() {
  return {"towpath-ipam " TOWPATH_VERSION ": addresses from the blocks of this host",
          add,
          del,
          check,
          gc,
          status};
}

}  // namespace towpath::cni
