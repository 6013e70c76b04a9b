// The command line of towpathctl as values.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "cli/output.h"
#include "towpath/control/protocol.h"

namespace towpath::cli {

enum class Action { kRoutes, kPeers, kBfd, kStatus, kVersion, kEndpoints, kIpam };

struct Options {
  Action action = Action::kVersion;
  std::string socket;
  std::string state_dir;
  Format format = Format::kTable;
  control::RouteQuery routes{};  // of kRoutes
  bool allocations = false;      // of kIpam
};

// Either what to do, or the exit code after the help or the complaint has been printed.
std::variant<Options, int> parse_options(int argc, const char* const* argv);

}  // namespace towpath::cli
