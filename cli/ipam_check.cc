#include "cli/ipam_check.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/host_look.h"
#include "cli/local_rows.h"

namespace towpath::cli {
namespace {

using nlohmann::json;

// A DEL takes the interface away and then releases the record, some milliseconds later.
constexpr std::chrono::milliseconds kBetweenLooks{200};
constexpr int kLooks = 5;

Result<std::vector<ipam::Finding>> look(const ipam::StateStore& store) {
  TOWPATH_TRY(const auto snapshot, store.snapshot());
  TOWPATH_TRY(const auto host, look_at_host(snapshot.records));
  return ipam::audit(snapshot, host, std::chrono::system_clock::now());
}

}  // namespace

Result<std::vector<ipam::Finding>> find_problems(const ipam::StateStore& store) {
  TOWPATH_TRY(auto findings, look(store));
  for (int looks = 1; looks < kLooks && !findings.empty(); ++looks) {
    std::this_thread::sleep_for(kBetweenLooks);
    TOWPATH_TRY(const auto again, look(store));
    findings = ipam::in_both(findings, again);
  }
  return findings;
}

json finding_row(const ipam::Finding& finding) {
  return {{"kind", format(finding.kind)},
          {"address", finding.address},
          {"container_id", finding.attachment.container_id},
          {"ifname", finding.attachment.ifname},
          {"reason", finding.reason}};
}

Result<bool> print_check(const std::string& state_dir, Output& output) {
  TOWPATH_TRY(const auto store, open_store(state_dir));
  TOWPATH_TRY(const auto findings, find_problems(store));
  for (const ipam::Finding& finding : findings) {
    if (!output.row(to_line(finding_row(finding)))) break;
  }
  return findings.empty();
}

}  // namespace towpath::cli
