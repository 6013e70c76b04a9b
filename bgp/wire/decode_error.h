// What is wrong with a received message, and how far it reaches.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bgp/wire/notification.h"

namespace towpath::bgp {

// RFC 7606 section 2, from the mildest to the strongest: where several errors meet, the greatest wins
// (section 3 h).
enum class Disposition : std::uint8_t {
  kDiscard,   // the attribute is dropped, the rest of the message counts
  kWithdraw,  // every route that the message announces counts as withdrawn
  kReset,     // the session ends with a NOTIFICATION
};

struct DecodeError {
  Disposition disposition = Disposition::kReset;
  NotificationCode code;
  std::vector<std::byte>
      data;            // for the NOTIFICATION: what the RFC asks for, at most kMaxNotificationData octets
  std::string reason;  // one line for the log, printable, with the RFC section; holds no bytes of the peer

  NotificationMessage notification() const { return {code, data}; }
  friend bool operator==(const DecodeError&, const DecodeError&) = default;
};

}  // namespace towpath::bgp
