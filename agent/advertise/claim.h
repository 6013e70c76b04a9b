// Whether this host may announce a prefix, as far as it can know: the blocks of other hosts are not for it.
#pragma once

#include "agent/config/agent_config.h"
#include "towpath/base/error.h"
#include "towpath/base/prefix.h"
#include "towpath/bgp/speaker.h"

namespace towpath::agent {

// kConflict: it is an own block already, or meets inside the pools a block of another host: one that the
// configuration names, or one that a peer announces. A single address that peers announce, too, is no
// conflict: several hosts may serve it (anycast). kUnavailable: there is too much to compare it with.
Status check_claim(const Prefix& prefix, const AgentConfig& config, const bgp::Speaker& speaker);

}  // namespace towpath::agent
