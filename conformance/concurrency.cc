// Many calls at once, and calls that are cut off: section 3 "Lifecycle & Ordering".
#include <fmt/format.h>

#include <algorithm>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using std::chrono::microseconds;

constexpr std::size_t kTogether = 32;
constexpr int kMoments = 12;  // at which a call is killed, spread over its usual time

Checked<std::vector<Attachment>> make_attachments(Trial& trial, std::size_t count) {
  std::vector<Attachment> all;
  for (std::size_t i = 0; i < count; ++i) {
    TOWPATH_TRY(auto a, trial.attachment());
    all.push_back(std::move(a));
  }
  return all;
}

std::vector<Request> requests_for(Trial& trial, std::string_view verb, const std::vector<Attachment>& all) {
  std::vector<Request> requests;
  for (const auto& a : all) requests.push_back(trial.request(verb, a));
  return requests;
}

Checked<void> take_results(Trial& trial, std::vector<Attachment>& all, const std::vector<Reply>& replies) {
  Checked<void> outcome;
  for (std::size_t i = 0; i < all.size(); ++i) {
    trial.remember(all[i]);
    if (!replies[i].ok())
      outcome = broken(fmt::format("ADD {} of {}: {}", i + 1, all.size(), replies[i].summary()));
    all[i].result = replies[i].document;
  }
  return outcome;
}

// A pool with fewer addresses than there are calls is no fault of the plugin's: can as many containers have
// one after another what `all` did not get at once? Ends all of those.
Checked<void> look_for_room(Trial& trial, std::vector<Attachment>& all) {
  for (auto& a : all) TOWPATH_TRY_STATUS(trial.del(a));
  for (std::size_t held = 0; held < all.size(); ++held) {
    TOWPATH_TRY(auto a, trial.attachment());
    trial.remember(a);
    const Reply reply = trial.call("ADD", a);
    if (!reply.ok()) {
      return skipped(fmt::format("one after another, ADD {} of {} fails too; is the pool too small? {}",
                                 held + 1, all.size(), reply.summary()));
    }
  }
  return {};
}

Checked<std::vector<Attachment>> add_together(Trial& trial, std::size_t count) {
  TOWPATH_TRY(auto all, make_attachments(trial, count));
  const auto replies = trial.run_together(requests_for(trial, "ADD", all));
  if (auto taken = take_results(trial, all, replies); !taken) {
    TOWPATH_TRY_STATUS(look_for_room(trial, all));
    return std::unexpected(std::move(taken).error());
  }
  return all;
}

Checked<void> all_different(const std::vector<Attachment>& all) {
  std::set<std::string> seen;
  for (const auto& a : all) {
    for (const auto& address : addresses_of(a.result)) {
      TOWPATH_TRY_STATUS(expect(seen.insert(address).second, address + " was handed out twice"));
    }
  }
  return {};
}

Outcome parallel_adds(Trial& trial) {
  TOWPATH_TRY(const auto all, add_together(trial, kTogether));
  TOWPATH_TRY_STATUS(all_different(all));
  return fmt::format("{} at once, all addresses different", all.size());
}

Outcome parallel_results_are_true(Trial& trial) {
  TOWPATH_TRY(const auto all, add_together(trial, kTogether));
  for (const auto& a : all) {
    const auto kernel = trial.inside(a).addresses("eth0");
    for (const auto& address : addresses_of(a.result)) {
      TOWPATH_TRY_STATUS(expect(std::ranges::find(kernel, address) != kernel.end(),
                                fmt::format("{} is not in the sandbox it was given to", address)));
    }
  }
  return fmt::format("{} sandboxes have what their results say", all.size());
}

Outcome parallel_dels(Trial& trial) {
  TOWPATH_TRY(auto first, trial.added());
  TOWPATH_TRY_STATUS(trial.del(first));
  const KernelView before = trial.host();
  TOWPATH_TRY(const auto all, add_together(trial, kTogether));
  for (const auto& reply : trial.run_together(requests_for(trial, "DEL", all))) {
    TOWPATH_TRY_STATUS(expect(reply.ok(), "DEL: " + reply.summary()));
  }
  const std::string change = trial.host_change_since(before);
  TOWPATH_TRY_STATUS(expect(change.empty(), "left on the host: " + change));
  return fmt::format("{} at once, host as before", all.size());
}

Outcome parallel_mix(Trial& trial) {
  TOWPATH_TRY(const auto leaving, add_together(trial, kTogether / 2));
  TOWPATH_TRY(auto coming, make_attachments(trial, kTogether / 2));
  auto requests = requests_for(trial, "ADD", coming);
  for (auto& each : requests_for(trial, "DEL", leaving)) requests.push_back(std::move(each));
  auto replies = trial.run_together(requests);
  for (std::size_t i = coming.size(); i < replies.size(); ++i) {
    TOWPATH_TRY_STATUS(expect(replies[i].ok(), "DEL: " + replies[i].summary()));
  }
  replies.resize(coming.size());
  if (auto taken = take_results(trial, coming, replies); !taken) {
    auto all = coming;
    all.insert(all.end(), leaving.begin(), leaving.end());
    TOWPATH_TRY_STATUS(look_for_room(trial, all));
    return std::unexpected(std::move(taken).error());
  }
  TOWPATH_TRY_STATUS(all_different(coming));
  return fmt::format("{} ADDs and {} DELs at once", coming.size(), leaving.size());
}

Checked<microseconds> usual_time(Trial& trial, std::string_view verb) {
  std::vector<microseconds> times;
  for (int i = 0; i < 3; ++i) {
    TOWPATH_TRY(auto a, trial.attachment());
    const Reply add = trial.call("ADD", a);
    TOWPATH_TRY_STATUS(expect(add.ok(), "ADD failed: " + add.summary()));
    const Reply del = trial.call("DEL", a);
    TOWPATH_TRY_STATUS(expect(del.ok(), "DEL failed: " + del.summary()));
    times.push_back(verb == "ADD" ? add.elapsed : del.elapsed);
  }
  return std::ranges::max(times);
}

// The moments at which calls are cut off: kMoments of them, spread over the time that a call takes. A call
// that ended by itself was faster than that: the time is corrected, and its moment comes once more.
class Cuts {
 public:
  explicit Cuts(microseconds usual) : usual_(usual) {}

  bool more() const { return moment_ < kMoments && calls_ < kMostCalls; }
  microseconds delay() const { return usual_ * moment_ / kMoments; }
  microseconds usual() const { return usual_; }
  std::string evidence() const { return fmt::format("at {} moments within {} us", moment_, usual_.count()); }

  // Starts the call, kills it when its moment has come, and waits for what it may have started.
  void cut_off(Trial& trial, const Request& request) {
    const Reply reply = trial.run(request, {std::chrono::seconds(30), delay()});
    wait_for_orphans();
    ++calls_;
    if (reply.signal == 0 && reply.elapsed < usual_) {
      usual_ = reply.elapsed;
    } else {
      ++moment_;
    }
  }

 private:
  static constexpr int kMostCalls = 3 * kMoments;
  microseconds usual_;
  int moment_ = 0;
  int calls_ = 0;
};

Outcome killed(Trial& trial, std::string_view verb, bool look_at_kernel) {
  TOWPATH_TRY(const microseconds usual, usual_time(trial, verb));
  const KernelView before = trial.host();
  Cuts cuts(usual);
  while (cuts.more()) {
    TOWPATH_TRY(auto a, trial.attachment());
    const KernelView sandbox = trial.inside(a);
    if (verb == "DEL") {
      TOWPATH_TRY_STATUS(trial.add(a));
    } else {
      trial.remember(a);
    }
    const std::string when = fmt::format("{} killed after {} us", verb, cuts.delay().count());
    cuts.cut_off(trial, trial.request(verb, a));
    const Reply del = trial.call("DEL", a);
    TOWPATH_TRY_STATUS(expect(del.ok(), fmt::format("{}: DEL: {}", when, del.summary())));
    if (!look_at_kernel) continue;
    const std::string change = trial.host_change_since(before) + sandbox.change_to(trial.inside(a));
    TOWPATH_TRY_STATUS(expect(change.empty(), fmt::format("{}, then DEL; left: {}", when, change)));
  }
  return cuts.evidence();
}

Outcome killed_add_del_works(Trial& t) {
  return killed(t, "ADD", false);
}
Outcome killed_add_leaves_nothing(Trial& t) {
  return killed(t, "ADD", true);
}
Outcome killed_del_can_be_repeated(Trial& t) {
  return killed(t, "DEL", true);
}

Outcome killed_add_then_add(Trial& trial) {
  TOWPATH_TRY(const microseconds usual, usual_time(trial, "ADD"));
  Cuts cuts(usual);
  while (cuts.more()) {
    TOWPATH_TRY(auto a, trial.attachment());
    trial.remember(a);
    cuts.cut_off(trial, trial.request("ADD", a));
    TOWPATH_TRY_STATUS(trial.del(a));
    TOWPATH_TRY_STATUS(trial.add(a));
    TOWPATH_TRY_STATUS(trial.del(a));
  }
  return cuts.evidence();
}

Outcome killed_add_loses_no_address(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  for (auto& a : all) TOWPATH_TRY_STATUS(trial.del(a));
  TOWPATH_TRY(const microseconds usual, usual_time(trial, "ADD"));
  // More often than there are addresses: each that is lost would be missed.
  const std::size_t wanted = all.size() + 2;
  std::size_t killed = 0;
  for (Cuts cuts(usual); cuts.more() || killed < wanted; ++killed) {
    if (!cuts.more()) cuts = Cuts(cuts.usual());
    TOWPATH_TRY(auto a, trial.attachment());
    trial.remember(a);
    cuts.cut_off(trial, trial.request("ADD", a));
    TOWPATH_TRY_STATUS(trial.del(a, [](Request& r) { r.env["CNI_NETNS"] = ""; }));
  }
  TOWPATH_TRY(const auto again, trial.fill());
  TOWPATH_TRY_STATUS(expect(again.size() == all.size(),
                            fmt::format("{} addresses before, {} now", all.size(), again.size())));
  return fmt::format("{} calls cut off, {} addresses before and after", killed, all.size());
}

}  // namespace

std::vector<Requirement> concurrency_requirements() {
  const auto row = [](std::string_view id, std::string_view verb, unsigned kinds, Pool pool,
                      std::string_view text, Outcome (*check)(Trial&)) {
    return Requirement{id, verb, "3 Lifecycle & Ordering", Level::kMust, kinds, "", pool, text, check};
  };
  return {
      row("PARALLEL-01", "ADD", kMain | kIpam, Pool::kAny,
          "32 ADDs at once succeed, and no address is given twice", parallel_adds),
      row("PARALLEL-02", "ADD", kMain, Pool::kAny,
          "after 32 ADDs at once each sandbox has what its result says", parallel_results_are_true),
      row("PARALLEL-03", "DEL", kMain | kIpam, Pool::kAny,
          "32 DELs at once succeed, and the host is as before", parallel_dels),
      row("PARALLEL-04", "any", kMain | kIpam, Pool::kAny,
          "ADDs and DELs of different containers at once succeed", parallel_mix),
      row("KILL-01", "ADD", kMain | kIpam, Pool::kAny, "after an ADD killed at any moment DEL is a success",
          killed_add_del_works),
      row("KILL-02", "ADD", kMain, Pool::kAny,
          "after an ADD killed at any moment, and DEL, nothing is left in the kernel",
          killed_add_leaves_nothing),
      row("KILL-03", "ADD", kMain | kIpam, Pool::kAny,
          "after an ADD killed at any moment, and DEL, ADD works again", killed_add_then_add),
      row("KILL-04", "ADD", kMain | kIpam, Pool::kSmall,
          "ADDs killed at any moment lose no address once DEL was called", killed_add_loses_no_address),
      row("KILL-05", "DEL", kMain | kIpam, Pool::kAny,
          "a DEL killed at any moment can be repeated, and nothing is left", killed_del_can_be_repeated),
  };
}

}  // namespace towpath::conformance
