// towpath-ipam: the host's allocator as an IPAM plugin for any main plugin.
//
// ADD prints the abbreviated result: addresses and routes, no interfaces. Its records are live at once, since
// this plugin does not see the end of the main plugin's ADD; should the main plugin be killed before it could
// ask for DEL, GC frees them.
#pragma once

#include "plugins/common/run_plugin.h"

namespace towpath::cni {

PluginHandlers ipam_plugin();

}  // namespace towpath::cni
