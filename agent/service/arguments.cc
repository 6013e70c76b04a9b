#include "agent/service/arguments.h"

#include <fmt/format.h>
#include <getopt.h>

#include <cstdio>

#include "agent/service/exit_code.h"

namespace towpath::agent {
namespace {

constexpr const char* kUsage =
    R"(towpathd: the Towpath agent. Speaks BGP, and writes what it learns into the kernel's routing table.
Runs in the foreground and logs to standard error. SIGHUP re-reads the configuration; SIGTERM ends it and leaves all
routes in place.

usage: towpathd [--config FILE] [--check-config]
  --config FILE    default /etc/towpath/towpathd.yaml
  --check-config   say what is wrong with the file, if anything, and exit
  --version
  --help
)";

}  // namespace

std::variant<Arguments, int> parse_arguments(int argc, char** argv) {
  enum : int { kConfig = 1, kCheck, kVersion, kHelp };
  const option options[] = {{"config", required_argument, nullptr, kConfig},
                            {"check-config", no_argument, nullptr, kCheck},
                            {"version", no_argument, nullptr, kVersion},
                            {"help", no_argument, nullptr, kHelp},
                            {nullptr, 0, nullptr, 0}};
  Arguments arguments;
  for (int found = 0; (found = ::getopt_long(argc, argv, "", options, nullptr)) != -1;) {
    switch (found) {
      case kConfig: arguments.config_path = optarg; break;
      case kCheck: arguments.check_config = true; break;
      case kVersion: fmt::print("towpathd {}\n", TOWPATH_VERSION); return kExitOk;
      case kHelp: fmt::print("{}", kUsage); return kExitOk;
      default: fmt::print(stderr, "towpathd --help lists the options\n"); return kExitUsage;
    }
  }
  if (optind < argc) {
    fmt::print(stderr, "towpathd: unknown argument '{}'; towpathd --help lists the options\n", argv[optind]);
    return kExitUsage;
  }
  return arguments;
}

}  // namespace towpath::agent
