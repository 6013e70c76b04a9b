// What the kernel shows of one network namespace, through `ip -j` and `nft`, so that nothing of the plugin
// has to be believed.
//
// A view is also a set of canonical lines. Two views are equal when their lines are: what the kernel decides
// by itself and in its own time (link-local IPv6 addresses, the local table, carrier, a bridge's own MAC) is
// left out of the lines.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace towpath::conformance {

struct Route {
  std::string destination;  // "0.0.0.0/0", "10.1.0.0/16", "fd00::1/128"
  std::string gateway;      // empty: on the link
  std::string device;
  bool is_v6 = false;
};

class KernelView {
 public:
  // Reads the namespace at `netns`, or this process's own. Packet filter rules are read for the own one only.
  static KernelView read(const std::string& netns = {});

  const std::set<std::string>& lines() const { return lines_; }
  // The `ip -j -d address` object of a link, or null.
  const nlohmann::json* link(std::string_view name) const;
  std::vector<std::string> link_names() const;  // without lo
  bool is_up(std::string_view name) const;
  std::string mac(std::string_view name) const;
  // Global addresses of a link, "10.0.0.2/24"; `all` gives the link-local ones too.
  std::vector<std::string> addresses(std::string_view name, bool all = false) const;
  const std::vector<Route>& routes() const {
    return routes_;
  }  // main and other tables; without local, link-local, multicast
  const std::set<std::string>& rules() const { return rules_; }  // packet filter
  // Empty when `after` has the same lines; else "+ new line; - missing line".
  std::string change_to(const KernelView& after) const;

 private:
  void add_links();
  void add_routes(const nlohmann::json& routes, bool is_v6);
  nlohmann::json links_;
  std::vector<Route> routes_;
  std::set<std::string> rules_;
  std::set<std::string> lines_;
};

// Sequences that are sorted: "+ only in b; - only in a".
std::string difference(const std::set<std::string>& a, const std::set<std::string>& b);

// Readers of JSON that somebody else wrote: an absent key or a wrong type gives the empty value.
std::string text_at(const nlohmann::json& object, std::string_view key);
const nlohmann::json& list_at(const nlohmann::json& object, std::string_view key);
const nlohmann::json& object_at(const nlohmann::json& object, std::string_view key);

}  // namespace towpath::conformance
