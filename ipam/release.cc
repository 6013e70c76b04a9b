#include "towpath/ipam/release.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace towpath::ipam {
namespace {

bool has(const EndpointRecord& record, const IpAddress& address) {
  return std::ranges::find(record.allocated, address, &BlockAddress::address) != record.allocated.end() ||
         std::ranges::find(record.addresses, address) != record.addresses.end();
}

std::string names(const std::vector<const EndpointRecord*>& records) {
  std::string text;
  for (const EndpointRecord* record : records) {
    if (!text.empty()) text += ", ";
    text += record->attachment.to_string();
  }
  return text;
}

}  // namespace

Result<EndpointRecord> find_holder(std::span<const EndpointRecord> records, const IpAddress& address,
                                   std::string_view container) {
  std::vector<const EndpointRecord*> holders;
  for (const EndpointRecord& record : records) {
    if (has(record, address)) holders.push_back(&record);
  }
  if (holders.empty())
    return fail(ErrorKind::kNotFound, fmt::format("no container has the address {}", address.to_string()));
  const std::string all = names(holders);
  if (!container.empty()) {
    std::erase_if(holders, [&](const EndpointRecord* r) { return r->attachment.container_id != container; });
  }
  if (holders.empty()) {
    return fail(ErrorKind::kConflict, fmt::format("address {} is held by {}, not by container {}",
                                                  address.to_string(), all, container));
  }
  if (holders.size() > 1) {
    return fail(ErrorKind::kConflict,
                fmt::format("address {} is held by {}: --container must say which of them loses it",
                            address.to_string(), names(holders)));
  }
  if (holders.front()->allocated.empty()) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("{} has the address {} from the IPAM plugin {}, and only the runtime's DEL gives "
                            "it back there",
                            all, address.to_string(), holders.front()->ipam_type));
  }
  return *holders.front();
}

Status check_releasable(const EndpointRecord& record, SandboxFate fate) {
  switch (fate) {
    case SandboxFate::kGone: return {};
    case SandboxFate::kAlive:
      return fail(ErrorKind::kConflict,
                  fmt::format("{} is alive in its sandbox {}: the runtime's DEL gives its addresses back",
                              record.attachment.to_string(), record.sandbox));
    case SandboxFate::kUnknown: break;
  }
  return fail(ErrorKind::kConflict,
              fmt::format("it cannot be seen from here whether the sandbox of {} is gone",
                          record.attachment.to_string()));
}

}  // namespace towpath::ipam
