// Many kernel requests in one system call.
//
// Model
//   Each call appends one request and returns its index; nothing happens before execute(). The kernel runs
//   the requests in order and goes on after one that it refuses: put together only what may run although an
//   earlier part failed, or what then fails as well (an address on an interface that was not made). Only the
//   last request asks for an acknowledgement; refusals are sent in any case and are matched by sequence
//   number.
//
// Failure
//   execute() names each refused request: operation and object in words, the kernel's own text, errno. After
//   execute() the batch is empty and can be used again.
//
// Ownership: refers to a socket, which must outlive it, and which nothing else may use between the first
// request and execute(). One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/ids.h"
#include "towpath/base/mac_address.h"
#include "towpath/base/prefix.h"
#include "towpath/netlink/interface_state.h"
#include "towpath/netlink/link.h"
#include "towpath/netlink/netlink_socket.h"
#include "towpath/netlink/next_hop_object.h"
#include "towpath/netlink/route.h"
#include "towpath/netlink/shaping.h"

namespace towpath::netlink {

class Batch {
 public:
  struct Failure {
    std::size_t index;
    Error error;
  };

  explicit Batch(NetlinkSocket& socket) : socket_(socket) {}

  std::size_t create_veth(const VethSpec& spec);
  // Asks for an interface; the answer comes to the reply callback of execute().
  std::size_t get_link(std::string_view name);
  std::size_t get_link(IfIndex device);
  // The interface at the other end of a veth pair (Link::peer, Link::peer_namespace); refused where its
  // namespace is at its end.
  std::size_t get_link(IfIndex peer, std::int32_t peer_namespace);
  std::size_t set_link(IfIndex device, const LinkSettings& settings);
  std::size_t delete_link(IfIndex device);

  // An ifb, down: packets that are redirected to it leave it shaped and go on where they came from.
  std::size_t create_ifb(std::string_view name);
  // Shapes what leaves the interface, in the place of whatever discipline is there.
  std::size_t set_token_bucket(IfIndex device, const TokenBucket& bucket);
  // Sends every packet that comes in by `device` through `target`. Two requests, of which the second is
  // returned; the first fails with kExists where packets that come in are looked at already.
  std::size_t redirect_incoming(IfIndex device, IfIndex target);
  std::size_t get_root_discipline(IfIndex device);

  // IPv6 without duplicate address detection: the address is ours by allocation, and can be sent from at
  // once. (It receives when a worker of the kernel has made its local route, well under a millisecond later.)
  // No route to the prefix is made.
  std::size_t add_address(IfIndex device, const InterfaceAddress& address);
  std::size_t delete_address(IfIndex device, const InterfaceAddress& address);

  // Permanent: never asked for on the wire, never aged. Replaces what is there.
  std::size_t set_neighbour(IfIndex device, const IpAddress& address, const MacAddress& mac);
  std::size_t delete_neighbour(IfIndex device, const IpAddress& address);
  std::size_t get_neighbour(IfIndex device, const IpAddress& address);

  // Asks whether this host forwards packets of the family; is_forwarding() reads the answer. kUnsupported:
  // the kernel does not know the family.
  std::size_t get_forwarding(AddressFamily family);
  static bool is_forwarding(const MessageView& reply);

  // Asks which entry of its tables the kernel would use for this destination.
  std::size_t get_route(const IpAddress& destination);
  // kExists when table, destination and metric are taken, whoever owns that route.
  std::size_t add_route(const Route& route);
  // Makes the route, or puts it in the place of the one with the same key without a gap. The kernel does not
  // look at the owner: only for keys that are known to be ours, or free.
  std::size_t replace_route(const Route& route);
  // The route with this key and protocol; next hops or a number of an object in `route` narrow it down
  // further, when there are any.
  std::size_t delete_route(const Route& route);

  // kExists when the number is taken, whoever owns that object.
  std::size_t add_next_hop(const NextHopObject& object);
  // Makes the object, or puts it in the place of the one with this number; routes that refer to it follow.
  // The kernel does not look at the owner.
  std::size_t replace_next_hop(const NextHopObject& object);
  // With the routes that refer to it.
  std::size_t delete_next_hop(std::uint32_t id);

  std::size_t size() const { return starts_.size(); }
  std::size_t bytes() const { return buffer_.size(); }
  bool empty() const { return starts_.empty(); }
  void clear();

  // Runs all; the first failure, if any.
  Status execute();
  // Runs all; every failure in order of index. `on_reply` sees what get_*() asked for. An error in the return
  // value itself means that the outcome of the requests not listed is unknown (answers were lost).
  using Reply = std::function<void(const MessageView&)>;
  Result<std::vector<Failure>> execute_all(const Reply& on_reply = nullptr);

 private:
  std::size_t open_request(std::uint16_t type, std::uint16_t flags);
  void close_request();
  std::size_t write_next_hop(std::uint16_t flags, const NextHopObject& object);
  std::size_t write_route(std::uint16_t type, std::uint16_t flags, const Route& route);
  std::size_t write_address(std::uint16_t type, std::uint16_t flags, IfIndex device,
                            const InterfaceAddress& address);
  std::size_t write_neighbour(std::uint16_t type, std::uint16_t flags, IfIndex device,
                              const IpAddress& address, const MacAddress* mac);
  void ask_for_acknowledgement();
  Status collect(std::vector<Failure>& failures, const Reply& on_reply);
  void discard_answers();

  NetlinkSocket& socket_;
  std::vector<std::byte> buffer_;
  std::vector<std::uint32_t> starts_;  // of each request in buffer_
  std::uint32_t first_sequence_ = 0;   // requests are numbered without gaps from here
};

}  // namespace towpath::netlink
