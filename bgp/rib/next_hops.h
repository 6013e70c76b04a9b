// The next hops of all routes, each stored once, with what the owner of the RIB says of it.
//
// Model
//   Attribute sets refer to a next hop by number and count as its users. A next hop that nothing was said of
//   counts as reachable. Each news gets a number: who remembers the last one that he has seen can tell what
//   is newer (RFC 4271 section 9.1.2.1: routes are to be looked at again when the way to their next hop
//   changes).
//
// Threading: none.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "bgp/rib/pool.h"
#include "bgp/rib/route.h"

namespace towpath::bgp {

class NextHops {
 public:
  // Its number, with one reference taken.
  std::uint32_t ref(const IpAddress& address);
  void unref(std::uint32_t hop);
  // A route that came from a peer has it.
  void use(std::uint32_t hop);

  const NextHopState& state(std::uint32_t hop) const { return hops_[hop].state; }
  // The number of the last news of it, and of all.
  std::uint32_t changed(std::uint32_t hop) const { return hops_[hop].changed; }
  std::uint32_t last_change() const { return last_change_; }

  bool knows(const IpAddress& address) const;
  // True where it is news to routes. One that nothing refers to yet is kept until something did.
  bool set(const IpAddress& address, const NextHopState& state);

  // Those in use of which nothing is known, each once.
  std::vector<IpAddress> take_untold();
  std::vector<NextHopRow> in_use() const;

 private:
  struct Hop {
    IpAddress address;
    NextHopState state;
    std::uint32_t references = 0;
    std::uint32_t changed = 0;
    bool told = false;
    bool used = false;
  };
  std::uint32_t find(const IpAddress& address) const;
  std::uint32_t add(const IpAddress& address);

  std::vector<Hop> hops_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<IpAddress, std::uint32_t> numbers_;
  std::vector<std::uint32_t> untold_;
  std::uint32_t last_change_ = 0;
  // Neighbouring routes mostly have the same.
  mutable std::uint32_t last_ = kNoIndex;
};

}  // namespace towpath::bgp
