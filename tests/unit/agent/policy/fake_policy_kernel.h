// Keeps what was written, refuses when told to.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/policy/policy_kernel.h"

namespace towpath::agent {

struct FakePolicyTable {
  std::mutex mutex;
  bool exists = false;
  std::set<std::string> interfaces;
  std::set<std::string> chains;
  int replaced = 0, changed = 0, removed = 0;
  std::optional<Error> refuse_change;
  std::optional<Error> refuse_all;
  std::vector<netlink::TrackedFlow> flows;
  int looked_at_flows = 0;
};

class FakePolicyKernel final : public PolicyKernel {
 public:
  explicit FakePolicyKernel(FakePolicyTable& table) : table_(table) {}

  Status replace(const netlink::PolicyChange& all) override {
    const std::lock_guard lock(table_.mutex);
    if (table_.refuse_all) return std::unexpected(*table_.refuse_all);
    table_.exists = true;
    table_.interfaces.clear();
    table_.chains.clear();
    ++table_.replaced;
    apply(all);
    return {};
  }
  Status change(const netlink::PolicyChange& change) override {
    const std::lock_guard lock(table_.mutex);
    if (table_.refuse_all) return std::unexpected(*table_.refuse_all);
    if (table_.refuse_change) return std::unexpected(*table_.refuse_change);
    if (!table_.exists) return fail(ErrorKind::kNotFound, "no such table");
    if (!change.empty()) ++table_.changed;
    apply(change);
    return {};
  }
  Status remove() override {
    const std::lock_guard lock(table_.mutex);
    if (table_.refuse_all) return std::unexpected(*table_.refuse_all);
    table_.exists = false;
    ++table_.removed;
    return {};
  }
  Result<std::vector<netlink::TrackedFlow>> flows() override {
    const std::lock_guard lock(table_.mutex);
    ++table_.looked_at_flows;
    return table_.flows;
  }
  Result<std::size_t> cut(const std::vector<netlink::TrackedFlow>& flows) override {
    const std::lock_guard lock(table_.mutex);
    for (const netlink::TrackedFlow& flow : flows)
      std::erase_if(table_.flows, [&](const auto& known) { return known.id == flow.id; });
    return flows.size();
  }

 private:
  void apply(const netlink::PolicyChange& change) {
    for (const auto& one : change.remove_interfaces) table_.interfaces.erase(one.name);
    for (const auto& one : change.add_interfaces) table_.interfaces.insert(one.name);
    for (const auto& one : change.remove_chains) table_.chains.erase(one);
    for (const auto& one : change.add_chains) table_.chains.insert(one);
  }
  FakePolicyTable& table_;
};

}  // namespace towpath::agent
