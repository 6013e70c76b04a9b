// The control socket's protocol: what towpathd answers and towpathctl asks. docs/control-protocol.md is its
// reference.
//
// One JSON document a line over a Unix stream socket. A request names the protocol version, a command and its
// arguments; the reply is any number of row lines and exactly one end line, or one error line. JSON itself is
// the business of the two ends; here are the values and the names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/prefix.h"

namespace towpath::control {

inline constexpr int kProtocolVersion = 1;
inline constexpr const char* kDefaultSocketPath = "/run/towpath/towpathd.sock";
// Bytes of a request line, its newline included.
inline constexpr std::size_t kLongestRequest = 64 * 1024;

// The class is the first digit: 1 a row, 2 the end, 4 the request is wrong, 5 the agent cannot.
enum class Code : std::uint16_t {
  kRow = 100,
  kEnd = 200,
  kMalformed = 400,       // no JSON object, or keys that do not belong there
  kNotFound = 404,        // names a peer that is not configured, a lease that nobody has
  kUnknownCommand = 405,  // no such command, in this version at least
  kConflict = 409,        // somebody else has it: a port of the host, a prefix; or there are too many
  kTooLong = 413,         // the request line is over kLongestRequest; the connection ends
  kBadArgument = 422,     // the command does not take this argument, or not this value
  kWrongVersion = 426,    // the agent speaks another protocol version
  kInternal = 500,        // a failure on the agent's side
  kBusy = 503,            // too many clients; the connection ends
};

enum class Command : std::uint8_t {
  kVersion,
  kStatus,
  kPeers,
  kBfd,
  kRoutes,
  kEndpointChanged,
  kPolicyTest,
  kAdvertise,
  kWithdraw,
  kAdvertised,
  kDrain,
  kUndrain,
  kPolicies,
  kPolicySimulate
};
inline constexpr std::array<std::pair<std::string_view, Command>, 14> kCommands{
    {{"version", Command::kVersion},
     {"status", Command::kStatus},
     {"peers", Command::kPeers},
     {"bfd", Command::kBfd},
     {"routes", Command::kRoutes},
     {"endpoint-changed", Command::kEndpointChanged},
     {"policy-test", Command::kPolicyTest},
     {"advertise", Command::kAdvertise},
     {"withdraw", Command::kWithdraw},
     {"advertised", Command::kAdvertised},
     {"drain", Command::kDrain},
     {"undrain", Command::kUndrain},
     {"policies", Command::kPolicies},
     {"policy-simulate", Command::kPolicySimulate}}};

enum class RouteTable : std::uint8_t { kLocRib, kAdjRibIn, kAdjRibOut, kKernel, kDiff };
inline constexpr std::array<std::pair<std::string_view, RouteTable>, 5> kRouteTables{
    {{"loc-rib", RouteTable::kLocRib},
     {"adj-rib-in", RouteTable::kAdjRibIn},
     {"adj-rib-out", RouteTable::kAdjRibOut},
     {"kernel", RouteTable::kKernel},
     {"diff", RouteTable::kDiff}}};

// Which routes of a table. All filters that are set must match.
struct RouteQuery {
  RouteTable table = RouteTable::kLocRib;
  std::optional<std::string> peer{};   // by name; not for kernel and diff
  std::optional<Prefix> prefix{};      // this prefix and all inside it
  std::optional<IpAddress> address{};  // all prefixes that contain it
  bool mrt = false;                    // of kLocRib and kAdjRibIn: MRT records in place of rows
  friend bool operator==(const RouteQuery&, const RouteQuery&) = default;

  bool matches(const Prefix& candidate) const {
    return (!prefix || prefix->contains(candidate)) && (!address || candidate.contains(*address));
  }
};

// An endpoint, by the two names that a runtime gives it.
struct EndpointName {
  std::string container{};
  std::string ifname{};
  friend bool operator==(const EndpointName&, const EndpointName&) = default;
};

enum class Direction : std::uint8_t { kImport, kExport };
inline constexpr std::array<std::pair<std::string_view, Direction>, 2> kDirections{
    {{"import", Direction::kImport}, {"export", Direction::kExport}}};

// A route to try. What stands behind `prefix` is for kImport: a peer is told what this host has.
struct PolicyTest {
  Direction direction = Direction::kImport;
  std::string peer{};
  Prefix prefix{};
  std::optional<std::string> origin{};   // igp (if not given), egp, incomplete
  std::optional<std::string> as_path{};  // "65001 65002 {65003 65004}"
  std::optional<IpAddress> next_hop{};   // the peer's address if not given
  std::optional<std::uint32_t> med{};
  std::optional<std::uint32_t> local_pref{};  // external peers send none
  std::vector<std::string> communities{};     // of all three kinds, as rules write them
  friend bool operator==(const PolicyTest&, const PolicyTest&) = default;
};

// A prefix that a program of this host announces through the agent.
struct LeaseRequest {
  Prefix prefix{};
  std::optional<std::string> owner{};  // whose lease it is; kWithdraw without one: whoever has it
  std::uint32_t seconds = 0;           // of kAdvertise
  friend bool operator==(const LeaseRequest&, const LeaseRequest&) = default;
};

// RFC 9003 allows 255 octets; peers that know RFC 8203 alone take 128.
inline constexpr std::size_t kLongestReason = 128;
inline constexpr std::uint32_t kLongestDrainWait = 3600;  // seconds

// To take the host out of service.
struct DrainRequest {
  std::uint32_t wait = 30;  // seconds between the announcement and the withdrawal
  std::string reason{};     // for the peers
  friend bool operator==(const DrainRequest&, const DrainRequest&) = default;
};

enum class FlowProtocol : std::uint8_t { kTcp = 6, kUdp = 17, kSctp = 132, kIcmp = 1, kIcmpv6 = 58 };
inline constexpr std::array<std::pair<std::string_view, FlowProtocol>, 5> kFlowProtocols{
    {{"tcp", FlowProtocol::kTcp},
     {"udp", FlowProtocol::kUdp},
     {"sctp", FlowProtocol::kSctp},
     {"icmp", FlowProtocol::kIcmp},
     {"icmpv6", FlowProtocol::kIcmpv6}}};

// A flow to try against the network policies. Its addresses are of one family.
struct FlowQuestion {
  IpAddress from{};
  IpAddress to{};
  FlowProtocol protocol = FlowProtocol::kTcp;
  std::uint32_t port = 0;  // of the receiver, behind any mapping; 0 to 65535
  friend bool operator==(const FlowQuestion&, const FlowQuestion&) = default;
};

struct Request {
  Command command = Command::kVersion;
  RouteQuery routes{};       // of kRoutes
  EndpointName endpoint{};   // of kEndpointChanged
  PolicyTest policy_test{};  // of kPolicyTest
  LeaseRequest lease{};      // of kAdvertise, kWithdraw
  DrainRequest drain{};      // of kDrain
  FlowQuestion flow{};       // of kPolicySimulate
  friend bool operator==(const Request&, const Request&) = default;
};

// The word of a value in one of the tables above.
template <class Table, class T>
constexpr std::string_view word_for(const Table& table, T value) {
  for (const auto& [word, candidate] : table) {
    if (candidate == value) return word;
  }
  return "";
}
template <class T, std::size_t N>
constexpr std::optional<T> value_for(const std::array<std::pair<std::string_view, T>, N>& table,
                                     std::string_view word) {
  for (const auto& [candidate, value] : table) {
    if (candidate == word) return value;
  }
  return std::nullopt;
}

}  // namespace towpath::control
