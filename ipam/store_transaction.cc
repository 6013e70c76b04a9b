#include "ipam/store_transaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ipam/block_table.h"
#include "ipam/record_codec.h"
#include "towpath/base/byte_reader.h"
#include "towpath/base/byte_writer.h"

namespace towpath::ipam {
namespace {

// Refuses a store whose format this program does not know. A store with nothing in it has no version yet.
Status check_format(const LmdbTransaction& txn) {
  TOWPATH_TRY(const auto value, txn.get(format_key()));
  if (!value) {
    TOWPATH_TRY(const auto first, txn.at_or_after(format_key()));
    if (first) return std::unexpected(txn.environment().damaged("it has records but no format version"));
    return {};
  }
  ByteReader in(*value);
  const std::uint32_t version = in.u32();
  if (!in.ok() || !in.at_end())
    return std::unexpected(txn.environment().damaged("its format version does not parse"));
  if (version != kFormatVersion) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format(
            "state store {} has format {}, and this program knows {} only: install the programs of one "
            "release, or remove the store and attach the containers of this host again",
            txn.environment().data_path(), version, kFormatVersion));
  }
  return {};
}

Status enter_boot(LmdbTransaction& txn, const HostBoot& boot) {
  TOWPATH_TRY(const bool earlier, is_of_earlier_boot(txn, boot));
  if (earlier) {
    // What was in use when the host went down has rested least of all, and since the boot began.
    constexpr std::chrono::milliseconds kLast{1};
    TOWPATH_TRY_STATUS(BlockTable(txn, kLast).restart_rest());
    TOWPATH_TRY(const auto records, load_all(txn));
    for (const EndpointRecord& record : records) {
      TOWPATH_TRY_STATUS(give_back_all(txn, record, kLast));
      TOWPATH_TRY_STATUS(remove_record(txn, record.attachment));
    }
  }
  TOWPATH_TRY(const auto stored, txn.get(boot_key()));
  if (stored && !earlier) return {};
  return txn.put(boot_key(), std::as_bytes(std::span(boot.id)));
}

}  // namespace

Result<std::vector<EndpointRecord>> load_all(const LmdbTransaction& txn) {
  std::vector<EndpointRecord> records;
  const std::array kind{kEndpointKind};
  TOWPATH_TRY_STATUS(txn.for_each(kind, [&](const LmdbTransaction::Entry& entry) -> Status {
    TOWPATH_TRY(EndpointRecord record, decode_endpoint(entry.key, entry.value));
    records.push_back(std::move(record));
    return {};
  }));
  return records;
}

Result<std::optional<EndpointRecord>> load_record(const LmdbTransaction& txn,
                                                  const AttachmentId& attachment) {
  TOWPATH_TRY(const Bytes key, endpoint_key(attachment));
  TOWPATH_TRY(const auto value, txn.get(key));
  if (!value) return std::nullopt;
  TOWPATH_TRY(EndpointRecord record, decode_endpoint(key, *value));
  return record;
}

Status store_record(LmdbTransaction& txn, const EndpointRecord& record) {
  TOWPATH_TRY(const Bytes key, endpoint_key(record.attachment));
  TOWPATH_TRY(const Bytes value, encode(record));
  return txn.put(key, value);
}

std::string holder(const LmdbTransaction& txn, const IpAddress& address) {
  const auto records = load_all(txn);
  if (!records) return "";
  for (const EndpointRecord& record : *records) {
    if (std::ranges::find(record.allocated, address, &BlockAddress::address) != record.allocated.end())
      return fmt::format(" by {} of network {}", record.attachment.to_string(), record.network);
  }
  return "";
}

Status remove_record(LmdbTransaction& txn, const AttachmentId& attachment) {
  TOWPATH_TRY(const Bytes key, endpoint_key(attachment));
  return txn.remove(key);
}

// Were the endpoints attached in another boot than this? A store without any says nothing.
Result<bool> is_of_earlier_boot(const LmdbTransaction& txn, const HostBoot& boot) {
  TOWPATH_TRY(const auto stored, txn.get(boot_key()));
  return stored && !std::ranges::equal(*stored, std::as_bytes(std::span(boot.id)));
}

Status give_back_all(LmdbTransaction& txn, const EndpointRecord& record, std::chrono::nanoseconds uptime) {
  BlockTable blocks(txn, uptime);
  // The addresses of an ADD that did not come to its end have served nobody.
  const bool has_served = record.state == AllocationState::kLive;
  for (const BlockAddress& address : record.allocated)
    TOWPATH_TRY_STATUS(blocks.give_back(address, has_served));
  return {};
}

Result<LmdbTransaction> begin_read(const LmdbEnvironment& environment) {
  TOWPATH_TRY(auto txn, LmdbTransaction::begin(environment, true));
  TOWPATH_TRY_STATUS(check_format(txn));
  return txn;
}

Result<LmdbTransaction> begin_write(const LmdbEnvironment& environment, const HostBoot& boot) {
  TOWPATH_TRY(auto txn, LmdbTransaction::begin(environment, false));
  TOWPATH_TRY_STATUS(check_format(txn));
  TOWPATH_TRY(const auto version, txn.get(format_key()));
  if (!version) {
    Bytes value;
    ByteWriter(value).u32(kFormatVersion);
    TOWPATH_TRY_STATUS(txn.put(format_key(), value));
  }
  TOWPATH_TRY_STATUS(enter_boot(txn, boot));
  return txn;
}

}  // namespace towpath::ipam
