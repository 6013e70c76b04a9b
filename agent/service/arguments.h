// The command line of towpathd.
#pragma once

#include <string>
#include <variant>

namespace towpath::agent {

struct Arguments {
  std::string config_path = "/etc/towpath/towpathd.yaml";
  bool check_config = false;  // only say whether the file is valid
};

// Either what to do, or the exit code after the help, the version or a complaint has been printed.
std::variant<Arguments, int> parse_arguments(int argc, char** argv);

}  // namespace towpath::agent
