// What two ASes are to each other (RFC 9234): who pays whom, so that routes do not leak.
#pragma once

#include <cstdint>
#include <string_view>

namespace towpath::bgp {

// RFC 9234 section 4.1, of the side that says so: our own role is Customer where the peer is our provider.
enum class Role : std::uint8_t {
  kProvider = 0,
  kRouteServer = 1,
  kRouteServerClient = 2,
  kCustomer = 3,
  kPeer = 4
};

// RFC 9234 section 4.2, table 2: the only role that the other side may have.
constexpr Role counterpart(Role role) {
  switch (role) {
    case Role::kProvider: return Role::kCustomer;
    case Role::kCustomer: return Role::kProvider;
    case Role::kRouteServer: return Role::kRouteServerClient;
    case Role::kRouteServerClient: return Role::kRouteServer;
    case Role::kPeer: return Role::kPeer;
  }
  return role;
}

// RFC 9234 section 5, from our side: whether the peer passes on to us only what is for its customers, as
// providers, peers and route servers do. What it sends goes to our customers alone.
constexpr bool is_served_by_peer(Role role) {
  return role == Role::kCustomer || role == Role::kPeer || role == Role::kRouteServerClient;
}
// Whether the peer must pass on what we send to its customers alone.
constexpr bool serves_peer(Role role) {
  return role == Role::kProvider || role == Role::kPeer || role == Role::kRouteServer;
}

constexpr std::string_view format(Role role) {
  switch (role) {
    case Role::kProvider: return "provider";
    case Role::kRouteServer: return "rs";
    case Role::kRouteServerClient: return "rs-client";
    case Role::kCustomer: return "customer";
    case Role::kPeer: return "peer";
  }
  return "?";
}

}  // namespace towpath::bgp
