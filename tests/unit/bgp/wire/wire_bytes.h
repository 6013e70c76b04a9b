// Messages and their parts for the codec's tests, written as hex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bgp/wire/decode.h"
#include "bgp/wire/encode.h"

namespace towpath::bgp::test {

using Bytes = std::vector<std::byte>;

// "ff 0001" and so on: hex digits, blanks between them are ignored.
Bytes bytes(std::string_view hex);
std::string hex(std::span<const std::byte> bytes);
Bytes operator+(Bytes left, const Bytes& right);
Bytes repeat(const Bytes& part, std::size_t count);

// A whole message with a right header around `body`.
Bytes message(MessageType type, const Bytes& body);
// The body of an UPDATE with right lengths.
Bytes update_body(const Bytes& withdrawn, const Bytes& attributes, const Bytes& nlri);
// With the short form of the length; `extended` writes the long one.
Bytes attribute(unsigned flags, unsigned type, const Bytes& value, bool extended = false);

// Sound attributes of a four-octet session: ORIGIN IGP, AS_PATH 65001, NEXT_HOP 192.0.2.1, LOCAL_PREF 100.
Bytes origin();
Bytes as_path();
Bytes next_hop();
Bytes local_pref();
// What an external peer sends: the first three. An internal one adds the fourth.
Bytes mandatory();
// MP_REACH_NLRI with 2001:db8::1 and the NLRI 2001:db8:1::/48.
Bytes mp_reach();
// 10.1.0.0/16.
Bytes nlri();

// eBGP, four octets, both families, nothing else.
SessionParameters external();
SessionParameters internal();

Prefix prefix(const char* text);
IpAddress address(const char* text);

}  // namespace towpath::bgp::test
