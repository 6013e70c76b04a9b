// ADD: section 2 "ADD".
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdio>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

Outcome makes_interface(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView inside = trial.inside(a);
  TOWPATH_TRY_STATUS(expect(inside.link("eth0") != nullptr,
                            fmt::format("the sandbox has only: {}", fmt::join(inside.link_names(), " "))));
  TOWPATH_TRY_STATUS(expect(inside.is_up("eth0"), "eth0 is there but not up"));
  return "eth0 is there and up";
}

Outcome hands_out_address(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const auto addresses = addresses_of(a.result);
  TOWPATH_TRY_STATUS(expect(!addresses.empty(), "no address in " + a.result.dump()));
  return fmt::format("{}", fmt::join(addresses, " "));
}

Outcome refuses_existing_interface(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"link", "add", "eth0", "type", "bridge"}));
  Request r = trial.request("ADD", a);
  const Reply reply = trial.run(r);
  TOWPATH_TRY_STATUS(expect_refused(reply, "ADD over an interface of the same name"));
  return reply.summary();
}

Outcome spares_existing_interface(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"link", "add", "eth0", "type", "bridge"}));
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"address", "add", "198.51.100.7/24", "dev", "eth0"}));
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"link", "set", "eth0", "up"}));
  const KernelView before = trial.inside(a);
  (void)trial.run(trial.request("ADD", a));
  const std::string change = before.change_to(trial.inside(a));
  TOWPATH_TRY_STATUS(expect(change.empty(), "the interface that was there: " + change));
  return "unchanged, with its address";
}

Outcome second_add_spares_first(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView sandbox = trial.inside(a), host = trial.host();
  Request r = trial.request("ADD", a);
  const Reply reply = trial.run(r);
  TOWPATH_TRY_STATUS(expect_refused(reply, "a second ADD of the same container and interface"));
  const std::string change = sandbox.change_to(trial.inside(a)) + trial.host_change_since(host);
  TOWPATH_TRY_STATUS(expect(change.empty(), "the first attachment was touched: " + change));
  if (compare_versions(trial.version, "0.4.0") >= 0) {
    const Reply check = trial.call("CHECK", a);
    TOWPATH_TRY_STATUS(expect(check.ok(), "CHECK of the first attachment now fails: " + check.summary()));
  }
  return reply.summary();
}

Outcome several_interfaces(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  Attachment b = trial.another_interface(a, "eth1");
  TOWPATH_TRY_STATUS(trial.add(b));
  for (const auto& first : addresses_of(a.result)) {
    for (const auto& second : addresses_of(b.result)) {
      TOWPATH_TRY_STATUS(expect(first != second, "both interfaces got " + first));
    }
  }
  if (trial.subject().kind == kMain) {
    const KernelView inside = trial.inside(a);
    TOWPATH_TRY_STATUS(
        expect(inside.link("eth0") && inside.link("eth1"), "not both of eth0 and eth1 are there"));
  }
  return "eth0 and eth1";
}

// A sandbox path that is none.
Outcome refuses_sandbox(Trial& trial, const std::string& path) {
  TOWPATH_TRY(auto a, trial.attachment());
  Request r = trial.request("ADD", a);
  r.env["CNI_NETNS"] = path;
  const Reply reply = trial.run(r);
  TOWPATH_TRY_STATUS(expect_refused(reply, "CNI_NETNS=" + path));
  return reply.summary();
}

std::string no_sandbox(const Trial& trial) {
  return trial.directory() + "/no-such-sandbox";
}

std::string plain_file(const Trial& trial) {
  std::string path = trial.directory() + "/plain-file";
  if (std::FILE* file = std::fopen(path.c_str(), "w")) std::fclose(file);
  return path;
}

Outcome sandbox_missing(Trial& trial) {
  return refuses_sandbox(trial, no_sandbox(trial));
}
Outcome sandbox_is_a_file(Trial& trial) {
  return refuses_sandbox(trial, plain_file(trial));
}

Outcome refusal_spares_host(Trial& trial) {
  TOWPATH_TRY(auto first, trial.added());  // what the plugin makes once for all on a host is there now
  TOWPATH_TRY(auto a, trial.attachment());
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"link", "add", "eth0", "type", "bridge"}));
  const KernelView host = trial.host();
  for (const auto& netns : {a.netns, no_sandbox(trial), plain_file(trial)}) {
    Request r = trial.request("ADD", a);
    r.env["CNI_NETNS"] = netns;
    TOWPATH_TRY_STATUS(expect_refused(trial.run(r), "CNI_NETNS=" + netns));
    const std::string change = trial.host_change_since(host);
    TOWPATH_TRY_STATUS(
        expect(change.empty(), fmt::format("CNI_NETNS={}, left on the host: {}", netns, change)));
  }
  return "interface exists, no sandbox, no namespace: host as before";
}

Outcome works_after_refusal(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  Request r = trial.request("ADD", a);
  r.env["CNI_NETNS"] = trial.directory() + "/no-such-sandbox";
  (void)trial.run(r);
  TOWPATH_TRY_STATUS(trial.del(a, [&](Request& d) { d.env["CNI_NETNS"] = r.env["CNI_NETNS"]; }));
  TOWPATH_TRY_STATUS(trial.add(a));
  return "failed ADD, DEL, ADD";
}

Outcome accepts_with(Trial& trial, const char* key, const json& value) {
  TOWPATH_TRY(auto a, trial.attachment());
  const Bend bend = [&](Request& r) { r.config[key] = value; };
  const Reply reply = trial.call("ADD", a, bend);
  TOWPATH_TRY_STATUS(expect(reply.ok(), fmt::format("ADD with {}: {}", key, reply.summary())));
  TOWPATH_TRY_STATUS(trial.del(a, bend));
  return "accepted";
}

Outcome empty_runtime_config(Trial& trial) {
  return accepts_with(trial, "runtimeConfig", json::object());
}
Outcome foreign_reserved_keys(Trial& trial) {
  return accepts_with(trial, "cni.dev/some-later-key", json{{"a", 1}});
}
Outcome foreign_args(Trial& trial) {
  return accepts_with(trial, "args",
                      json{{"cni", {{"labels", json::array({{{"key", "app"}, {"value", "web"}}})}}},
                           {"org.example", {{"x", 1}}}});
}

// The machine lost a container without telling: nobody called DEL, and the same id comes with a new sandbox.
Outcome takes_over_stale(Trial& trial) {
  TOWPATH_TRY(auto lost, trial.added());
  lost.sandbox->remove();
  TOWPATH_TRY(auto a, trial.attachment());
  a.container = lost.container;
  TOWPATH_TRY_STATUS(trial.add(a));
  TOWPATH_TRY_STATUS(trial.del(a));
  return "ADD works";
}

Outcome one_document(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  const Reply reply = trial.call("ADD", a);
  TOWPATH_TRY_STATUS(expect(reply.ok() && reply.document.is_object(), reply.summary()));
  return fmt::format("{} bytes", reply.out.size());
}

}  // namespace

std::vector<Requirement> add_requirements() {
  return {
      {"ADD-01", "ADD", "2 ADD; 5 ADD Success", Level::kMust, kAnyKind, "", Pool::kAny,
       "success is exit code 0 and exactly one JSON object on stdout", one_document},
      {"ADD-02", "ADD", "2 ADD", Level::kMust, kMain, "", Pool::kAny,
       "makes the interface CNI_IFNAME in CNI_NETNS, and sets it up", makes_interface},
      {"ADD-03", "ADD", "2 ADD", Level::kMust, kMain, "", Pool::kAny,
       "fails when an interface of that name is there", refuses_existing_interface},
      {"ADD-04", "ADD", "2 ADD", Level::kMust, kMain, "", Pool::kAny,
       "leaves an interface that was there, and its address, alone", spares_existing_interface},
      {"ADD-05", "ADD", "2 ADD", Level::kMust, kMain, "", Pool::kAny,
       "repeated for a live attachment fails and does no harm to it", second_add_spares_first},
      {"ADD-06", "ADD", "2 ADD; 3 Attachment Parameters", Level::kMust, kMain | kIpam, "", Pool::kAny,
       "the same container can have a second interface, with addresses of its own", several_interfaces},
      {"ADD-07", "ADD", "2 ADD", Level::kMust, kMain | kMeta, "", Pool::kAny,
       "fails when CNI_NETNS does not exist", sandbox_missing},
      {"ADD-08", "ADD", "2 ADD", Level::kMust, kMain | kMeta, "", Pool::kAny,
       "fails when CNI_NETNS is no network namespace", sandbox_is_a_file},
      {"ADD-09", "ADD", "2 ADD", Level::kShould, kMain, "", Pool::kAny,
       "a failed ADD leaves no link, address, route or rule on the host", refusal_spares_host},
      {"ADD-10", "ADD", "3 Lifecycle & Ordering", Level::kMust, kMain, "", Pool::kAny,
       "works after a failed ADD and its DEL", works_after_refusal},
      {"ADD-11", "ADD", "3 Deriving request configuration", Level::kMust, kAnyKind, "", Pool::kAny,
       "an empty runtimeConfig is accepted", empty_runtime_config},
      {"ADD-12", "ADD", "1 Plugin configuration objects", Level::kShould, kAnyKind, "", Pool::kAny,
       "reserved keys (cni.dev/...) that it does not know are ignored", foreign_reserved_keys},
      {"ADD-13", "ADD", "convention: args", Level::kShould, kAnyKind, "", Pool::kAny,
       "content of args that it does not know is ignored", foreign_args},
      {"ADD-14", "ADD", "4; 5 Delegated plugins", Level::kMust, kIpam, "", Pool::kAny,
       "hands out at least one address", hands_out_address},
      {"ADD-15", "ADD", "convention: crash of a host", Level::kShould, kMain | kIpam, "", Pool::kAny,
       "works for a container whose earlier sandbox vanished without DEL", takes_over_stale},
  };
}

}  // namespace towpath::conformance
