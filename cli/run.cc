#include "cli/run.h"

#include <unistd.h>

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "cli/columns.h"
#include "cli/control_client.h"
#include "cli/exit_code.h"
#include "cli/ipam_check.h"
#include "cli/ipam_import.h"
#include "cli/ipam_release.h"
#include "cli/ipam_repair.h"
#include "cli/ipam_show.h"
#include "cli/local_rows.h"
#include "cli/policy_test_text.h"
#include "cli/table_output.h"

namespace towpath::cli {
namespace {

// A single row as lines, each with a key in front.
class ListOutput final : public Output {
 public:
  using Text = std::string (*)(std::string_view json);
  ListOutput(std::FILE* stream, Text text) : stream_(stream), text_(text) {}
  bool row(std::string_view json) override { return std::fputs(text_(json).c_str(), stream_) >= 0; }
  void end() override {}

 private:
  std::FILE* stream_;
  Text text_;
};

std::unique_ptr<Output> make_output(const Options& options, std::FILE* out) {
  if (options.format == Format::kJson) return std::make_unique<JsonOutput>(out);
  if (options.format == Format::kMrt) return std::make_unique<MrtOutput>(out);
  const auto table = [out](Columns columns, std::string when_empty) {
    return std::make_unique<TableOutput>(out, std::move(columns), terminal_width(out), std::move(when_empty));
  };
  switch (options.action) {
    case Action::kRoutes:
      return table(route_columns(options.routes.table), options.routes.table == control::RouteTable::kDiff
                                                            ? "The kernel is as wanted."
                                                            : "No such routes.");
    case Action::kPeers: return table(peer_columns(), "No peers are configured.");
    case Action::kBfd: return table(bfd_columns(), "No peer is watched by BFD.");
    case Action::kAdvertise: return table(advertised_columns(), "");
    case Action::kWithdraw: return table(advertised_columns(), "Withdrawn.");
    case Action::kAdvertised:
      return table(advertised_columns(), "This host announces nothing beside its blocks.");
    case Action::kVersion: return table(version_columns(), "");
    case Action::kEndpoints: return table(endpoint_columns(), "No containers are attached on this host.");
    case Action::kIpamShow:
      if (options.ipam.resting) return table(resting_columns(), "No addresses rest.");
      return options.ipam.is_of_allocations() ? table(allocation_columns(), "No addresses are in use.")
                                              : table(block_columns(), "This host has no blocks.");
    case Action::kIpamCheck: return table(finding_columns(), "All is as it should be.");
    case Action::kIpamRelease: return table(released_columns(), "");
    case Action::kPolicyTest: return std::make_unique<ListOutput>(out, policy_test_text);
    case Action::kPolicyShow: return table(policy_columns(), "No containers are attached on this host.");
    case Action::kIpamRepair: return table(repair_columns(), "All is as it should be.");
    case Action::kIpamImport: return table(imported_columns(), "host-local has given no address there.");
    case Action::kPolicySimulate:
    case Action::kDrain:
    case Action::kUndrain:
    case Action::kStatus: break;
  }
  return std::make_unique<ListOutput>(out, status_text);
}

Status ask_agent(const Options& options, const control::Request& request, Output& output) {
  TOWPATH_TRY(ControlClient client, ControlClient::connect(options.socket));
  return client.ask(request, [&output](std::string_view row) { return output.row(row); });
}

// Asks until the host is drained, or somebody has put it back.
Status drain(const Options& options, Output& output) {
  constexpr std::chrono::milliseconds kPause{200};
  control::Request request{.command = control::Command::kDrain, .drain = options.drain};
  for (;;) {
    std::string row;
    TOWPATH_TRY(ControlClient client, ControlClient::connect(options.socket));
    TOWPATH_TRY_STATUS(client.ask(request, [&row](std::string_view text) {
      row = text;
      return true;
    }));
    const auto state = nlohmann::json::parse(row, nullptr, false);
    const std::string phase = state.is_object() ? state.value("drain", "") : "";
    if (phase == "no")
      return fail(ErrorKind::kConflict, "the drain was given up: somebody has put the host back");
    if (phase != "announced" && phase != "withdrawn") {
      output.row(
          nlohmann::ordered_json{{"drain", phase}, {"drain_reason", state.value("drain_reason", "")}}.dump());
      return {};
    }
    request = {.command = control::Command::kStatus};
    std::this_thread::sleep_for(kPause);
  }
}

Status print_versions(const Options& options, Output& output) {
  output.row(fmt::format(R"({{"program":"towpathctl","version":"{}","protocol":{}}})", TOWPATH_VERSION,
                         control::kProtocolVersion));
  return ask_agent(options, {control::Command::kVersion, {}}, output);
}

// True: all is well, also with what the command was to look at.
Result<bool> print_rows(const Options& options, Output& output) {
  const auto well = [](Status status) -> Result<bool> {
    if (!status) return std::unexpected(std::move(status).error());
    return true;
  };
  switch (options.action) {
    case Action::kRoutes:
      return well(ask_agent(options, {control::Command::kRoutes, options.routes}, output));
    case Action::kPeers: return well(ask_agent(options, {control::Command::kPeers, {}}, output));
    case Action::kBfd: return well(ask_agent(options, {control::Command::kBfd, {}}, output));
    case Action::kAdvertise:
      return well(
          ask_agent(options, {.command = control::Command::kAdvertise, .lease = options.lease}, output));
    case Action::kWithdraw:
      return well(
          ask_agent(options, {.command = control::Command::kWithdraw, .lease = options.lease}, output));
    case Action::kAdvertised: return well(ask_agent(options, {control::Command::kAdvertised, {}}, output));
    case Action::kDrain: return well(drain(options, output));
    case Action::kUndrain: return well(ask_agent(options, {control::Command::kUndrain, {}}, output));
    case Action::kPolicyTest: {
      const control::Request request{.command = control::Command::kPolicyTest,
                                     .policy_test = options.policy_test};
      return well(ask_agent(options, request, output));
    }
    case Action::kPolicyShow: return well(ask_agent(options, {control::Command::kPolicies, {}}, output));
    case Action::kPolicySimulate:
      return well(
          ask_agent(options, {.command = control::Command::kPolicySimulate, .flow = options.flow}, output));
    case Action::kStatus: return well(ask_agent(options, {control::Command::kStatus, {}}, output));
    case Action::kVersion: return well(print_versions(options, output));
    case Action::kEndpoints: return well(print_endpoints(options.state_dir, output));
    case Action::kIpamShow: return well(print_ipam(options.state_dir, options.ipam, options.format, output));
    case Action::kIpamCheck: return print_check(options.state_dir, output);
    case Action::kIpamImport: return well(import_addresses(options.state_dir, options.import_from, output));
    case Action::kIpamRepair: return print_repair(options.state_dir, options.apply, output);
    case Action::kIpamRelease: return well(release_address(options.state_dir, options.release, output));
  }
  return fail(ErrorKind::kUnsupported, "no such command");
}

bool reader_left(std::FILE* out) {
  return std::ferror(out) != 0 && errno == EPIPE;
}

}  // namespace

int run(const Options& options, std::FILE* out, std::FILE* err) {
  if (options.format == Format::kMrt && ::isatty(::fileno(out)) != 0) {
    fmt::print(err, "towpathctl: MRT records are no text: send them to a file or a pipe\n");
    return kExitUsage;
  }
  const auto output = make_output(options, out);
  errno = 0;
  const Result<bool> status = print_rows(options, *output);
  // The version of this program is an answer of its own: it stands also when there is no agent.
  if (status || options.action == Action::kVersion) output->end();
  if (std::ferror(out) == 0) std::fflush(out);
  const bool has_findings = status && !*status;
  if (reader_left(out)) return has_findings ? kExitFindings : kExitOk;  // "| head" has seen enough
  if (std::ferror(out) != 0) {
    fmt::print(err, "towpathctl: {}\n", Error::from_errno(errno, "write").message);
    return kExitError;
  }
  if (status) return has_findings ? kExitFindings : kExitOk;
  fmt::print(err, "towpathctl: {}\n", status.error().message);
  return status.error().kind == ErrorKind::kUnavailable ? kExitNoAgent : kExitError;
}

}  // namespace towpath::cli
