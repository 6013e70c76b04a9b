// VERSION: section 2 "VERSION", section 5 "VERSION Success".
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

Reply ask(Trial& trial, std::string_view version, const std::map<std::string, std::string>& more = {}) {
  Request r = trial.request("VERSION", Attachment{});
  r.config = {{"cniVersion", version}};
  r.env = {{"CNI_COMMAND", "VERSION"}};
  r.env.insert(more.begin(), more.end());
  return trial.run(r);
}

Outcome answers(Trial& trial) {
  const Reply reply = ask(trial, trial.version);
  TOWPATH_TRY_STATUS(expect(reply.ok() && reply.document.is_object(), reply.summary()));
  return "one JSON object, exit 0";
}

Outcome lists_versions(Trial& trial) {
  const Reply reply = ask(trial, trial.version);
  std::vector<std::string> listed;
  for (const auto& each : list_at(reply.document, "supportedVersions")) {
    TOWPATH_TRY_STATUS(expect(each.is_string() && is_known_version(each.get<std::string>()),
                              "not a released version: " + each.dump()));
    listed.push_back(each.get<std::string>());
  }
  TOWPATH_TRY_STATUS(expect(!listed.empty(), "no list 'supportedVersions': " + reply.summary()));
  return fmt::format("{}", fmt::join(listed, " "));
}

Outcome echoes_version(Trial& trial) {
  for (const auto& version : trial.subject().versions) {
    const Reply reply = ask(trial, version);
    const std::string got = text_at(reply.document, "cniVersion");
    TOWPATH_TRY_STATUS(
        expect(got == version, fmt::format("asked with {}, answered with '{}'", version, got)));
  }
  return fmt::format("for each of {} versions", trial.subject().versions.size());
}

Outcome ignores_environment(Trial& trial) {
  const Reply reply = ask(
      trial, trial.version,
      {{"CNI_CONTAINERID", "dummy"}, {"CNI_NETNS", "dummy"}, {"CNI_IFNAME", "dummy"}, {"CNI_PATH", "dummy"}});
  TOWPATH_TRY_STATUS(
      expect(reply.ok() && !list_at(reply.document, "supportedVersions").empty(), reply.summary()));
  return "answered with dummy values";
}

Outcome speaks_newest(Trial& trial) {
  TOWPATH_TRY_STATUS(
      expect(std::ranges::find(trial.subject().versions, kNewestVersion) != trial.subject().versions.end(),
             fmt::format("newest version is {}",
                         trial.subject().versions.empty() ? "unknown" : trial.subject().version)));
  return std::string(kNewestVersion);
}

Outcome changes_nothing(Trial& trial) {
  const KernelView before = trial.host();
  (void)ask(trial, trial.version);
  const std::string change = before.change_to(trial.host());
  TOWPATH_TRY_STATUS(expect(change.empty(), change));
  return "host unchanged";
}

}  // namespace

std::vector<Requirement> version_requirements() {
  return {
      {"VERSION-01", "VERSION", "5 VERSION Success", Level::kMust, kAnyKind, "", Pool::kAny,
       "prints one JSON object and exits with 0, given nothing but CNI_COMMAND", answers},
      {"VERSION-02", "VERSION", "5 VERSION Success", Level::kMust, kAnyKind, "", Pool::kAny,
       "supportedVersions is a list of released versions", lists_versions},
      {"VERSION-03", "VERSION", "5 VERSION Success", Level::kMust, kAnyKind, "", Pool::kAny,
       "cniVersion of the answer is the one of the question", echoes_version},
      {"VERSION-04", "VERSION", "convention: libcni", Level::kShould, kAnyKind, "", Pool::kAny,
       "does not judge the other variables, which libcni fills with a dummy", ignores_environment},
      {"VERSION-05", "VERSION", "1 Version considerations", Level::kMust, kAnyKind, "", Pool::kAny,
       "speaks version 1.1.0", speaks_newest},
      {"VERSION-06", "VERSION", "2 VERSION", Level::kMust, kAnyKind, "", Pool::kAny,
       "changes nothing on the host", changes_nothing},
  };
}

}  // namespace towpath::conformance
