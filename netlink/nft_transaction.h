// One atomic change to nf_tables: all of it takes effect in one moment, or none.
//
// Model
//   Each call appends one request, commit() sends them between the batch markers of nfnetlink. The table is
//   inet towpath, or another one of ours: nothing outside it is ever named, and its name is the mark by which
//   a restarted agent knows it. Order is the caller's: what is referred to comes before what refers to it.
//
// Ownership: refers to a NETLINK_NETFILTER socket. Failure: the refused request in words, with the kernel's
// text; the kernel has then changed nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "netlink/port_elements.h"
#include "towpath/base/error.h"
#include "towpath/netlink/netlink_socket.h"

struct nftnl_rule;

namespace towpath::netlink {

class NftTransaction {
 public:
  // A base chain: where in the packet's way it hooks in. Policy accept.
  struct Hook {
    std::uint32_t number;  // NF_INET_*
    std::int32_t priority;
  };

  // The types of the fields, for who lists the set, and their length in bytes.
  struct SetType {
    std::uint32_t types;
    std::uint32_t size;
  };

  // `table` outlives it.
  explicit NftTransaction(NetlinkSocket& socket, const char* table = kNftTable);

  // Makes it unless it is there.
  void add_table();
  void add_filter_chain(const char* chain, Hook hook) { add_base_chain(chain, "filter", hook); }
  void add_nat_chain(const char* chain, Hook hook) { add_base_chain(chain, "nat", hook); }
  // One that others jump to.
  void add_chain(const char* chain);
  void delete_chain(const char* chain);
  // Removes the rules, keeps the chain.
  void flush_chain(const char* chain);
  void delete_table();
  // `fill` adds the expressions.
  void add_rule(const char* chain, const char* comment, const std::function<void(nftnl_rule&)>& fill);

  // Of single values, in a hash table.
  void add_set(const char* set, SetType key);
  void add_map(const char* map, SetType key, SetType data);
  // Whose elements vanish so long after they came.
  void add_fleeting_set(const char* set, SetType key, std::chrono::milliseconds lifetime);
  // The map yields where to go on.
  void add_verdict_map(const char* map, SetType key);
  // Of intervals in each field: `fields` are their lengths in bytes, at least two (the kernel wants that). A
  // field begins at the next four bytes.
  void add_interval_set(const char* set, SetType key, std::span<const std::uint8_t> fields);
  void delete_set(const char* set);
  void add_elements(const char* set, std::span<const SetElement> elements);
  void delete_elements(const char* set, std::span<const SetElement> elements);

  Status commit();

 private:
  template <class Build>
  void append(std::string description, std::uint16_t type, std::uint16_t flags, Build&& build);
  void append_marker(std::uint16_t type);
  void add_base_chain(const char* chain, const char* type, Hook hook);
  void append_elements(const char* verb, const char* set, std::uint16_t type, std::uint16_t flags,
                       std::span<const SetElement> elements);

  void add_set_of(const char* set, SetType key, SetType data, std::uint32_t flags,
                  std::span<const std::uint8_t> fields, std::chrono::milliseconds lifetime = {});

  NetlinkSocket& socket_;
  const char* table_;
  std::vector<std::byte> buffer_;
  std::vector<std::string> descriptions_;  // of each request; the first is the opening marker
  std::uint32_t first_sequence_ = 0;
  std::uint32_t sets_ = 0;
};

}  // namespace towpath::netlink
