// STATUS: section 2 "STATUS". kubelet causes one every five seconds on every node, so its time counts.
#include <fmt/format.h>

#include <algorithm>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

constexpr auto kCheap = std::chrono::milliseconds(100);

Outcome is_served(Trial& trial) {
  if (trial.subject().is_held_below(kNewestVersion)) return skipped("an older version was asked for");
  TOWPATH_TRY_STATUS(
      expect(trial.subject().speaks("1.1.0"), "the plugin does not speak 1.1.0, so it has no STATUS"));
  TOWPATH_TRY_STATUS(expect_success_without_output(trial.call_without_attachment("STATUS"), "STATUS"));
  return "success without output";
}

Outcome needs_no_attachment(Trial& trial) {
  const Reply reply = trial.call_without_attachment("STATUS", [](Request& r) {
    for (const char* key : {"CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS"}) r.env.erase(key);
  });
  TOWPATH_TRY_STATUS(expect(reply.ok(), reply.summary()));
  return "CNI_COMMAND and CNI_PATH suffice";
}

Outcome changes_nothing(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView host = trial.host(), inside = trial.inside(a);
  (void)trial.call_without_attachment("STATUS");
  const std::string change = host.change_to(trial.host()) + inside.change_to(trial.inside(a));
  TOWPATH_TRY_STATUS(expect(change.empty(), change));
  return "host and sandbox unchanged";
}

Outcome is_cheap(Trial& trial) {
  std::vector<std::chrono::microseconds> times;
  for (int i = 0; i < 11; ++i) {
    const Reply reply = trial.call_without_attachment("STATUS");
    TOWPATH_TRY_STATUS(expect(reply.ok(), reply.summary()));
    times.push_back(reply.elapsed);
  }
  std::ranges::sort(times);
  const double milliseconds = static_cast<double>(times[5].count()) / 1000;
  TOWPATH_TRY_STATUS(expect(times[5] < kCheap, fmt::format("median of 11 calls {:.1f} ms", milliseconds)));
  return fmt::format("median of 11 calls {:.1f} ms", milliseconds);
}

Outcome tells_exhaustion(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  const Reply reply = trial.call_without_attachment("STATUS");
  TOWPATH_TRY_STATUS(expect_refused(reply, "STATUS with the pool used up"));
  TOWPATH_TRY_STATUS(expect_code(reply, {50, 51}, "STATUS with the pool used up"));
  TOWPATH_TRY_STATUS(trial.del(all.front()));
  const Reply after = trial.call_without_attachment("STATUS");
  TOWPATH_TRY_STATUS(expect(after.ok(), "STATUS after a DEL: " + after.summary()));
  return reply.summary();
}

Outcome old_version(Trial& trial) {
  if (!trial.subject().speaks("1.0.0")) return skipped("the plugin does not speak 1.0.0");
  trial.version = "1.0.0";
  TOWPATH_TRY_STATUS(expect_code(trial.call_without_attachment("STATUS"), {1}, "STATUS with version 1.0.0"));
  return "code 1";
}

Outcome refuses_malformed(Trial& trial) {
  const Reply reply = trial.call_without_attachment("STATUS", [](Request& r) { r.raw_input = "{"; });
  TOWPATH_TRY_STATUS(expect_code(reply, {6}, "STATUS with malformed input"));
  return reply.summary();
}

}  // namespace

std::vector<Requirement> status_requirements() {
  const auto row = [](std::string_view id, std::string_view since, Level level, unsigned kinds, Pool pool,
                      std::string_view text, Outcome (*check)(Trial&)) {
    return Requirement{id, "STATUS", "2 STATUS", level, kinds, since, pool, text, check};
  };
  return {
      row("STATUS-01", "", Level::kMust, kAnyKind, Pool::kAny,
          "is served: success without output when ADD is possible", is_served),
      row("STATUS-02", "1.1.0", Level::kMust, kAnyKind, Pool::kAny, "needs no variables of an attachment",
          needs_no_attachment),
      row("STATUS-03", "1.1.0", Level::kMust, kAnyKind, Pool::kAny, "changes nothing", changes_nothing),
      row("STATUS-04", "1.1.0", Level::kShould, kAnyKind, Pool::kAny,
          "is cheap: below 100 ms, since runtimes poll it every few seconds", is_cheap),
      row("STATUS-05", "1.1.0", Level::kShould, kMain | kIpam, Pool::kSmall,
          "gives code 50 or 51 while the pool is used up, and success again after a DEL", tells_exhaustion),
      row("STATUS-06", "1.1.0", Level::kMust, kAnyKind, Pool::kAny, "gives code 1 below version 1.1.0",
          old_version),
      row("STATUS-07", "1.1.0", Level::kMust, kAnyKind, Pool::kAny, "gives code 6 for input that is not JSON",
          refuses_malformed),
  };
}

}  // namespace towpath::conformance
