// The key that signs every TCP segment of a session (RFC 2385).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

namespace towpath::bgp {

// TCP_MD5SIG_MAXKEYLEN of the kernel.
inline constexpr std::size_t kLongestMd5Key = 80;

// A peer that has one of these has no session without a usable key, and never one that is not signed.
struct Md5Key {
  std::string file;     // where the secret is from; for people
  std::string secret;   // 1 to kLongestMd5Key octets; empty: there is none
  std::string problem;  // why there is none; one line

  bool usable() const { return !secret.empty(); }
  friend auto operator<=>(const Md5Key&, const Md5Key&) = default;
};

// When a changed key counts.
enum class Md5Rekey : std::uint8_t {
  kLazy,  // from the next connection on: nobody has to be in step, and no session ends for it
  kLive,  // at once: the peer has to change its running session as well, within the hold time
};

}  // namespace towpath::bgp
