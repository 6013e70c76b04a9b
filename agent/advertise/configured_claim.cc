#include "agent/advertise/configured_claim.h"

#include <fmt/format.h>

#include <algorithm>

namespace towpath::agent {

std::optional<std::string> why_not_claim(const Prefix& prefix, const std::vector<Prefix>& blocks,
                                         const std::vector<bgp::PeerConfig>& peers) {
  for (const Prefix& block : blocks) {
    if (block == prefix) return "is a block of this host already";
    if (block.contains(prefix)) return std::nullopt;
  }
  for (const bgp::PeerConfig& peer : peers) {
    if (!peer.authorisation) continue;
    for (const bgp::RouteRule& rule : peer.authorisation->rules()) {
      if (rule.verdict != bgp::Verdict::kAccept) continue;
      const auto meets = [&](const bgp::PrefixRange& block) { return block.within.overlaps(prefix); };
      const auto block = std::ranges::find_if(rule.match.prefixes, meets);
      if (block == rule.match.prefixes.end()) continue;
      return fmt::format("meets {}, a block of {}", block->within.to_string(), peer.name);
    }
  }
  return std::nullopt;
}

}  // namespace towpath::agent
