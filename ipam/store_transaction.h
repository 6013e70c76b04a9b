// Transactions of the state store, and what more than one of its files does in them.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ipam/host_boot.h"
#include "ipam/lmdb_environment.h"
#include "towpath/ipam/endpoint_record.h"
#include "towpath/ipam/state_store.h"

namespace towpath::ipam {

struct StateStore::Environment {
  std::unique_ptr<LmdbEnvironment> lmdb;
  HostBoot boot;
};

// kUnsupported: a format that this program does not know.
Result<LmdbTransaction> begin_read(const LmdbEnvironment& environment);
// The same; removes what is of an earlier boot.
Result<LmdbTransaction> begin_write(const LmdbEnvironment& environment, const HostBoot& boot);

// Were the endpoints attached in another boot than this? A store without any says nothing.
Result<bool> is_of_earlier_boot(const LmdbTransaction& txn, const HostBoot& boot);

// Ordered by attachment.
Result<std::vector<EndpointRecord>> load_all(const LmdbTransaction& txn);
Result<std::optional<EndpointRecord>> load_record(const LmdbTransaction& txn, const AttachmentId& attachment);
Status store_record(LmdbTransaction& txn, const EndpointRecord& record);
// " by container/ifname of network x", for messages; empty if nobody has the address.
std::string holder(const LmdbTransaction& txn, const IpAddress& address);
Status remove_record(LmdbTransaction& txn, const AttachmentId& attachment);
Status give_back_all(LmdbTransaction& txn, const EndpointRecord& record, std::chrono::nanoseconds uptime);

// A record that does not decode is found below the knowledge of which file it is in; say it here.
template <class T>
Result<T> name_file(Result<T> result, const LmdbEnvironment& environment) {
  if (result || result.error().kind != ErrorKind::kCorrupt) return result;
  if (result.error().message.starts_with("state store ")) return result;
  return std::unexpected(environment.damaged(result.error().message));
}

}  // namespace towpath::ipam
