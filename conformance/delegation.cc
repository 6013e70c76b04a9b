// Delegation: section 4. The delegate of the configuration (ipam.type) is replaced, through CNI_PATH, by a
// wrapper that writes down how it was called, then runs the real one, or fails when told to.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

constexpr const char* kWrapper = R"(#!/bin/sh
here=@HERE@
cat >"$here/input.$CNI_COMMAND"
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_NETNS" >>"$here/calls"
echo "the delegate was here" >&2
if [ -e "$here/fail.$CNI_COMMAND" ]; then
  printf '{"cniVersion":"@VERSION@","code":11,"msg":"the delegate was told to fail"}'
  exit 1
fi
if [ -e "$here/garbage.$CNI_COMMAND" ]; then
  printf 'this is not a result'
  exit 0
fi
@REAL@ <"$here/input.$CNI_COMMAND" >"$here/output.$CNI_COMMAND"
status=$?
cat "$here/output.$CNI_COMMAND"
exit $status
)";

std::string replaced(std::string text, std::string_view mark, std::string_view value) {
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size())) {
    text.replace(at, mark.size(), value);
  }
  return text;
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Delegate {
 public:
  // Puts the wrapper in front of the plugin's delegate. Skips when it has none.
  static Checked<Delegate> install(Trial& trial) {
    const std::string type = text_at(object_at(trial.network().plugins.front(), "ipam"), "type");
    if (type.empty()) return skipped("the configuration has no 'ipam' plugin");
    const auto real = trial.subject().find(type);
    if (!real) return broken(real.error().message);
    Delegate d;
    d.here_ = trial.directory() + "/delegate";
    ::mkdir(d.here_.c_str(), 0755);
    const std::string path = d.here_ + "/" + type;
    std::string script = replaced(replaced(kWrapper, "@HERE@", d.here_), "@REAL@", *real);
    std::ofstream(path) << replaced(script, "@VERSION@", trial.version);
    ::chmod(path.c_str(), 0755);
    trial.front_directories = {d.here_};
    return d;
  }

  // Skips when the plugin answers for the delegate itself, which nobody forbids.
  static Checked<Delegate> executed(Trial& trial) {
    TOWPATH_TRY(auto d, install(trial));
    TOWPATH_TRY(auto a, trial.added());
    const bool called = !d.calls().empty();
    TOWPATH_TRY_STATUS(trial.del(a));
    if (!called)
      return skipped("the plugin does not execute its delegate; give a configuration with a foreign one");
    d.forget();
    return d;
  }

  std::string input(std::string_view verb) const { return content(fmt::format("{}/input.{}", here_, verb)); }
  std::string output(std::string_view verb) const {
    return content(fmt::format("{}/output.{}", here_, verb));
  }
  std::vector<std::string> calls(std::string_view verb = {}) const {
    std::vector<std::string> result;
    std::ifstream file(here_ + "/calls");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(verb)) result.push_back(line);
    }
    return result;
  }
  void forget() const { std::ofstream(here_ + "/calls", std::ios::trunc); }
  void fail_at(std::string_view verb) const { std::ofstream(fmt::format("{}/fail.{}", here_, verb)); }
  void print_garbage_at(std::string_view verb) const {
    std::ofstream(fmt::format("{}/garbage.{}", here_, verb));
  }
  void behave(std::string_view verb) const { (void)::remove(fmt::format("{}/fail.{}", here_, verb).c_str()); }

 private:
  std::string here_;
};

Outcome same_call(Trial& trial) {
  TOWPATH_TRY(const auto d, Delegate::executed(trial));
  TOWPATH_TRY(auto a, trial.added());
  const std::string wanted = fmt::format("ADD {} {} {}", a.container, a.ifname, a.netns);
  const auto calls = d.calls("ADD");
  TOWPATH_TRY_STATUS(expect(std::ranges::find(calls, wanted) != calls.end(),
                            fmt::format("environment differs: {}", fmt::join(calls, "; "))));
  const json got = json::parse(d.input("ADD"), nullptr, false);
  const json given = trial.request("ADD", a).config;
  for (const auto& [key, value] : given.items()) {
    TOWPATH_TRY_STATUS(expect(got.is_object() && got.contains(key) && got[key] == value,
                              fmt::format("the delegate did not get '{}' as it was", key)));
  }
  return fmt::format("same variables, all {} keys", given.size());
}

std::vector<std::string> hosts_of(const json& result) {
  auto addresses = addresses_of(result);
  for (auto& each : addresses) each = each.substr(0, each.find('/'));
  return addresses;
}

Outcome uses_its_answer(Trial& trial) {
  TOWPATH_TRY(const auto d, Delegate::executed(trial));
  TOWPATH_TRY(auto a, trial.added());
  // A routed plugin may well use the address with another prefix length.
  auto answer = hosts_of(json::parse(d.output("ADD"), nullptr, false)), used = hosts_of(a.result);
  std::ranges::sort(answer);
  std::ranges::sort(used);
  TOWPATH_TRY_STATUS(expect(answer == used, fmt::format("the delegate gave {}, the result has {}",
                                                        fmt::join(answer, " "), fmt::join(used, " "))));
  return fmt::format("{}", fmt::join(used, " "));
}

Outcome relays_stderr(Trial& trial) {
  TOWPATH_TRY(const auto d, Delegate::executed(trial));
  TOWPATH_TRY(auto a, trial.attachment());
  const Reply reply = trial.call("ADD", a);
  TOWPATH_TRY_STATUS(expect(reply.err.contains("the delegate was here"), "its stderr is not on ours"));
  return "relayed";
}

// DEL, CHECK, GC and STATUS go on to the delegate, and its error comes back.
Outcome forwards(Trial& trial, const std::string& verb) {
  TOWPATH_TRY(const auto d, Delegate::executed(trial));
  TOWPATH_TRY(auto a, trial.added());
  d.forget();
  const bool attached = verb == "DEL" || verb == "CHECK";
  const auto call = [&] { return attached ? trial.call(verb, a) : trial.call_without_attachment(verb); };
  d.fail_at(verb);
  const Reply failed = call();
  TOWPATH_TRY_STATUS(
      expect(!d.calls(verb).empty(), fmt::format("{} was not passed on to the delegate", verb)));
  TOWPATH_TRY_STATUS(expect_refused(failed, fmt::format("{} whose delegate fails", verb)));
  d.behave(verb);
  const Reply fine = call();
  TOWPATH_TRY_STATUS(
      expect(fine.ok(), fmt::format("{} whose delegate is well again: {}", verb, fine.summary())));
  return failed.summary();
}

Outcome forwards_del(Trial& t) {
  return forwards(t, "DEL");
}
Outcome forwards_check(Trial& t) {
  return forwards(t, "CHECK");
}
Outcome forwards_gc(Trial& t) {
  return forwards(t, "GC");
}
Outcome forwards_status(Trial& t) {
  return forwards(t, "STATUS");
}

// The three ways of a delegate to be of no use.
Checked<Reply> useless_delegate(Trial& trial, const Delegate& d, Attachment& a, std::string_view way) {
  if (way == "fails") d.fail_at("ADD");
  if (way == "prints nonsense") d.print_garbage_at("ADD");
  Reply reply = trial.call("ADD", a, [&](Request& r) {
    if (way == "does not exist") r.config["ipam"]["type"] = "no-such-delegate";
  });
  TOWPATH_TRY_STATUS(expect_refused(reply, fmt::format("ADD whose delegate {}", way)));
  return reply;
}

Outcome refuses_with(Trial& trial, std::string_view way) {
  TOWPATH_TRY(const auto d, Delegate::executed(trial));
  TOWPATH_TRY(auto a, trial.attachment());
  TOWPATH_TRY(const Reply reply, useless_delegate(trial, d, a, way));
  return reply.summary();
}

Outcome delegate_fails(Trial& t) {
  return refuses_with(t, "fails");
}
Outcome delegate_prints_nonsense(Trial& t) {
  return refuses_with(t, "prints nonsense");
}
Outcome delegate_missing(Trial& t) {
  return refuses_with(t, "does not exist");
}

Outcome useless_delegate_leaves_nothing(Trial& trial) {
  TOWPATH_TRY(const auto d, Delegate::executed(trial));
  for (const char* way : {"does not exist", "prints nonsense", "fails"}) {
    TOWPATH_TRY(auto a, trial.attachment());
    const KernelView host = trial.host(), sandbox = trial.inside(a);
    TOWPATH_TRY_STATUS(useless_delegate(trial, d, a, way));
    const std::string change = sandbox.change_to(trial.inside(a)) + trial.host_change_since(host);
    TOWPATH_TRY_STATUS(expect(change.empty(), fmt::format("the delegate {}; left: {}", way, change)));
  }
  return "delegate missing, talking nonsense, failing: nothing left";
}

Outcome del_after_failed_add(Trial& trial) {
  TOWPATH_TRY(const auto d, Delegate::executed(trial));
  TOWPATH_TRY(auto a, trial.attachment());
  d.fail_at("ADD");
  (void)trial.call("ADD", a);
  TOWPATH_TRY_STATUS(expect(!d.calls("DEL").empty(), "no DEL for the delegate whose ADD failed"));
  return "DEL follows";
}

Outcome own_failure_releases(Trial& trial) {
  TOWPATH_TRY(const auto d, Delegate::executed(trial));
  TOWPATH_TRY(auto a, trial.attachment());
  TOWPATH_TRY_STATUS(trial.ip(a.netns, {"link", "add", "eth0", "type", "bridge"}));
  (void)trial.run(trial.request("ADD", a));
  const std::size_t adds = d.calls("ADD").size(), dels = d.calls("DEL").size();
  TOWPATH_TRY_STATUS(
      expect(adds == 0 || dels > 0, "the delegate's ADD succeeded, ours failed, and no DEL came"));
  return adds == 0 ? "failed before the delegate was asked" : "DEL follows";
}

}  // namespace

std::vector<Requirement> delegation_requirements() {
  const auto row = [](std::string_view id, std::string_view verb, Level level, std::string_view since,
                      std::string_view text, Outcome (*check)(Trial&)) {
    return Requirement{id,   verb, "4 Delegated plugin execution", level, kMain, since, Pool::kAny,
                       text, check};
  };
  return {
      row("DELEGATE-01", "ADD", Level::kMust, "",
          "the delegate gets the same variables and the complete configuration", same_call),
      row("DELEGATE-02", "ADD", Level::kMust, "", "the delegate's addresses are those of the result",
          uses_its_answer),
      row("DELEGATE-03", "ADD", Level::kShould, "", "the delegate's stderr is passed on", relays_stderr),
      row("DELEGATE-04", "DEL", Level::kMust, "", "DEL goes on to the delegate, and its error comes back",
          forwards_del),
      row("DELEGATE-05", "CHECK", Level::kMust, "0.4.0",
          "CHECK goes on to the delegate, and its error comes back", forwards_check),
      row("DELEGATE-06", "GC", Level::kMust, "1.1.0", "GC goes on to the delegate, and its error comes back",
          forwards_gc),
      row("DELEGATE-07", "STATUS", Level::kMust, "1.1.0",
          "STATUS goes on to the delegate, and its error comes back", forwards_status),
      row("DELEGATE-08", "ADD", Level::kMust, "", "a delegate that fails makes ADD fail", delegate_fails),
      row("DELEGATE-09", "ADD", Level::kMust, "", "a delegate that prints nonsense makes ADD fail",
          delegate_prints_nonsense),
      row("DELEGATE-10", "ADD", Level::kMust, "", "a delegate that does not exist makes ADD fail",
          delegate_missing),
      row("DELEGATE-11", "ADD", Level::kShould, "",
          "an ADD that fails for its delegate leaves nothing in the kernel", useless_delegate_leaves_nothing),
      row("DELEGATE-12", "ADD", Level::kShould, "", "after the delegate's failed ADD it gets a DEL",
          del_after_failed_add),
      row("DELEGATE-13", "ADD", Level::kShould, "",
          "a failure of its own makes it release what the delegate gave", own_failure_releases),
  };
}

}  // namespace towpath::conformance
