#include "cli/ipam_repair.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "cli/host_look.h"
#include "cli/ipam_check.h"
#include "cli/ipam_release.h"
#include "cli/local_rows.h"
#include "towpath/ipam/audit.h"

namespace towpath::cli {
namespace {

using ipam::Finding;
using ipam::Repair;

// The record may have been replaced since it was looked at, and its sandbox be alive again: both are asked
// once more, right before.
Status release_if_gone(ipam::StateStore& store, const Finding& finding) {
  TOWPATH_TRY(const auto records, store.endpoints());
  const auto record = std::ranges::find_if(records, [&](const ipam::EndpointRecord& r) {
    return r.attachment == finding.attachment && r.generation == finding.generation;
  });
  if (record == records.end()) return {};
  TOWPATH_TRY(const auto host, look_at_host(records));
  if (ipam::sandbox_fate(*record, records, host) != ipam::SandboxFate::kGone) return {};
  const Status released = release_endpoint(store, *record);
  // Somebody else was faster.
  if (!released && released.error().kind == ErrorKind::kConflict) return {};
  return released;
}

Status repair(ipam::StateStore& store, const std::vector<Finding>& findings) {
  // Before the releases, which write indexes.
  if (std::ranges::find(findings, Repair::kRebuild, &Finding::repair) != findings.end()) {
    TOWPATH_TRY(const auto records, store.endpoints());
    TOWPATH_TRY(const auto host, look_at_host(records));
    TOWPATH_TRY_STATUS(store.rebuild_indexes(ipam::addresses_in_use(host)));
  }
  std::set<ipam::AttachmentId> done;  // an endpoint has one finding for each of its addresses
  for (const Finding& finding : findings) {
    if (finding.repair != Repair::kRelease || !done.insert(finding.attachment).second) continue;
    TOWPATH_TRY_STATUS(release_if_gone(store, finding));
  }
  return {};
}

}  // namespace

Result<bool> print_repair(const std::string& state_dir, bool apply, Output& output) {
  TOWPATH_TRY(auto store, open_store(state_dir));
  TOWPATH_TRY(const auto findings, find_problems(store));
  std::vector<Finding> left = findings;
  if (apply && !findings.empty()) {
    TOWPATH_TRY_STATUS(repair(store, findings));
    TOWPATH_TRY(left, find_problems(store));
  }
  for (const Finding& finding : findings) {
    auto row = finding_row(finding);
    row["repair"] = format(finding.repair);
    row["done"] = std::ranges::find(left, finding) == left.end();
    if (!output.row(to_line(row))) break;
  }
  return left.empty();
}

}  // namespace towpath::cli
