// The plugin under test: where it is, what it is configured with, and which versions it says it speaks.
#pragma once

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/requirement.h"
#include "towpath/base/error.h"

namespace towpath::conformance {

// Every released version, oldest first.
inline constexpr std::array<std::string_view, 7> kVersions{"0.1.0", "0.2.0", "0.3.0", "0.3.1",
                                                           "0.4.0", "1.0.0", "1.1.0"};
inline constexpr std::string_view kNewestVersion = kVersions.back();

// A negative number when `a` is older than `b`. Both must be in kVersions.
int compare_versions(std::string_view a, std::string_view b);
bool is_known_version(std::string_view version);

// A network configuration: of a list, or of a single plugin.
struct Network {
  std::string name;
  std::vector<nlohmann::json> plugins;
};

// `text` is a conflist or a single plugin configuration. kInvalid names what is missing.
Result<Network> parse_network(std::string_view text);

struct Subject {
  std::vector<std::string> directories;  // CNI_PATH
  Kind kind = kMain;
  std::string config;        // text; "@DIR@" stands for a folder that is fresh for each requirement
  std::string small_config;  // the same with a small pool; may be equal
  std::map<std::string, std::string> environment;  // besides CNI_*
  std::string host_setup;  // shell command run in each fresh host namespace; may be empty
  std::string newest;      // no newer version is used, if not empty: a delegate may be older than the plugin
  std::size_t pool_limit = 64;  // a pool that is not used up after this many ADDs counts as large

  std::vector<std::string> versions;    // supportedVersions; empty until probed, or if VERSION fails
  std::string version{kNewestVersion};  // the newest one of them that the specification knows

  // Does VERSION list it, and may it be used?
  bool speaks(std::string_view some_version) const;
  bool is_held_below(std::string_view some_version) const;
  // Full path of an executable in `directories`; kNotFound names the folders.
  Result<std::string> find(std::string_view type) const;
  // What a plugin configuration's executable is called: its type, or for IPAM its ipam.type.
  std::string executable_name(const nlohmann::json& plugin) const;
};

}  // namespace towpath::conformance
