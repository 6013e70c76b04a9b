// One question to the agent on its control socket (docs/control-protocol.md), with a deadline.
//
// Most calls of a plugin do not need the agent; those that do cannot wait for ever for one that hangs.
//
// Failure: kUnavailable when nobody answers in time, and when the agent is too busy to take another client.
// Blocks up to the deadline. Threading: none of its own.
#pragma once

#include <chrono>
#include <string>

#include "plugins/common/json_object.h"
#include "towpath/base/error.h"
#include "towpath/control/protocol.h"

namespace towpath::cni {

struct AgentReply {
  control::Code code = control::Code::kEnd;  // of its last line
  std::string message;                       // of an error
  Json row;                                  // the first one, or null
};

Result<AgentReply> ask_agent(const std::string& socket_path, std::string_view command, const Json& arguments,
                             std::chrono::milliseconds deadline);

}  // namespace towpath::cni
