#include "plugins/common/host_ipam.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace towpath::cni {
ipam::ReserveRequest make_reserve_request(const CniRequest& request, const IpamConfig& config,
                                          ipam::AllocationState state, WallTime now) {
  ipam::ReserveRequest reserve;
  reserve.attachment = request.attachment;
  reserve.network = request.network;
  reserve.sandbox = request.netns;
  reserve.sandbox_inode = request.netns_inode;
  reserve.now = now;
  reserve.state = state;
  reserve.ipam_type = config.type;
  reserve.choice = config.choice;
  reserve.allocate = config.is_own();
  reserve.labels = config.labels;
  for (const auto& [key, value] : request.args) {
    if (key.starts_with("K8S_POD_")) reserve.pod[key] = value;
  }
  return reserve;
}

CniExpected<ipam::EndpointRecord> reserve(ipam::StateStore& store, ipam::ReserveRequest request,
                                          const GiveWay& give_way) {
  // A second round is for a record that went away, or was replaced, between the two looks; a third has never
  // been needed.
  for (int round = 0;; ++round) {
    auto record = store.reserve(request);
    if (record) return *std::move(record);
    if (record.error().kind == ErrorKind::kConflict)
      return cni_fail(CniCode::kAddressTaken, std::move(record).error().message);
    if (record.error().kind != ErrorKind::kExists || round == 3)
      return std::unexpected(to_cni_error(std::move(record).error()));
    TOWPATH_CNI_TRY(const auto existing, store.find(request.attachment));
    if (!existing) continue;
    TOWPATH_TRY(const bool gives_way, give_way(*existing));
    if (!gives_way) {
      return cni_fail(CniCode::kInvalidEnvironment,
                      fmt::format("CNI_CONTAINERID, CNI_IFNAME: {} is attached to network {} already",
                                  request.attachment.to_string(), existing->network));
    }
    request.replaces = existing->generation;
  }
}

bool sandbox_is_alive(const ipam::EndpointRecord& record, const LookAtNetns& look) {
  if (record.sandbox.empty()) return false;
  const NetnsFacts facts = look(record.sandbox);
  return facts.is_netns && facts.inode == record.sandbox_inode;
}

namespace {

bool may_be_alive(const ipam::EndpointRecord& record, const HasLivingPeer& has_living_peer) {
  if (sandbox_is_alive(record)) return true;
  const bool is_standalone = record.state == ipam::AllocationState::kLive && record.host_ifname.empty();
  if (!is_standalone) return has_living_peer(record);
  return ::access(std::filesystem::path(record.sandbox).parent_path().c_str(), F_OK) != 0;
}

}  // namespace

CniExpected<std::vector<ipam::EndpointRecord>> stale_records(const ipam::StateStore& store,
                                                             const CniRequest& request,
                                                             const HasLivingPeer& has_living_peer) {
  if (!request.valid_attachments) return std::vector<ipam::EndpointRecord>();
  TOWPATH_CNI_TRY(std::vector<ipam::EndpointRecord> records, store.endpoints());
  std::erase_if(records, [&](const ipam::EndpointRecord& record) {
    return record.network != request.network ||
           std::ranges::find(*request.valid_attachments, record.attachment) !=
               request.valid_attachments->end() ||
           may_be_alive(record, has_living_peer);
  });
  return records;
}

CniExpected<std::optional<ipam::StateStore>> open_existing(const std::string& state_dir) {
  auto store = ipam::StateStore::open(state_dir, ipam::StateStore::OpenMode::kExisting);
  if (store) return std::optional(*std::move(store));
  if (store.error().kind == ErrorKind::kNotFound) return std::optional<ipam::StateStore>();
  return std::unexpected(to_cni_error(std::move(store).error()));
}

CniStatus check_addresses_available(const IpamConfig& config) {
  const auto available = [&]() -> Status {
    // Without a store the answer is that of an empty one, which opening it for ADD would make.
    TOWPATH_TRY(const auto store,
                ipam::StateStore::open(config.state_dir, config.choice.blocks.empty()
                                                             ? ipam::StateStore::OpenMode::kExisting
                                                             : ipam::StateStore::OpenMode::kCreate));
    return store.can_allocate(config.choice);
  }();
  if (available) return {};
  return cni_fail(CniCode::kNotAvailable, available.error().message);
}

CniStatus join_errors(const std::vector<CniError>& errors) {
  if (errors.empty()) return {};
  CniError joined = errors.front();
  for (std::size_t i = 1; i < errors.size(); ++i) joined.message += "; " + errors[i].message;
  return std::unexpected(std::move(joined));
}

}  // namespace towpath::cni
