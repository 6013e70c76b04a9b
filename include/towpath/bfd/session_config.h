// What a BFD session is told by its owner, and the words of RFC 5880 that its owner sees.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/base/address.h"

namespace towpath::bfd {

// RFC 5880 section 4.1, "State (Sta)".
enum class State : std::uint8_t { kAdminDown = 0, kDown = 1, kInit = 2, kUp = 3 };
std::string_view format(State state);  // "AdminDown", "Down", "Init", "Up"

// RFC 5880 section 4.1, "Diagnostic (Diag)"; those that this implementation sends.
enum class Diagnostic : std::uint8_t {
  kNone = 0,
  kDetectionTimeExpired = 1,
  kNeighborSignaledDown = 3,
  kAdministrativelyDown = 7,
};
// In the words of the RFC, for any number.
std::string_view format(Diagnostic diagnostic);

struct Timers {
  std::chrono::microseconds desired_min_tx{300'000};
  std::chrono::microseconds required_min_rx{300'000};
  std::uint8_t detect_multiplier = 3;  // not 0
  friend auto operator<=>(const Timers&, const Timers&) = default;
};

// RFC 5880 section 4.1, "Auth Type".
enum class AuthenticationType : std::uint8_t {
  kSimplePassword = 1,
  kKeyedMd5 = 2,
  kMeticulousKeyedMd5 = 3,
  kKeyedSha1 = 4,
  kMeticulousKeyedSha1 = 5,
};
std::string_view format(AuthenticationType type);  // "keyed-sha1"
// In octets: 16, or 20 with SHA-1.
std::size_t longest_key(AuthenticationType type);

// A session that has one of these is silent and deaf without a usable key, and never takes or sends a packet
// that is not authenticated.
struct Authentication {
  AuthenticationType type = AuthenticationType::kMeticulousKeyedSha1;
  std::uint8_t key_id = 1;  // tells the peer which key it is
  std::string file{};       // where the secret is from; for people
  std::string secret{};     // 1 to longest_key() octets; empty: there is none
  std::string problem{};    // why there is none; one line

  bool usable() const { return !secret.empty(); }
  friend auto operator<=>(const Authentication&, const Authentication&) = default;
};

struct SessionConfig {
  IpAddress remote;                  // with `multihop`, the session's identity
  std::optional<IpAddress> local{};  // source address, and the only one where packets are taken; else any
  bool multihop = false;             // RFC 5883; else the peer is a neighbour on the link (RFC 5881)
  bool passive = false;              // sends nothing before the peer does (RFC 5880 section 6.1)
  Timers timers;
  std::optional<Authentication> authentication{};  // RFC 5880 section 6.7
  friend auto operator<=>(const SessionConfig&, const SessionConfig&) = default;
};

}  // namespace towpath::bfd
