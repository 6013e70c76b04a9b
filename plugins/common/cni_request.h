// CniRequest: one call of a plugin, read and checked: the environment, the network configuration, the
// sandbox.
//
// parse_request() is where everything that a runtime can get wrong is found; what it returns needs no further
// look, except for the keys of a plugin's own. Pure but for the look at the sandbox, which is injected.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/common/cni_error.h"
#include "plugins/common/cni_result.h"
#include "plugins/common/cni_version.h"
#include "plugins/common/json_object.h"
#include "towpath/ipam/attachment_id.h"

namespace towpath::cni {

enum class CniCommand { kAdd, kDel, kCheck, kGc, kStatus, kVersion };

std::string_view format(CniCommand command);  // "ADD"
std::optional<CniCommand> parse_command(std::string_view text);
// DEL and GC. They must work with a configuration that went wrong after ADD, so of all its keys they read
// only those that say where to look: cniVersion, name, stateDir, controlSocket, networkPolicies and
// ipam.type.
constexpr bool only_removes(CniCommand command) {
  return command == CniCommand::kDel || command == CniCommand::kGc;
}

// The value of an environment variable; nothing if it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;

// What is at the path of a sandbox.
struct NetnsFacts {
  bool exists = false;
  bool is_netns = false;
  bool is_own = false;  // the namespace this process runs in
  std::uint64_t inode = 0;
};
using LookAtNetns = std::function<NetnsFacts(const std::string& path)>;
NetnsFacts look_at_netns(const std::string& path);

struct CniRequest {
  CniCommand command = CniCommand::kAdd;
  CniVersion version = kNewestVersion;
  std::string network;                      // `name` of the configuration
  ipam::AttachmentId attachment;            // empty for GC and STATUS
  std::string netns;                        // CNI_NETNS as given; may be empty for DEL
  std::uint64_t netns_inode = 0;            // 0: there is no network namespace at that path (DEL only)
  std::map<std::string, std::string> args;  // CNI_ARGS
  std::string args_text;                    // as given, for delegation
  std::vector<std::string> path;            // CNI_PATH
  std::string path_text;
  std::string config_text;  // stdin as it came, for delegation
  Json config;              // an object
  std::optional<CniResult> prev_result;
  // By a plugin of ours that delegates (kIpamCallVariable): addresses are asked for, nothing else.
  bool is_ipam_call = false;
  // GC: what the runtime still knows. Nothing at all is not the same as an empty list: without a list nothing
  // may be removed. JSON null is an empty list (that is how Go writes one).
  std::optional<std::vector<ipam::AttachmentId>> valid_attachments;
};

// Set for a plugin that one of ours executes for addresses, so that none takes itself for an IPAM plugin and
// executes itself for ever.
inline constexpr const char* kIpamCallVariable = "TOWPATH_IPAM_CALL";

// `command` is already known to be none of VERSION. On failure, `version_out` is the version in which to say
// so.
CniExpected<CniRequest> parse_request(CniCommand command, const Environment& environment,
                                      std::string config_text, const LookAtNetns& look,
                                      CniVersion& version_out);

}  // namespace towpath::cni
