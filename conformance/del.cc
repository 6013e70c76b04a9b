// DEL: section 2 "DEL". A DEL that fails blocks the runtime for good, so most of this is about what it must
// forgive.
#include <fmt/format.h>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

Outcome removes_interface(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(trial.del(a));
  TOWPATH_TRY_STATUS(expect(trial.inside(a).link("eth0") == nullptr, "eth0 is still in the sandbox"));
  return "eth0 is gone";
}

Outcome says_nothing(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(expect_success_without_output(trial.call("DEL", a), "DEL"));
  return "no output";
}

// What a plugin makes once for all attachments of a host may stay: so an earlier attachment comes and goes
// first.
Checked<KernelView> host_after_a_first_one(Trial& trial) {
  TOWPATH_TRY(auto first, trial.added());
  TOWPATH_TRY_STATUS(trial.del(first));
  return trial.host();
}

// ADD, something happens, DEL: the host must look as it did before.
Outcome restores_host(Trial& trial, const std::function<Checked<void>(Attachment&)>& between,
                      const Bend& bend = {}) {
  TOWPATH_TRY(const KernelView before, host_after_a_first_one(trial));
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(between(a));
  TOWPATH_TRY_STATUS(trial.del(a, bend));
  const std::string change = trial.host_change_since(before);
  TOWPATH_TRY_STATUS(expect(change.empty(), "left on the host: " + change));
  return "host as before";
}

Checked<void> nothing(Attachment&) {
  return {};
}
Checked<void> end_sandbox(Attachment& a) {
  a.sandbox->remove();
  return {};
}

Outcome plain(Trial& t) {
  return restores_host(t, nothing);
}
Outcome sandbox_gone(Trial& t) {
  return restores_host(t, end_sandbox);
}
Outcome netns_empty(Trial& t) {
  return restores_host(t, end_sandbox, [](Request& r) { r.env["CNI_NETNS"] = ""; });
}
Outcome netns_absent(Trial& t) {
  return restores_host(t, end_sandbox, [](Request& r) { r.env.erase("CNI_NETNS"); });
}
Outcome netns_absent_but_alive(Trial& t) {
  // The plugin cannot reach into the sandbox, and must still succeed; the runtime then ends the sandbox.
  TOWPATH_TRY(const KernelView before, host_after_a_first_one(t));
  TOWPATH_TRY(auto a, t.added());
  TOWPATH_TRY_STATUS(t.del(a, [](Request& r) { r.env.erase("CNI_NETNS"); }));
  a.sandbox->remove();
  const std::string change = t.host_change_since(before);
  TOWPATH_TRY_STATUS(expect(change.empty(), "left on the host: " + change));
  return "host as before";
}
Outcome no_previous_result(Trial& t) {
  return restores_host(t, nothing, [](Request& r) { r.config.erase("prevResult"); });
}
Outcome no_previous_result_no_netns(Trial& t) {
  return restores_host(t, end_sandbox, [](Request& r) {
    r.config.erase("prevResult");
    r.env["CNI_NETNS"] = "";
  });
}
Outcome interface_gone(Trial& t) {
  return restores_host(t, [&](Attachment& a) { return t.ip(a.netns, {"link", "delete", "eth0"}); });
}

Outcome rules_go_too(Trial& trial) {
  TOWPATH_TRY(const KernelView before, host_after_a_first_one(trial));
  TOWPATH_TRY(auto a, trial.added());
  if (trial.host().rules() == before.rules()) return skipped("ADD makes no packet filter rules");
  a.sandbox->remove();
  TOWPATH_TRY_STATUS(trial.del(a, [](Request& r) { r.env["CNI_NETNS"] = ""; }));
  const std::string change = difference(before.rules(), trial.host().rules());
  TOWPATH_TRY_STATUS(expect(change.empty(), "left: " + change));
  return "none left";
}

Outcome twice(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  for (const char* which : {"first", "second", "third"}) {
    TOWPATH_TRY_STATUS(expect_success_without_output(trial.call("DEL", a), fmt::format("the {} DEL", which)));
  }
  TOWPATH_TRY_STATUS(expect_success_without_output(trial.call("DEL", a,
                                                              [](Request& r) {
                                                                r.env["CNI_NETNS"] = "";
                                                                r.config.erase("prevResult");
                                                              }),
                                                   "a DEL without namespace and result after them"));
  return "four times";
}

Outcome never_added(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  const KernelView before = trial.host();
  TOWPATH_TRY_STATUS(
      expect_success_without_output(trial.call("DEL", a), "DEL of a container that never was"));
  const std::string change = before.change_to(trial.host());
  TOWPATH_TRY_STATUS(expect(change.empty(), change));
  return "success, nothing changed";
}

Outcome never_added_no_netns(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  TOWPATH_TRY_STATUS(expect_success_without_output(
      trial.call("DEL", a, [](Request& r) { r.env.erase("CNI_NETNS"); }), "DEL"));
  return "success";
}

Outcome after_failed_add(Trial& trial) {
  TOWPATH_TRY(const KernelView before, host_after_a_first_one(trial));
  TOWPATH_TRY(auto a, trial.attachment());
  Request r = trial.request("ADD", a);
  r.env["CNI_NETNS"] = trial.directory() + "/no-such-sandbox";
  TOWPATH_TRY_STATUS(expect_refused(trial.run(r), "ADD without a sandbox"));
  r.env["CNI_COMMAND"] = "DEL";
  TOWPATH_TRY_STATUS(expect_success_without_output(trial.run(r), "DEL after a failed ADD"));
  const std::string change = trial.host_change_since(before);
  TOWPATH_TRY_STATUS(expect(change.empty(), "left on the host: " + change));
  return "success";
}

Outcome spares_others(Trial& trial) {
  TOWPATH_TRY(auto before_it, trial.added());
  const KernelView host = trial.host(), sandbox = trial.inside(before_it);
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(trial.del(a));
  const std::string change = sandbox.change_to(trial.inside(before_it)) + trial.host_change_since(host);
  TOWPATH_TRY_STATUS(expect(change.empty(), "another attachment was touched: " + change));
  if (compare_versions(trial.version, "0.4.0") >= 0) TOWPATH_TRY_STATUS(trial.check(before_it));
  return "another container's attachment stands";
}

Outcome spares_second_interface(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  Attachment b = trial.another_interface(a, "eth1");
  if (!trial.add(b)) return skipped("a container cannot have two interfaces (ADD-06)");
  TOWPATH_TRY_STATUS(trial.del(a));
  if (trial.subject().kind == kMain) {
    TOWPATH_TRY_STATUS(
        expect(trial.inside(b).link("eth1") != nullptr, "eth1 of the same container is gone too"));
  }
  if (compare_versions(trial.version, "0.4.0") >= 0) TOWPATH_TRY_STATUS(trial.check(b));
  return "eth1 stands after DEL of eth0";
}

Outcome add_again(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(trial.del(a));
  a.result = nullptr;
  TOWPATH_TRY_STATUS(trial.add(a));
  return "ADD, DEL, ADD in one sandbox";
}

}  // namespace

std::vector<Requirement> del_requirements() {
  return {
      {"DEL-01", "DEL", "2 DEL", Level::kMust, kMain, "", Pool::kAny,
       "removes the interface from the sandbox", removes_interface},
      {"DEL-02", "DEL", "2 DEL", Level::kMust, kAnyKind, "", Pool::kAny,
       "success is exit code 0 without output", says_nothing},
      {"DEL-03", "DEL", "2 DEL", Level::kMust, kMain, "", Pool::kAny,
       "leaves the host as before the ADD: links, addresses, routes, neighbours, rules", plain},
      {"DEL-04", "DEL", "2 DEL", Level::kMust, kAnyKind, "", Pool::kAny, "is a success when repeated", twice},
      {"DEL-05", "DEL", "2 DEL", Level::kMust, kAnyKind, "", Pool::kAny,
       "is a success when the sandbox is gone, and the host is as before", sandbox_gone},
      {"DEL-06", "DEL", "2 DEL", Level::kMust, kAnyKind, "", Pool::kAny,
       "is a success when CNI_NETNS is empty, and the host is as before", netns_empty},
      {"DEL-07", "DEL", "2 DEL", Level::kMust, kAnyKind, "", Pool::kAny,
       "is a success without CNI_NETNS, and the host is as before", netns_absent},
      {"DEL-08", "DEL", "2 DEL", Level::kMust, kMain | kMeta, "", Pool::kAny,
       "is a success without CNI_NETNS while the sandbox still lives", netns_absent_but_alive},
      {"DEL-09", "DEL", "2 DEL", Level::kMust, kAnyKind, "", Pool::kAny,
       "is a success for a container that was never added, and changes nothing", never_added},
      {"DEL-10", "DEL", "2 DEL", Level::kMust, kAnyKind, "", Pool::kAny,
       "is a success for a container that was never added, without CNI_NETNS", never_added_no_netns},
      {"DEL-11", "DEL", "3 Deleting an attachment", Level::kMust, kMain | kIpam, "", Pool::kAny,
       "without prevResult cleans up just the same", no_previous_result},
      {"DEL-12", "DEL", "2 DEL", Level::kMust, kMain | kIpam, "", Pool::kAny,
       "with neither sandbox nor prevResult cleans up just the same", no_previous_result_no_netns},
      {"DEL-13", "DEL", "2 DEL", Level::kMust, kMain, "", Pool::kAny,
       "is a success when the interface is gone, and the host is as before", interface_gone},
      {"DEL-14", "DEL", "2 DEL", Level::kShould, kMain | kMeta, "", Pool::kAny,
       "removes packet filter rules even when the sandbox is gone", rules_go_too},
      {"DEL-15", "DEL", "3 Lifecycle & Ordering", Level::kMust, kMain, "", Pool::kAny,
       "is a success after an ADD that failed", after_failed_add},
      {"DEL-16", "DEL", "3 Attachment Parameters", Level::kMust, kMain | kIpam, "", Pool::kAny,
       "leaves other containers' attachments alone", spares_others},
      {"DEL-17", "DEL", "3 Attachment Parameters", Level::kMust, kMain | kIpam, "", Pool::kAny,
       "leaves other interfaces of the same container alone", spares_second_interface},
      {"DEL-18", "DEL", "2 ADD; 2 DEL", Level::kMust, kMain | kIpam, "", Pool::kAny,
       "makes the way free for an ADD of the same container and interface", add_again},
  };
}

}  // namespace towpath::conformance
