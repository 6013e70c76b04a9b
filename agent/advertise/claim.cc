#include "agent/advertise/claim.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/advertise/configured_claim.h"

namespace towpath::agent {
namespace {

using bgp::RouteRow;

constexpr std::size_t kSlice = 512;
// A peer that floods the pools with what is not even accepted must not hold up the loop.
constexpr std::size_t kMostSlices = 64;

bool contains(const std::vector<Prefix>& all, const Prefix& prefix) {
  return std::ranges::any_of(all, [&](const Prefix& p) { return p.contains(prefix); });
}

std::unexpected<Error> taken(const Prefix& prefix, std::string_view by) {
  return fail(ErrorKind::kConflict, fmt::format("prefix: value '{}': {}", prefix.to_string(), by));
}

std::string block_of(const RouteRow& row, const bgp::Speaker& speaker) {
  return fmt::format("meets {}, which {} announces", row.prefix.to_string(), speaker.peer_name(row.peer));
}

bool is_learned(const RouteRow& row) {
  return row.peer != bgp::kLocalPeer && row.exclusion == bgp::PathExclusion::kNone;
}

// The first learned route inside `within` that is another one than the single address `prefix`.
Result<std::optional<RouteRow>> find_inside(const Prefix& within, const Prefix& prefix,
                                            const bgp::Speaker& speaker) {
  auto cursor = bgp::WalkCursor::inside(within);
  std::vector<RouteRow> rows;
  for (std::size_t slices = 0; !cursor.done; ++slices) {
    if (slices == kMostSlices) {
      return fail(ErrorKind::kUnavailable,
                  fmt::format("too many routes inside {} to compare with", within.to_string()));
    }
    rows.clear();
    speaker.walk(bgp::RibView::kLocRib, bgp::kLocalPeer, cursor, kSlice, rows);
    for (const RouteRow& row : rows) {
      const bool shared = row.prefix == prefix && prefix.is_host();
      if (is_learned(row) && !shared) return row;
    }
  }
  return std::nullopt;
}

// A learned route inside the pools that covers the prefix.
std::optional<RouteRow> find_covering(const Prefix& prefix, const Prefix& pool, const bgp::Speaker& speaker) {
  std::vector<RouteRow> rows;
  for (unsigned length = pool.length(); length < prefix.length(); ++length) {
    const Prefix covering = *Prefix::make(prefix.address(), length);
    auto cursor = bgp::WalkCursor::inside(covering);
    rows.clear();
    speaker.walk(bgp::RibView::kLocRib, bgp::kLocalPeer, cursor, 1, rows);
    for (const RouteRow& row : rows) {
      if (row.prefix == covering && is_learned(row)) return row;
    }
  }
  return std::nullopt;
}

}  // namespace

Status check_claim(const Prefix& prefix, const AgentConfig& config, const bgp::Speaker& speaker) {
  if (const auto reason = why_not_claim(prefix, config.blocks, config.speaker.peers))
    return taken(prefix, *reason);
  if (contains(config.blocks, prefix)) return {};
  for (const Prefix& pool : config.pools) {
    if (!pool.overlaps(prefix)) continue;
    TOWPATH_TRY(const auto inside, find_inside(pool.contains(prefix) ? prefix : pool, prefix, speaker));
    if (inside) return taken(prefix, block_of(*inside, speaker));
    const auto covering = find_covering(prefix, pool, speaker);
    if (covering) return taken(prefix, block_of(*covering, speaker));
  }
  return {};
}

}  // namespace towpath::agent
