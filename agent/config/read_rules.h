// Rules about routes in towpathd.yaml: `policies`, and the `import` and `export` lists, global and of single
// peers.
//
// A rule has one of three forms:
//   {prefix, min_length, max_length, action}     short: looks at the prefix, accepts unless told otherwise
//   {match: {...}, then: {...}}                  what it looks at, and what it does
//   {policy: NAME}                               the rules of a named policy, in place
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/config/yaml_reader.h"
#include "towpath/base/prefix.h"
#include "towpath/bgp/config.h"
#include "towpath/bgp/route_policy.h"

namespace towpath::agent {

class RuleReader {
 public:
  using Rules = std::vector<bgp::RouteRule>;

  // Where no import rule decides, a route inside one of the `pools` is accepted, unless it lies inside one of
  // the `blocks`: those are this host's own, and a peer's more specific route would take its traffic away. A
  // single address is accepted all the same: the peer has borrowed it.
  RuleReader(std::vector<Prefix> pools, std::vector<Prefix> blocks)
      : pools_(std::move(pools)), blocks_(std::move(blocks)) {}

  // The mapping `policies`: name -> list of rules.
  void read_policies(const Value& policies);
  // The global `import` list.
  void read_global_import(const std::vector<Value>& items) { global_import_ = read_import(items); }

  // `import` of a peer, or none.
  bgp::PolicyPtr import_policy(const std::optional<Value>& list);
  // "own", "all" or a list of rules.
  void read_export(const Value& value, bgp::PeerConfig& peer);
  // Inside the pools a peer may announce these blocks, and what lies in them, only.
  bgp::PolicyPtr authorisation(const std::vector<Prefix>& blocks);

 private:
  Rules read_import(const std::vector<Value>& items);
  Rules read_list(const std::vector<Value>& items, std::string_view direction);
  // Equal lists become one policy, which peers share.
  bgp::PolicyPtr share(const Rules& rules);

  std::vector<Prefix> pools_;
  std::vector<Prefix> blocks_;
  std::map<std::string, Rules, std::less<>> policies_;
  Rules global_import_;
  std::map<Rules, bgp::PolicyPtr> shared_;
};

}  // namespace towpath::agent
