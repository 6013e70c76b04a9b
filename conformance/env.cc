// The environment: section 2 "Parameters" and the required variables of each verb.
#include <fmt/format.h>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

// Leaves one required variable out after the other; each time code 4 and the variable's name are due.
Outcome needs_each(Trial& trial, std::string_view verb, const std::vector<std::string>& variables) {
  TOWPATH_TRY(auto a, trial.attachment());
  if (verb == "CHECK" || verb == "DEL") TOWPATH_TRY_STATUS(trial.add(a));
  for (const auto& variable : variables) {
    Request r = trial.request(verb, a);
    r.env.erase(variable);
    const Reply reply = trial.run(r);
    TOWPATH_TRY_STATUS(expect_code(reply, {4}, fmt::format("without {}", variable)));
    TOWPATH_TRY_STATUS(
        expect(reply.message().contains(variable),
               fmt::format("without {} the message does not name it: {}", variable, reply.summary())));
  }
  return fmt::format("{} variables, each code 4 with its name", variables.size());
}

Outcome add_needs(Trial& trial) {
  return needs_each(trial, "ADD", {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"});
}
Outcome del_needs(Trial& trial) {
  return needs_each(trial, "DEL", {"CNI_CONTAINERID", "CNI_IFNAME"});
}
Outcome check_needs(Trial& trial) {
  return needs_each(trial, "CHECK", {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"});
}

// Each value is put into an ADD that is right but for it. Nothing may be left behind.
Outcome refuses_values(Trial& trial, const std::string& variable, const std::vector<std::string>& values,
                       bool code_matters) {
  for (const auto& value : values) {
    TOWPATH_TRY(auto a, trial.attachment());
    const KernelView host = trial.host(), sandbox = trial.inside(a);
    Request r = trial.request("ADD", a);
    r.env[variable] = value;
    const Reply reply = trial.run(r);
    const std::string what = fmt::format("{}='{}'", variable, value);
    if (reply.ok()) {  // take back what was accepted
      r.env["CNI_COMMAND"] = "DEL";
      (void)trial.run(r);
    }
    TOWPATH_TRY_STATUS(expect_refused(reply, what));
    if (code_matters) TOWPATH_TRY_STATUS(expect_code(reply, {4}, what));
    const std::string change = sandbox.change_to(trial.inside(a)) + trial.host_change_since(host);
    TOWPATH_TRY_STATUS(expect(change.empty(), fmt::format("{} left behind: {}", what, change)));
  }
  return fmt::format("{} values refused", values.size());
}

const std::vector<std::string> kBadContainerIds{"",    "-leading", ".leading",  "with space",
                                                "a/b", "../up",    "semi;colon"};
const std::vector<std::string> kBadInterfaceNames{".", "..", "a/b", "a:b", "a b", "sixteen-letters-", "a\tb"};

Outcome refuses_container_ids(Trial& t) {
  return refuses_values(t, "CNI_CONTAINERID", kBadContainerIds, false);
}
Outcome container_id_code(Trial& t) {
  return refuses_values(t, "CNI_CONTAINERID", {"-leading", "a/b"}, true);
}
Outcome refuses_interface_names(Trial& t) {
  return refuses_values(t, "CNI_IFNAME", kBadInterfaceNames, false);
}
Outcome interface_name_code(Trial& t) {
  return refuses_values(t, "CNI_IFNAME", {"a/b", "sixteen-letters-"}, true);
}

Outcome long_names(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment("fifteen-letters"));
  a.container = fmt::format("{:f>60}A_b.c-9", "");
  TOWPATH_TRY_STATUS(trial.add(a));
  if (trial.subject().kind == kMain) {
    TOWPATH_TRY_STATUS(expect(trial.inside(a).link(a.ifname) != nullptr, "no interface fifteen-letters"));
  }
  TOWPATH_TRY_STATUS(trial.del(a));
  return "67 characters of id, 15 of name";
}

Outcome unknown_command(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  const KernelView host = trial.host();
  Request r = trial.request("ADD", a);
  for (const char* command : {"FROBNICATE", "add", ""}) {
    r.env["CNI_COMMAND"] = command;
    const Reply reply = trial.run(r);
    // Without a command a plugin may introduce itself to the person who typed its name, which is not a
    // result.
    if (std::string_view(command).empty() && reply.ok() && reply.out.empty()) continue;
    TOWPATH_TRY_STATUS(expect_code(reply, {4}, fmt::format("CNI_COMMAND='{}'", command)));
    TOWPATH_TRY_STATUS(expect(reply.message().contains("CNI_COMMAND"),
                              "the message does not name CNI_COMMAND: " + reply.summary()));
  }
  const std::string change = host.change_to(trial.host());
  TOWPATH_TRY_STATUS(expect(change.empty(), change));
  return "code 4";
}

Outcome kubernetes_arguments(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  const Bend bend = [](Request& r) {
    r.env["CNI_ARGS"] =
        "K8S_POD_INFRA_CONTAINER_ID=0a1b;IgnoreUnknown=1;K8S_POD_NAMESPACE=default;"
        "K8S_POD_NAME=web-0;K8S_POD_UID=6f2c;SOMETHING_NEW=1";
  };
  const Reply reply = trial.call("ADD", a, bend);
  TOWPATH_TRY_STATUS(expect(reply.ok(), "ADD failed: " + reply.summary()));
  TOWPATH_TRY_STATUS(trial.del(a, bend));
  return "accepted";
}

Outcome empty_arguments(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  const Bend bend = [](Request& r) { r.env["CNI_ARGS"] = ""; };
  const Reply reply = trial.call("ADD", a, bend);
  TOWPATH_TRY_STATUS(expect(reply.ok(), "ADD failed: " + reply.summary()));
  TOWPATH_TRY_STATUS(trial.del(a, bend));
  return "accepted";
}

Outcome path_is_optional(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  trial.remember(a);
  Request r = trial.request("ADD", a);
  r.env.erase("CNI_PATH");
  const Reply reply = trial.run(r);
  const bool delegates = trial.subject().kind != kIpam && r.config.contains("ipam");
  if (!reply.ok() && delegates)
    return skipped("the configuration has an 'ipam' plugin, which has to be found");
  TOWPATH_TRY_STATUS(expect(reply.ok(), "ADD without CNI_PATH: " + reply.summary()));
  return "ADD works without CNI_PATH";
}

// CNI_NETNS names the namespace that the plugin itself runs in.
Outcome own_namespace(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  const KernelView host = trial.host();
  Request r = trial.request("ADD", a);
  r.env["CNI_NETNS"] = "/proc/self/ns/net";
  const Reply reply = trial.run(r);
  if (reply.ok()) {
    r.env["CNI_COMMAND"] = "DEL";
    (void)trial.run(r);
  }
  TOWPATH_TRY_STATUS(expect_refused(reply, "ADD with the host's namespace as sandbox"));
  const std::string change = trial.host_change_since(host);
  TOWPATH_TRY_STATUS(expect(change.empty(), "refused, but left on the host: " + change));
  return reply.summary();
}

Outcome own_namespace_override(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  Request r = trial.request("ADD", a);
  r.env["CNI_NETNS"] = "/proc/self/ns/net";
  r.env["CNI_NETNS_OVERRIDE"] = "1";
  const Reply reply = trial.run(r);
  r.env["CNI_COMMAND"] = "DEL";
  (void)trial.run(r);
  TOWPATH_TRY_STATUS(expect(reply.code() != 8, reply.summary()));
  return reply.ok() ? "ADD done" : "other reason: " + reply.summary();
}

}  // namespace

std::vector<Requirement> env_requirements() {
  return {
      {"ENV-01", "ADD", "2 ADD; 5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "each required variable, when missing, gives code 4 and is named", add_needs},
      {"ENV-02", "DEL", "2 DEL; 5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "each required variable, when missing, gives code 4 and is named", del_needs},
      {"ENV-03", "CHECK", "2 CHECK; 5 Error", Level::kMust, kAnyKind, "0.4.0", Pool::kAny,
       "each required variable, when missing, gives code 4 and is named", check_needs},
      {"ENV-04", "ADD", "2 Parameters", Level::kMust, kAnyKind, "", Pool::kAny,
       "a container id outside the allowed characters is refused and leaves nothing", refuses_container_ids},
      {"ENV-05", "ADD", "5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "a wrong container id gives code 4", container_id_code},
      {"ENV-06", "ADD", "2 Parameters", Level::kMust, kMain | kMeta, "", Pool::kAny,
       "an interface name that Linux cannot have is refused and leaves nothing", refuses_interface_names},
      {"ENV-07", "ADD", "5 Error", Level::kMust, kMain | kMeta, "", Pool::kAny,
       "a wrong interface name gives code 4", interface_name_code},
      {"ENV-08", "ADD", "2 Parameters", Level::kMust, kMain | kIpam, "", Pool::kAny,
       "a long container id and an interface name of 15 characters work", long_names},
      {"ENV-09", "any", "2 Parameters; 5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "an unknown command gives code 4, names CNI_COMMAND, changes nothing", unknown_command},
      {"ENV-10", "ADD", "2 Parameters; convention", Level::kShould, kAnyKind, "", Pool::kAny,
       "unknown keys in CNI_ARGS are ignored when IgnoreUnknown=1 is among them", kubernetes_arguments},
      {"ENV-11", "ADD", "2 ADD", Level::kMust, kAnyKind, "", Pool::kAny, "CNI_ARGS may be empty",
       empty_arguments},
      {"ENV-12", "ADD", "2 ADD", Level::kMust, kAnyKind, "", Pool::kAny,
       "CNI_PATH is optional where nothing is delegated", path_is_optional},
      {"ENV-13", "ADD", "convention: libcni", Level::kShould, kMain, "", Pool::kAny,
       "the plugin's own namespace as sandbox is refused and leaves nothing", own_namespace},
      {"ENV-14", "ADD", "convention: libcni", Level::kShould, kMain, "", Pool::kAny,
       "CNI_NETNS_OVERRIDE lets the plugin's own namespace pass that test", own_namespace_override},
  };
}

}  // namespace towpath::conformance
