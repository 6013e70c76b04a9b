// A kernel routing table in memory, behind the agent's seam: keeps state, fails on demand, prints itself
// canonically.
//
// It has the real one's habits where they matter: routes of several owners side by side, an addition is
// refused when prefix and metric are taken by anybody, a replacement does not ask who owns what it replaces,
// a removal does.
#pragma once

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/dataplane/route_kernel.h"

namespace towpath::test {

// "blackhole", or "via 192.0.2.2 ifindex 3" for each next hop.
inline std::string format(const agent::Forwarding& forwarding) {
  if (forwarding.type == netlink::RouteType::kBlackhole) return "blackhole";
  std::string text;
  for (const auto& hop : forwarding.next_hops) {
    if (!text.empty()) text += ", ";
    text += "via " + (hop.via ? hop.via->to_string() : "link");
    if (hop.device) text += fmt::format(" ifindex {}", hop.device.value);
  }
  return text;
}

class FakeKernel final : public agent::RouteKernel {
 public:
  static constexpr std::uint8_t kOurs = netlink::kRouteProtocol;

  // One line for each route, in order: "10.1.0.0/16 metric 32 proto 84: via 192.0.2.2".
  std::string dump_text() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& [key, route] : routes_) {
      text += fmt::format("{} metric {} proto {}: {}\n", key.first.to_string(), key.second, route.protocol,
                          format(*route.forwarding));
    }
    return text;
  }
  // What was asked of it since the last call: "add 10.1.0.0/16", in order.
  std::vector<std::string> take_log() {
    const std::lock_guard lock(mutex_);
    return std::exchange(log_, {});
  }

  // Behind the agent's back.
  void set(const std::string& prefix, std::uint32_t metric, std::uint8_t protocol,
           agent::Forwarding forwarding) {
    const std::lock_guard lock(mutex_);
    routes_[{*Prefix::parse(prefix), metric}] = {
        protocol, std::make_shared<const agent::Forwarding>(std::move(forwarding))};
  }
  void remove(const std::string& prefix, std::uint32_t metric) {
    const std::lock_guard lock(mutex_);
    routes_.erase({*Prefix::parse(prefix), metric});
  }

  // Every write of this prefix fails, until heal().
  void refuse(const std::string& prefix, int sys_errno) {
    const std::lock_guard lock(mutex_);
    refused_[*Prefix::parse(prefix)] = sys_errno;
  }
  void heal() {
    const std::lock_guard lock(mutex_);
    refused_.clear();
    dump_errno_ = 0;
  }
  // The next batch is carried out, but its answers do not arrive.
  void lose_next_answers() {
    const std::lock_guard lock(mutex_);
    lose_next_ = true;
  }
  void refuse_dumps(int sys_errno) {
    const std::lock_guard lock(mutex_);
    dump_errno_ = sys_errno;
  }
  // As the kernel does for a next hop without a device: it says in dumps which one it found.
  void resolve_devices_to(IfIndex device) {
    const std::lock_guard lock(mutex_);
    device_ = device;
  }

  agent::WriteOutcome write(std::span<const agent::RouteWrite> writes) override {
    const std::lock_guard lock(mutex_);
    agent::WriteOutcome outcome;
    for (std::size_t i = 0; i < writes.size(); ++i) {
      if (const int error = apply(writes[i]); error != 0) {
        outcome.failures.push_back({i, Error::from_errno(error, "write " + writes[i].prefix.to_string())});
      }
    }
    if (std::exchange(lose_next_, false)) {
      outcome.failures.clear();
      outcome.lost = Error::from_errno(ENOBUFS, "receive");
    }
    return outcome;
  }

  Result<std::vector<agent::KernelRoute>> dump() override {
    const std::lock_guard lock(mutex_);
    log_.emplace_back("dump");
    if (dump_errno_ != 0) return fail_errno(dump_errno_, "dump routes");
    std::vector<agent::KernelRoute> routes;
    for (const auto& [key, route] : routes_) {
      if (route.protocol == kOurs) routes.push_back({key.first, key.second, resolved(route.forwarding)});
    }
    return routes;
  }

 private:
  struct Stored {
    std::uint8_t protocol = kOurs;
    agent::ForwardingPtr forwarding{};
  };
  using Key = std::pair<Prefix, std::uint32_t>;

  int apply(const agent::RouteWrite& write) {
    using enum agent::RouteWrite::Operation;
    const char* verb = write.operation == kAdd ? "add" : write.operation == kReplace ? "replace" : "delete";
    log_.push_back(fmt::format("{} {}", verb, write.prefix.to_string()));
    if (const auto it = refused_.find(write.prefix); it != refused_.end()) return it->second;
    const Key key{write.prefix, write.metric};
    const auto it = routes_.find(key);
    if (write.operation == kDelete) {
      if (it == routes_.end() || it->second.protocol != kOurs) return ESRCH;
      routes_.erase(it);
      return 0;
    }
    if (write.operation == kAdd && it != routes_.end()) return EEXIST;
    routes_[key] = {kOurs, write.forwarding};
    return 0;
  }
  agent::ForwardingPtr resolved(const agent::ForwardingPtr& forwarding) const {
    if (!device_) return forwarding;
    agent::Forwarding copy = *forwarding;
    for (auto& hop : copy.next_hops) {
      if (!hop.device) hop.device = device_;
    }
    return std::make_shared<const agent::Forwarding>(std::move(copy));
  }

  mutable std::mutex mutex_;
  std::map<Key, Stored> routes_;
  std::map<Prefix, int> refused_;
  std::vector<std::string> log_;
  bool lose_next_ = false;
  int dump_errno_ = 0;
  IfIndex device_;
};

}  // namespace towpath::test
