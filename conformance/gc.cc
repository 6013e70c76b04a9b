// GC: section 2 "GC". The list is given under both names: the text of the specification calls it
// cni.dev/attachments, libcni sends cni.dev/valid-attachments.
#include <fmt/format.h>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

constexpr const char* kListKeys[]{"cni.dev/valid-attachments", "cni.dev/attachments"};

json list_of(const std::vector<Attachment>& attachments) {
  json list = json::array();
  for (const auto& a : attachments) list.push_back({{"containerID", a.container}, {"ifname", a.ifname}});
  return list;
}

Reply collect(Trial& trial, const json& list) {
  return trial.call_without_attachment("GC", [&](Request& r) {
    for (const char* key : kListKeys) r.config[key] = list;
  });
}

Outcome is_served(Trial& trial) {
  if (trial.subject().is_held_below(kNewestVersion)) return skipped("an older version was asked for");
  TOWPATH_TRY_STATUS(
      expect(trial.subject().speaks("1.1.0"), "the plugin does not speak 1.1.0, so it has no GC"));
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY_STATUS(expect_success_without_output(collect(trial, list_of({a})), "GC"));
  return "success without output";
}

// A GC that must not touch a live attachment, whatever its list is.
Outcome spares_live(Trial& trial, const std::function<Reply(const Attachment&)>& gc, bool must_succeed) {
  TOWPATH_TRY(auto a, trial.added());
  const KernelView host = trial.host(), inside = trial.inside(a);
  const Reply reply = gc(a);
  if (must_succeed) TOWPATH_TRY_STATUS(expect(reply.ok(), reply.summary()));
  const std::string change = inside.change_to(trial.inside(a)) + host.change_to(trial.host());
  TOWPATH_TRY_STATUS(expect(change.empty(), "the attachment was touched: " + change));
  const Reply check = trial.call("CHECK", a);
  TOWPATH_TRY_STATUS(expect(check.ok(), "CHECK fails afterwards: " + check.summary()));
  return "untouched, CHECK agrees";
}

Outcome spares_listed(Trial& trial) {
  return spares_live(trial, [&](const Attachment& a) { return collect(trial, list_of({a})); }, true);
}
Outcome spares_listed_under_each_name(Trial& trial) {
  for (const char* key : kListKeys) {
    TOWPATH_TRY(auto done, spares_live(
                               trial,
                               [&](const Attachment& a) {
                                 return trial.call_without_attachment(
                                     "GC", [&](Request& r) { r.config[key] = list_of({a}); });
                               },
                               true));
  }
  return "either key alone";
}
Outcome absent_list(Trial& trial) {
  return spares_live(trial, [&](const Attachment&) { return trial.call_without_attachment("GC"); }, false);
}
Outcome null_list(Trial& trial) {
  return spares_live(trial, [&](const Attachment&) { return collect(trial, nullptr); }, false);
}
Outcome other_network(Trial& trial) {
  return spares_live(
      trial,
      [&](const Attachment&) {
        return trial.call_without_attachment("GC", [&](Request& r) {
          r.config["name"] = "another-network";
          for (const char* key : kListKeys) r.config[key] = json::array();
        });
      },
      true);
}

Outcome empty_list_is_served(Trial& trial) {
  TOWPATH_TRY_STATUS(expect_success_without_output(collect(trial, json::array()), "GC with an empty list"));
  return "success without output";
}

Outcome malformed_list(Trial& trial) {
  return spares_live(
      trial, [&](const Attachment&) { return collect(trial, json::array({{{"containerID", 5}}})); }, false);
}

// All containers die unseen; GC must make their addresses usable again.
Outcome frees_stale(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  for (auto& a : all) a.sandbox->remove();
  TOWPATH_TRY_STATUS(expect_success_without_output(collect(trial, json::array()), "GC"));
  TOWPATH_TRY(const auto again, trial.fill());
  TOWPATH_TRY_STATUS(expect(again.size() == all.size(),
                            fmt::format("of {} addresses {} can be had again", all.size(), again.size())));
  return fmt::format("all {} addresses", all.size());
}

// Half of the containers live: theirs must stay theirs, the others' come back.
Outcome keeps_half(Trial& trial) {
  TOWPATH_TRY(auto all, trial.fill());
  std::vector<Attachment> living;
  std::set<std::string> taken;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % 2 != 0) {
      all[i].sandbox->remove();
      continue;
    }
    living.push_back(all[i]);
    for (const auto& address : addresses_of(all[i].result)) taken.insert(address);
  }
  TOWPATH_TRY_STATUS(expect_success_without_output(collect(trial, list_of(living)), "GC"));
  TOWPATH_TRY(const auto again, trial.fill());
  for (const auto& a : again) {
    for (const auto& address : addresses_of(a.result)) {
      TOWPATH_TRY_STATUS(
          expect(!taken.contains(address), address + " of a listed attachment was handed out again"));
    }
  }
  TOWPATH_TRY_STATUS(
      expect(again.size() == all.size() - living.size(),
             fmt::format("{} stale, but {} ADDs possible", all.size() - living.size(), again.size())));
  return fmt::format("{} kept, {} freed", living.size(), again.size());
}

Outcome cleans_host(Trial& trial) {
  TOWPATH_TRY(auto first, trial.added());
  TOWPATH_TRY_STATUS(trial.del(first));
  const KernelView before = trial.host();
  TOWPATH_TRY(auto a, trial.added());
  a.sandbox->remove();
  TOWPATH_TRY_STATUS(expect_success_without_output(collect(trial, json::array()), "GC"));
  const std::string change = trial.host_change_since(before);
  TOWPATH_TRY_STATUS(expect(change.empty(), "left on the host: " + change));
  return "host as before";
}

Outcome del_after_gc(Trial& trial) {
  TOWPATH_TRY(auto a, trial.added());
  a.sandbox->remove();
  TOWPATH_TRY_STATUS(expect_success_without_output(collect(trial, json::array()), "GC"));
  TOWPATH_TRY_STATUS(trial.del(a));
  return "success";
}

Outcome old_version(Trial& trial) {
  if (!trial.subject().speaks("1.0.0")) return skipped("the plugin does not speak 1.0.0");
  trial.version = "1.0.0";
  TOWPATH_TRY_STATUS(expect_code(collect(trial, json::array()), {1}, "GC with version 1.0.0"));
  return "code 1";
}

}  // namespace

std::vector<Requirement> gc_requirements() {
  const auto row = [](std::string_view id, Level level, unsigned kinds, Pool pool, std::string_view text,
                      Outcome (*check)(Trial&)) {
    return Requirement{id, "GC", "2 GC", level, kinds, "1.1.0", pool, text, check};
  };
  Requirement served = row("GC-01", Level::kMust, kAnyKind, Pool::kAny,
                           "is served: success without output when all attachments are listed", is_served);
  served.since = "";
  return {
      served,
      row("GC-02", Level::kMust, kAnyKind, Pool::kAny, "never touches an attachment that is listed",
          spares_listed),
      row("GC-03", Level::kShould, kAnyKind, Pool::kAny,
          "reads the list under the name of the text and of libcni", spares_listed_under_each_name),
      row("GC-04", Level::kMust, kAnyKind, Pool::kAny, "an empty list is a success", empty_list_is_served),
      row("GC-05", Level::kShould, kMain, Pool::kAny,
          "without a list touches no attachment whose sandbox lives", absent_list),
      row("GC-06", Level::kShould, kMain, Pool::kAny,
          "with a list of null touches no attachment whose sandbox lives", null_list),
      row("GC-07", Level::kShould, kAnyKind, Pool::kAny, "with a malformed list touches no live attachment",
          malformed_list),
      row("GC-08", Level::kMust, kAnyKind, Pool::kAny,
          "touches only attachments of the network it is called for", other_network),
      row("GC-09", Level::kShould, kMain | kIpam, Pool::kSmall,
          "frees every address of attachments not listed", frees_stale),
      row("GC-10", Level::kMust, kMain | kIpam, Pool::kSmall,
          "with a part listed: hands out none of the listed addresses again, and all of the others",
          keeps_half),
      row("GC-11", Level::kShould, kMain | kMeta, Pool::kAny,
          "removes links, routes and rules of stale attachments", cleans_host),
      row("GC-12", Level::kMust, kAnyKind, Pool::kAny, "is no obstacle for a DEL that still comes",
          del_after_gc),
      row("GC-13", Level::kMust, kAnyKind, Pool::kAny, "gives code 1 below version 1.1.0", old_version),
  };
}

}  // namespace towpath::conformance
