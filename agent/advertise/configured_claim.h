// Whether the configuration speaks against announcing a prefix from this host. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "towpath/base/prefix.h"
#include "towpath/bgp/config.h"

namespace towpath::agent {

// In words that follow the prefix ("is a block of this host already"); nothing: it does not. A prefix inside
// an own block is this host's to announce.
std::optional<std::string> why_not_claim(const Prefix& prefix, const std::vector<Prefix>& blocks,
                                         const std::vector<bgp::PeerConfig>& peers);

}  // namespace towpath::agent
