// Addresses as a finite good. Each check uses a pool up and counts: what cannot be had again was lost.
#include <fmt/format.h>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

Checked<void> release(Trial& trial, std::vector<Attachment>& all, const Bend& bend = {}) {
  for (auto& a : all) TOWPATH_TRY_STATUS(trial.del(a, bend));
  return {};
}

Outcome same_count_again(Trial& trial, std::size_t wanted) {
  TOWPATH_TRY(const auto again, trial.fill());
  TOWPATH_TRY_STATUS(
      expect(again.size() == wanted, fmt::format("{} addresses before, {} now", wanted, again.size())));
  return fmt::format("{} addresses before and after", wanted);
}

Outcome del_releases(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  TOWPATH_TRY_STATUS(release(trial, all));
  return same_count_again(trial, all.size());
}

Outcome del_without_sandbox_releases(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  for (auto& a : all) a.sandbox->remove();
  TOWPATH_TRY_STATUS(release(trial, all, [](Request& r) {
    r.env["CNI_NETNS"] = "";
    r.config.erase("prevResult");
  }));
  return same_count_again(trial, all.size());
}

Outcome no_duplicates(Trial& trial) {
  TOWPATH_TRY(const auto all, trial.fill());
  std::set<std::string> seen;
  for (const auto& a : all) {
    for (const auto& address : addresses_of(a.result)) {
      TOWPATH_TRY_STATUS(expect(seen.insert(address).second, address + " was handed out twice"));
    }
  }
  return fmt::format("{} addresses, all different", seen.size());
}

Outcome exhaustion_is_an_error(Trial& trial) {
  TOWPATH_TRY(const auto all, trial.fill());
  const Reply& reply = trial.exhausted_reply;
  TOWPATH_TRY_STATUS(expect_refused(reply, "ADD with the pool used up"));
  TOWPATH_TRY_STATUS(expect(reply.code() >= 0, "no error object: " + reply.summary()));
  return reply.summary();
}

Outcome exhaustion_is_clean(Trial& trial) {
  TOWPATH_TRY(const auto all, trial.fill());
  TOWPATH_TRY(auto a, trial.attachment());
  const KernelView host = trial.host(), sandbox = trial.inside(a);
  const Reply reply = trial.call("ADD", a);
  TOWPATH_TRY_STATUS(expect_refused(reply, "ADD with the pool used up"));
  const std::string change = sandbox.change_to(trial.inside(a)) + trial.host_change_since(host);
  TOWPATH_TRY_STATUS(expect(change.empty(), "left: " + change));
  return reply.summary();
}

Outcome failed_add_keeps_nothing(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  TOWPATH_TRY_STATUS(release(trial, all));
  for (std::size_t i = 0; i < all.size() + 2; ++i) {
    TOWPATH_TRY(auto a, trial.attachment());
    TOWPATH_TRY_STATUS(trial.ip(a.netns, {"link", "add", "eth0", "type", "bridge"}));
    TOWPATH_TRY_STATUS(expect_refused(trial.run(trial.request("ADD", a)), "ADD over an existing interface"));
  }
  return same_count_again(trial, all.size());
}

Outcome failed_add_and_del_keep_nothing(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  TOWPATH_TRY_STATUS(release(trial, all));
  for (std::size_t i = 0; i < all.size() + 2; ++i) {
    TOWPATH_TRY(auto a, trial.attachment());
    Request r = trial.request("ADD", a);
    r.env["CNI_NETNS"] = trial.directory() + "/no-such-sandbox";
    TOWPATH_TRY_STATUS(expect_refused(trial.run(r), "ADD without a sandbox"));
    r.env["CNI_COMMAND"] = "DEL";
    TOWPATH_TRY_STATUS(expect(trial.run(r).ok(), "DEL after it failed"));
  }
  return same_count_again(trial, all.size());
}

// A second DEL comes late, when the address has a new owner. It must not be taken from there.
Outcome late_del_is_harmless(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  Attachment& old = all.front();
  TOWPATH_TRY_STATUS(trial.del(old));
  TOWPATH_TRY(auto owner, trial.added());
  TOWPATH_TRY_STATUS(trial.del(old));
  TOWPATH_TRY(auto late, trial.attachment());
  const Reply reply = trial.call("ADD", late);
  TOWPATH_TRY_STATUS(
      expect(!reply.ok(), "a repeated DEL released another container's address: " + reply.summary()));
  if (compare_versions(trial.version, "0.4.0") >= 0) TOWPATH_TRY_STATUS(trial.check(owner));
  return "the new owner keeps it";
}

bool is_dual(const json& result) {
  bool v4 = false, v6 = false;
  for (const auto& address : addresses_of(result)) (is_v6(address) ? v6 : v4) = true;
  return v4 && v6;
}

// One family may run out before the other; then half an answer is no answer.
Outcome dual_stack_is_all_or_nothing(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  if (!is_dual(all.front().result)) return skipped("the configuration is not dual stack");
  for (const auto& a : all) {
    TOWPATH_TRY_STATUS(expect(is_dual(a.result), "an ADD gave one family only: " + a.result.dump()));
  }
  TOWPATH_TRY_STATUS(trial.del(all.front()));
  TOWPATH_TRY(const auto last, trial.added());
  TOWPATH_TRY_STATUS(
      expect(is_dual(last.result), "after a DEL an ADD gave one family only: " + last.result.dump()));
  return fmt::format("{} ADDs with both, then a refusal, and both again after a DEL", all.size());
}

}  // namespace

std::vector<Requirement> pool_requirements() {
  const auto row = [](std::string_view id, std::string_view verb, std::string_view section, Level level,
                      unsigned kinds, std::string_view text, Outcome (*check)(Trial&)) {
    return Requirement{id, verb, section, level, kinds, "", Pool::kSmall, text, check};
  };
  return {
      row("POOL-01", "DEL", "2 DEL", Level::kMust, kMain | kIpam, "DEL releases the addresses", del_releases),
      row("POOL-02", "DEL", "2 DEL", Level::kMust, kMain | kIpam,
          "DEL releases the addresses also without sandbox and prevResult", del_without_sandbox_releases),
      row("POOL-03", "ADD", "3 Lifecycle & Ordering", Level::kMust, kMain | kIpam,
          "no address is handed out twice while both live", no_duplicates),
      row("POOL-04", "ADD", "2 Errors; 5 Error", Level::kMust, kMain | kIpam,
          "with the pool used up fails with an error object", exhaustion_is_an_error),
      row("POOL-05", "ADD", "2 ADD", Level::kShould, kMain | kIpam,
          "with the pool used up leaves sandbox and host untouched", exhaustion_is_clean),
      row("POOL-06", "ADD", "4 Delegated plugin execution", Level::kShould, kMain,
          "an ADD that fails in the sandbox keeps no address, even if no DEL comes",
          failed_add_keeps_nothing),
      row("POOL-07", "DEL", "3 Lifecycle & Ordering", Level::kMust, kMain,
          "a failed ADD and its DEL keep no address", failed_add_and_del_keep_nothing),
      row("POOL-08", "DEL", "3 Attachment Parameters", Level::kMust, kMain | kIpam,
          "a repeated DEL does not take an address from its next owner", late_del_is_harmless),
      row("POOL-09", "ADD", "2 ADD", Level::kShould, kMain | kIpam,
          "with two families gives both or fails, also when one of them is used up",
          dual_stack_is_all_or_nothing),
  };
}

}  // namespace towpath::conformance
