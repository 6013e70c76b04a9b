// towpath: one container's part of the network. Everything that is local to the container is made here, by
// one process that starts, works and ends; nothing of it needs the agent.
#pragma once

#include "plugins/common/run_plugin.h"

namespace towpath::cni {

PluginHandlers towpath_plugin();

}  // namespace towpath::cni
