// Runs another plugin as the specification says (section 4 "Plugin Delegation"): looked up in CNI_PATH, with
// the same environment but for CNI_COMMAND, the same configuration on its standard input, and its standard
// error passed through.
//
// Failure: the plugin's own error, with its code; kInvalidConfig if it is not in CNI_PATH or its name is a
// path. Blocks until the plugin ends. Changes nothing in this process.
#pragma once

#include <string>

#include "plugins/common/cni_error.h"
#include "plugins/common/cni_request.h"
#include "plugins/common/cni_result.h"

namespace towpath::cni {

// The result that the plugin printed, for ADD.
CniExpected<CniResult> delegate_add(const CniRequest& request, const std::string& plugin);
CniStatus delegate(const CniRequest& request, const std::string& plugin, CniCommand command);

}  // namespace towpath::cni
