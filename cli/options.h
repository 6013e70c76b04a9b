// The command line of towpathctl as values.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "cli/output.h"
#include "towpath/base/address.h"
#include "towpath/base/prefix.h"
#include "towpath/control/protocol.h"

namespace towpath::cli {

enum class Action {
  kRoutes,
  kPeers,
  kBfd,
  kPolicyTest,
  kPolicyShow,
  kPolicySimulate,
  kAdvertise,
  kWithdraw,
  kAdvertised,
  kDrain,
  kUndrain,
  kStatus,
  kVersion,
  kEndpoints,
  kIpamShow,
  kIpamCheck,
  kIpamRelease,
  kIpamRepair,
  kIpamImport
};

// What `ipam` shows.
struct IpamView {
  bool allocations = false;       // each address, and who has it
  bool resting = false;           // each address that rests
  std::optional<Prefix> block{};  // only blocks with addresses of this prefix
  std::string container{};        // only allocations of containers whose id begins so

  bool is_of_allocations() const { return allocations || !container.empty(); }
};

// What `ipam release` gives back.
struct IpamRelease {
  IpAddress address{};
  std::string container{};  // whose it must be; empty: anybody's
  bool force = false;       // also of a sandbox that is alive
};

// What `ipam import` takes over.
struct IpamImport {
  std::string folder{};   // of host-local, for one network
  std::string network{};  // its name; empty: that of the folder
};

struct Options {
  Action action = Action::kVersion;
  std::string socket;
  std::string state_dir;
  Format format = Format::kTable;
  control::RouteQuery routes{};       // of kRoutes
  control::PolicyTest policy_test{};  // of kPolicyTest
  control::FlowQuestion flow{};       // of kPolicySimulate
  control::LeaseRequest lease{};      // of kAdvertise, kWithdraw
  control::DrainRequest drain{};      // of kDrain
  IpamView ipam{};                    // of kIpamShow
  IpamRelease release{};              // of kIpamRelease
  bool apply = false;                 // of kIpamRepair
  IpamImport import_from{};           // of kIpamImport
};

// Either what to do, or the exit code after the help or the complaint has been printed.
std::variant<Options, int> parse_options(int argc, const char* const* argv);

}  // namespace towpath::cli
