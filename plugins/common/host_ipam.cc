#include "plugins/common/host_ipam.h"

#include <fmt/format.h>

#include <algorithm>

namespace towpath::cni {
namespace {

// CONVENTIONS.md of the specification: args.cni.labels is a list of {key, value}.
CniStatus read_labels(const JsonObject& config, std::map<std::string, std::string>& labels) {
  TOWPATH_TRY(const auto args, config.object("args"));
  if (!args) return {};
  TOWPATH_TRY(const auto cni, args->object("cni"));
  if (!cni) return {};
  return cni->for_each("labels", [&](const Json& element, const std::string& path) -> CniStatus {
    TOWPATH_TRY(const JsonObject label, JsonObject::make(element, path));
    TOWPATH_TRY(const auto key, label.string("key"));
    TOWPATH_TRY(const auto value, label.string_or("value", ""));
    if (!key) return wrong(path, element, "has no key");
    labels[*key] = value;
    return {};
  });
}

}  // namespace

CniExpected<IpamConfig> IpamConfig::parse(const CniRequest& request) {
  IpamConfig out;
  TOWPATH_TRY(const JsonObject config, JsonObject::make(request.config, ""));
  TOWPATH_TRY(out.state_dir, config.string_or("stateDir", out.state_dir));
  if (!out.state_dir.starts_with('/')) {
    return cni_fail(CniCode::kInvalidConfig,
                    fmt::format("stateDir: '{}' is not an absolute path", out.state_dir));
  }
  TOWPATH_TRY_STATUS(read_labels(config, out.labels));
  TOWPATH_TRY(const auto ipam, config.object("ipam"));
  if (!ipam) return out;
  TOWPATH_TRY(out.type, ipam->string_or("type", out.type));
  if (!out.is_own()) return out;
  TOWPATH_TRY_STATUS(ipam->only({"type", "blocks", "routes"}));
  TOWPATH_TRY_STATUS(ipam->for_each("blocks", [&](const Json& element, const std::string& path) -> CniStatus {
    if (!element.is_string()) return wrong(path, element, "is not a string");
    const auto block = Prefix::parse(element.get_ref<const std::string&>());
    if (!block) return cni_fail(CniCode::kInvalidConfig, fmt::format("{}: {}", path, block.error().message));
    for (const Prefix& other : out.blocks) {
      if (other.overlaps(*block)) return wrong(path, element, fmt::format("overlaps {}", other.to_string()));
    }
    out.blocks.push_back(*block);
    return {};
  }));
  TOWPATH_TRY_STATUS(ipam->for_each("routes", [&](const Json& element, const std::string& path) -> CniStatus {
    TOWPATH_TRY(const CniRoute route, parse_route(element, path));
    out.routes.push_back(route);
    return {};
  }));
  return out;
}

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
  reserve.blocks = config.blocks;
  reserve.allocate = config.is_own();
  reserve.labels = config.labels;
  for (const auto& [key, value] : request.args) {
    if (key.starts_with("K8S_POD_")) reserve.pod[key] = value;
  }
  return reserve;
}

CniExpected<ipam::EndpointRecord> reserve(ipam::StateStore& store, ipam::ReserveRequest request,
                                          const IsStale& is_stale) {
  // A second round is for a record that went away, or was replaced, between the two looks; a third has never
  // been needed.
  for (int round = 0;; ++round) {
    auto record = store.reserve(request);
    if (record) return *std::move(record);
    if (record.error().kind != ErrorKind::kExists || round == 3)
      return std::unexpected(to_cni_error(std::move(record).error()));
    TOWPATH_CNI_TRY(const auto existing, store.find(request.attachment));
    if (!existing) continue;
    if (!is_stale(*existing)) {
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

CniExpected<std::vector<ipam::EndpointRecord>> stale_records(const ipam::StateStore& store,
                                                             const CniRequest& request) {
  if (!request.valid_attachments) return std::vector<ipam::EndpointRecord>();
  TOWPATH_CNI_TRY(std::vector<ipam::EndpointRecord> records, store.endpoints());
  std::erase_if(records, [&](const ipam::EndpointRecord& record) {
    return record.network != request.network ||
           std::ranges::find(*request.valid_attachments, record.attachment) !=
               request.valid_attachments->end() ||
           sandbox_is_alive(record);
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
                ipam::StateStore::open(config.state_dir, config.blocks.empty()
                                                             ? ipam::StateStore::OpenMode::kExisting
                                                             : ipam::StateStore::OpenMode::kCreate));
    return store.can_allocate(config.blocks);
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
