#include "ipam/record_codec.h"

#include <fmt/format.h>

#include <limits>
#include <string_view>

#include "towpath/base/byte_reader.h"
#include "towpath/base/byte_writer.h"

namespace towpath::ipam {
namespace {

// LMDB's limit, as compiled into Debian's library.
constexpr std::size_t kMaxKeySize = 511;

std::unexpected<Error> corrupt(std::string_view what) {
  return fail(ErrorKind::kCorrupt, fmt::format("{} does not follow the format", what));
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Text with a 16-bit length before it. Longer text is noted and refused at the end, not cut.
class TextWriter {
 public:
  explicit TextWriter(Bytes& out) : writer(out) {}
  void text(std::string_view value) {
    if (value.size() > std::numeric_limits<std::uint16_t>::max()) too_long = true;
    writer.u16(static_cast<std::uint16_t>(value.size()));
    writer.bytes(as_bytes(value));
  }
  void count(std::size_t value) {
    if (value > std::numeric_limits<std::uint16_t>::max()) too_long = true;
    writer.u16(static_cast<std::uint16_t>(value));
  }
  void map(const std::map<std::string, std::string>& values) {
    count(values.size());
    for (const auto& [key, value] : values) {
      text(key);
      text(value);
    }
  }
  void address(const IpAddress& value) {
    writer.u8(static_cast<std::uint8_t>(value.family()));
    writer.bytes(value.bytes());
  }
  void optional_address(const std::optional<IpAddress>& value) {
    if (value) {
      address(*value);
    } else {
      writer.u8(0);
    }
  }
  ByteWriter writer;
  bool too_long = false;
};

std::string read_text(ByteReader& in) {
  const std::uint16_t size = in.u16();
  return as_text(in.take(size));
}

std::map<std::string, std::string> read_map(ByteReader& in) {
  std::map<std::string, std::string> values;
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    std::string key = read_text(in);
    values[std::move(key)] = read_text(in);
  }
  return values;
}

Result<IpAddress> read_address(ByteReader& in) {
  const std::uint8_t family = in.u8();
  if (family != 4 && family != 6) return corrupt("an address");
  const auto bytes = in.take(family == 4 ? 4 : 16);
  if (!in.ok()) return corrupt("an address");
  return IpAddress::from_bytes(bytes);
}

Result<std::optional<IpAddress>> read_optional_address(ByteReader& in) {
  ByteReader ahead = in;
  if (ahead.u8() == 0 && ahead.ok()) {
    in = ahead;
    return std::nullopt;
  }
  TOWPATH_TRY(const IpAddress address, read_address(in));
  return address;
}

void write_ports(TextWriter& out, const std::vector<PortMapping>& ports) {
  out.count(ports.size());
  for (const PortMapping& port : ports) {
    out.writer.u8(port.protocol);
    out.writer.u16(port.host_port);
    out.writer.u16(port.container_port);
    out.optional_address(port.host_ip);
  }
}

Result<PortMapping> read_port(ByteReader& in) {
  PortMapping port;
  port.protocol = in.u8();
  port.host_port = in.u16();
  port.container_port = in.u16();
  TOWPATH_TRY(port.host_ip, read_optional_address(in));
  return port;
}

void write_bandwidth(TextWriter& out, const Bandwidth& bandwidth) {
  out.writer.u64(bandwidth.ingress_rate);
  out.writer.u64(bandwidth.ingress_burst);
  out.writer.u64(bandwidth.egress_rate);
  out.writer.u64(bandwidth.egress_burst);
}

Bandwidth read_bandwidth(ByteReader& in) {
  Bandwidth bandwidth;
  bandwidth.ingress_rate = in.u64();
  bandwidth.ingress_burst = in.u64();
  bandwidth.egress_rate = in.u64();
  bandwidth.egress_burst = in.u64();
  return bandwidth;
}

// At the end of a record, and only where there are any: a program that does not know them has no trouble with
// the records of its own addresses.
void write_delegated(TextWriter& out, const std::vector<DelegatedAddress>& delegated) {
  if (delegated.empty()) return;
  out.count(delegated.size());
  for (const auto& [address, gateway] : delegated) {
    out.address(address.address);
    out.writer.u8(address.length);
    out.optional_address(gateway);
  }
}

Result<std::vector<DelegatedAddress>> read_delegated(ByteReader& in) {
  std::vector<DelegatedAddress> delegated;
  if (in.at_end()) return delegated;
  for (std::uint16_t left = in.u16(); left > 0; --left) {
    DelegatedAddress one;
    TOWPATH_TRY(one.address.address, read_address(in));
    one.address.length = in.u8();
    TOWPATH_TRY(one.gateway, read_optional_address(in));
    delegated.push_back(one);
  }
  return delegated;
}

constexpr std::size_t kPrefixedKeySize = 1 + 1 + 16 + 1;

Bytes prefixed_key(std::byte kind, const Prefix& block) {
  Bytes key;
  key.reserve(kPrefixedKeySize + 16);
  ByteWriter out(key);
  out.u8(std::to_integer<std::uint8_t>(kind));
  out.u8(static_cast<std::uint8_t>(block.family()));
  out.bytes(block.address().bytes());
  out.zeros(16 - block.address().bytes().size());
  out.u8(block.length());
  return key;
}

}  // namespace

Bytes format_key() {
  return {std::byte{'F'}};
}

Bytes boot_key() {
  return {std::byte{'T'}};
}

Bytes pools_key() {
  return {std::byte{'P'}};
}

Bytes block_key(const Prefix& block) {
  return prefixed_key(kBlockKind, block);
}

Bytes chunk_keys(const Prefix& block) {
  return prefixed_key(kChunkKind, block);
}

Bytes resting_keys(const Prefix& block) {
  return prefixed_key(kRestingKind, block);
}

Bytes chunk_key(const Prefix& block, std::uint64_t chunk_index) {
  Bytes key = chunk_keys(block);
  ByteWriter(key).u64(chunk_index);
  return key;
}

Bytes resting_key(const Prefix& block, const Resting& resting) {
  Bytes key = resting_keys(block);
  ByteWriter out(key);
  out.u64(resting.since);
  out.u64(resting.offset);
  return key;
}

Result<Bytes> endpoint_key(const AttachmentId& attachment) {
  Bytes key;
  ByteWriter out(key);
  out.u8(std::to_integer<std::uint8_t>(kEndpointKind));
  out.bytes(as_bytes(attachment.container_id));
  out.u8(0);
  out.bytes(as_bytes(attachment.ifname));
  if (key.size() > kMaxKeySize) {
    return fail(ErrorKind::kInvalid,
                fmt::format("container id and interface name have {} bytes, more than {}", key.size() - 2,
                            kMaxKeySize - 2));
  }
  return key;
}

Result<Prefix> decode_block_key(std::span<const std::byte> key) {
  if (key.size() != kPrefixedKeySize || key[0] != kBlockKind) return corrupt("the key of a block");
  return decode_block_of_index(key);
}

Result<Prefix> decode_block_of_index(std::span<const std::byte> key) {
  ByteReader in(key);
  in.u8();
  const std::uint8_t family = in.u8();
  const auto octets = in.take(16);
  const std::uint8_t length = in.u8();
  if (!in.ok() || (family != 4 && family != 6)) return corrupt("the key of a block");
  TOWPATH_TRY(const IpAddress address, IpAddress::from_bytes(octets.first(family == 4 ? 4 : 16)));
  auto prefix = Prefix::make(address, length);
  if (!prefix || prefix->address() != address) return corrupt("the key of a block");
  return prefix;
}

Result<Resting> decode_resting_key(std::span<const std::byte> key) {
  ByteReader in(key);
  in.take(kPrefixedKeySize);
  Resting resting;
  resting.since = in.u64();
  resting.offset = in.u64();
  if (!in.ok() || !in.at_end()) return corrupt("the key of a resting address");
  return resting;
}

Result<std::uint64_t> decode_chunk_index(std::span<const std::byte> key) {
  ByteReader in(key);
  in.take(kPrefixedKeySize);
  const std::uint64_t index = in.u64();
  if (!in.ok() || !in.at_end()) return corrupt("the key of a bitmap");
  return index;
}

Bytes encode(const BlockHead& head) {
  Bytes value;
  ByteWriter out(value);
  out.u8(head.flags);
  out.u64(head.used);
  out.u64(head.resting);
  out.u64(head.next);
  return value;
}

Result<BlockHead> decode_block_head(std::span<const std::byte> value) {
  ByteReader in(value);
  BlockHead head;
  head.flags = in.u8();
  head.used = in.u64();
  head.resting = in.u64();
  head.next = in.u64();
  if (!in.ok() || !in.at_end()) return corrupt("a block record");
  return head;
}

Bytes encode_pools(std::span<const Prefix> pools) {
  Bytes value;
  TextWriter out(value);
  for (const Prefix& pool : pools) {
    out.address(pool.address());
    out.writer.u8(pool.length());
  }
  return value;
}

Result<std::vector<Prefix>> decode_pools(std::span<const std::byte> value) {
  std::vector<Prefix> pools;
  ByteReader in(value);
  while (!in.at_end()) {
    TOWPATH_TRY(const IpAddress address, read_address(in));
    auto pool = Prefix::make(address, in.u8());
    if (!in.ok() || !pool || pool->address() != address) return corrupt("the list of pools");
    pools.push_back(*pool);
  }
  return pools;
}

Result<Bytes> encode(const EndpointRecord& record) {
  Bytes value;
  value.reserve(256);
  TextWriter out(value);
  out.writer.u8(static_cast<std::uint8_t>(record.state));
  out.writer.u64(record.generation);
  out.writer.u64(record.sandbox_inode);
  out.writer.u64(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(record.created.time_since_epoch()).count()));
  out.text(record.network);
  out.text(record.sandbox);
  out.text(record.ipam_type);
  out.count(record.allocated.size());
  for (const BlockAddress& allocated : record.allocated) {
    out.address(allocated.address);
    out.writer.u8(allocated.block.length());
  }
  out.text(record.host_ifname);
  for (const std::uint8_t octet : record.mac.octets()) out.writer.u8(octet);
  out.writer.u32(record.mtu);
  out.count(record.addresses.size());
  for (const IpAddress& address : record.addresses) out.address(address);
  out.map(record.labels);
  out.map(record.pod);
  write_ports(out, record.ports);
  write_bandwidth(out, record.bandwidth);
  write_delegated(out, record.delegated);
  if (out.too_long) {
    return fail(ErrorKind::kInvalid, fmt::format("a text of the endpoint {} has more than 65535 bytes",
                                                 record.attachment.to_string()));
  }
  return value;
}

Result<EndpointRecord> decode_endpoint(std::span<const std::byte> key, std::span<const std::byte> value) {
  EndpointRecord record;
  const std::string names = as_text(key).substr(key.empty() ? 0 : 1);
  const std::size_t separator = names.find('\0');
  if (key.empty() || key[0] != kEndpointKind || separator == std::string::npos)
    return corrupt("the key of an endpoint");
  record.attachment = {names.substr(0, separator), names.substr(separator + 1)};

  ByteReader in(value);
  const std::uint8_t state = in.u8();
  if (state > static_cast<std::uint8_t>(AllocationState::kLive)) {
    return corrupt(fmt::format("the record of {}", record.attachment.to_string()));
  }
  record.state = static_cast<AllocationState>(state);
  record.generation = in.u64();
  record.sandbox_inode = in.u64();
  record.created = WallTime(std::chrono::duration_cast<WallTime::duration>(
      std::chrono::nanoseconds(static_cast<std::int64_t>(in.u64()))));
  record.network = read_text(in);
  record.sandbox = read_text(in);
  record.ipam_type = read_text(in);
  for (std::uint16_t left = in.u16(); left > 0; --left) {
    TOWPATH_TRY(const IpAddress address, read_address(in));
    const auto block = Prefix::make(address, in.u8());
    if (!block) return corrupt("an address of an endpoint");
    record.allocated.push_back({address, *block});
  }
  record.host_ifname = read_text(in);
  std::array<std::uint8_t, 6> mac{};
  for (std::uint8_t& octet : mac) octet = in.u8();
  record.mac = MacAddress(mac);
  record.mtu = in.u32();
  for (std::uint16_t left = in.u16(); left > 0; --left) {
    TOWPATH_TRY(const IpAddress address, read_address(in));
    record.addresses.push_back(address);
  }
  record.labels = read_map(in);
  record.pod = read_map(in);
  for (std::uint16_t left = in.u16(); left > 0; --left) {
    TOWPATH_TRY(const PortMapping port, read_port(in));
    record.ports.push_back(port);
  }
  record.bandwidth = read_bandwidth(in);
  TOWPATH_TRY(record.delegated, read_delegated(in));
  if (!in.ok() || !in.at_end())
    return corrupt(fmt::format("the record of {}", record.attachment.to_string()));
  return record;
}

}  // namespace towpath::ipam
