#include "bfd/authentication.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

#include "towpath/base/byte_reader.h"
#include "towpath/base/byte_writer.h"
#include "towpath/base/check.h"

namespace towpath::bfd {
namespace {

constexpr std::size_t kFlagsAt = 1, kDetectMultiplierAt = 2, kLengthAt = 3;
constexpr std::byte kAuthenticationPresent{0x04};
// Auth Type, Auth Len, Auth Key ID; and with a hash a reserved octet and the sequence number.
constexpr std::size_t kPasswordAt = 3;
constexpr std::size_t kDigestAt = 8;

std::span<const std::byte> octets(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// In a time that does not depend on where they differ.
bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

Authenticator::Authenticator(const Authentication& key, std::uint32_t first_sequence)
    : key_(key), transmit_sequence_(first_sequence) {
  TOWPATH_CHECK(key.usable());
}

void Authenticator::set_key(const Authentication& key) {
  TOWPATH_CHECK(key.usable() && key.type == key_.type);
  key_ = key;
}

bool Authenticator::is_meticulous() const {
  return key_.type == AuthenticationType::kMeticulousKeyedMd5 ||
         key_.type == AuthenticationType::kMeticulousKeyedSha1;
}

// As long as the longest key.
std::size_t Authenticator::digest_size() const {
  return longest_key(key_.type);
}

std::vector<std::byte> Authenticator::padded_key() const {
  const auto secret = octets(key_.secret);
  std::vector<std::byte> key(secret.begin(), secret.end());
  key.resize(digest_size());
  return key;
}

std::vector<std::byte> Authenticator::digest(std::span<const std::byte> packet) const {
  const bool is_md5 =
      key_.type == AuthenticationType::kKeyedMd5 || key_.type == AuthenticationType::kMeticulousKeyedMd5;
  std::vector<std::byte> out(digest_size());
  unsigned size = 0;
  auto* const to = reinterpret_cast<unsigned char*>(out.data());
  // Fails only where the host's OpenSSL is set up to refuse MD5 or SHA-1: then no packet has a hash that the
  // peer takes, and none that comes is good.
  if (EVP_Digest(packet.data(), packet.size(), to, &size, is_md5 ? EVP_md5() : EVP_sha1(), nullptr) != 1)
    return {};
  TOWPATH_CHECK(size == out.size());
  return out;
}

void Authenticator::sign(EncodedPacket& packet) {
  const std::size_t section = is_simple() ? kPasswordAt + key_.secret.size() : kDigestAt + digest_size();
  packet[kFlagsAt] |= kAuthenticationPresent;
  packet[kLengthAt] = static_cast<std::byte>(packet.size() + section);
  const bool is_news = packet != sent_;
  sent_ = packet;
  ByteWriter writer(packet);
  writer.u8(static_cast<std::uint8_t>(key_.type));
  writer.u8(static_cast<std::uint8_t>(section));
  writer.u8(key_.key_id);
  if (is_simple()) {
    writer.bytes(octets(key_.secret));
    return;
  }
  if (is_meticulous() || is_news) ++transmit_sequence_;
  writer.u8(0);
  writer.u32(transmit_sequence_);
  const std::size_t digest_at = packet.size();
  writer.bytes(padded_key());
  auto hash = digest(packet);
  hash.resize(digest_size());  // of a hash that could not be made: zeros, and never the key
  std::ranges::copy(hash, packet.begin() + static_cast<std::ptrdiff_t>(digest_at));
}

std::expected<void, PacketError> Authenticator::check(std::span<const std::byte> packet,
                                                      Duration detection_time, TimePoint now) {
  const auto section = packet.subspan(kControlPacketSize);
  ByteReader reader(section);
  const std::uint8_t type = reader.u8();
  const std::uint8_t length = reader.u8();
  const std::uint8_t key_id = reader.u8();
  if (!reader.ok() || length < kPasswordAt || length > section.size())
    return std::unexpected("the authentication section is cut short");
  if (type != static_cast<std::uint8_t>(key_.type))
    return std::unexpected("another authentication type is in use here");
  if (key_id != key_.key_id) return std::unexpected("another key ID is in use here");
  if (is_simple()) return check_password(section.first(length));
  if (length != kDigestAt + digest_size())
    return std::unexpected("Auth Len is not that of its authentication type");
  reader.u8();
  const std::uint32_t sequence = reader.u32();
  if (sequence_known_ && now - received_at_ >= 2 * detection_time) sequence_known_ = false;
  if (sequence_known_ && !is_next(sequence, std::to_integer<std::uint8_t>(packet[kDetectMultiplierAt]))) {
    return std::unexpected("the sequence number is out of order: an old packet, or a restarted peer");
  }
  const auto good = check_digest(packet);
  if (!good) return good;
  sequence_known_ = true;
  received_sequence_ = sequence;
  received_at_ = now;
  return {};
}

std::expected<void, PacketError> Authenticator::check_password(std::span<const std::byte> section) const {
  if (same(section.subspan(kPasswordAt), octets(key_.secret))) return {};
  return std::unexpected("the password is another one");
}

std::expected<void, PacketError> Authenticator::check_digest(std::span<const std::byte> packet) const {
  constexpr std::size_t kAt = kControlPacketSize + kDigestAt;
  std::vector<std::byte> with_key(packet.begin(), packet.end());
  std::ranges::copy(padded_key(), with_key.begin() + static_cast<std::ptrdiff_t>(kAt));
  if (same(packet.subspan(kAt, digest_size()), digest(with_key))) return {};
  return std::unexpected("the hash is wrong: another key, or a changed packet");
}

// Unsigned differences count in a circle (section 6.7.3).
bool Authenticator::is_next(std::uint32_t sequence, std::uint8_t detect_multiplier) const {
  const std::uint32_t ahead = sequence - received_sequence_;
  return ahead >= (is_meticulous() ? 1U : 0U) && ahead <= 3U * detect_multiplier;
}

}  // namespace towpath::bfd
