// The `bfd` section of a peer -> the BFD session that watches the path to it.
#pragma once

#include "agent/config/yaml_reader.h"
#include "towpath/bfd/session_config.h"
#include "towpath/bgp/config.h"

namespace towpath::agent {

// The addresses come from the peer; a peer that may be several hops away (`ttl` over 1) is watched by a
// multihop session unless the section says otherwise.
bfd::SessionConfig read_bfd(const Value& value, const bgp::PeerConfig& peer);

}  // namespace towpath::agent
