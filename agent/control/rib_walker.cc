#include "agent/control/rib_walker.h"

#include <algorithm>
#include <utility>

#include "agent/control/route_fields.h"

namespace towpath::agent {
namespace {

using bgp::RibView;
using control::RouteTable;

RibView view_of(RouteTable table) {
  switch (table) {
    case RouteTable::kAdjRibIn: return RibView::kAdjRibIn;
    case RouteTable::kAdjRibOut: return RibView::kAdjRibOut;
    default: return RibView::kLocRib;
  }
}

}  // namespace

RibWalker::RibWalker(const bgp::Speaker& speaker, control::RouteQuery query)
    : speaker_(speaker), query_(std::move(query)), view_(view_of(query_.table)), cursor_(start()) {
  if (view_ == RibView::kLocRib) return;
  if (query_.peer) {
    peers_.push_back(*query_.peer);
  } else {
    for (const auto& peer : speaker_.peers()) peers_.push_back(peer.name);
    std::ranges::reverse(peers_);
  }
}

bgp::WalkCursor RibWalker::start() const {
  return query_.prefix ? bgp::WalkCursor::inside(*query_.prefix) : bgp::WalkCursor{};
}

bool RibWalker::next_peer() {
  peers_.pop_back();
  cursor_ = start();
  return !peers_.empty();
}

bool RibWalker::next_slice(RowWriter& rows) {
  const bool per_peer = view_ != RibView::kLocRib;
  if (per_peer && peers_.empty()) return false;
  const auto peer = per_peer ? speaker_.find_peer(peers_.back()) : bgp::kLocalPeer;
  if (!peer) return next_peer();

  slice_.clear();
  speaker_.walk(view_, *peer, cursor_, kSliceEntries, slice_);
  for (const bgp::RouteRow& route : slice_) {
    if (!query_.matches(route.prefix)) continue;
    const std::string_view source = speaker_.peer_name(route.peer);
    if (!per_peer && query_.peer && source != *query_.peer) continue;
    rows.row([&](JsonWriter& json) {
      json.field("table", word_for(control::kRouteTables, query_.table));
      if (view_ == RibView::kAdjRibOut) json.field("to", peers_.back());
      json.field("family", format(route.prefix.family()))
          .field("prefix", route.prefix.to_string())
          .field("peer", source);
      if (route.path_id != 0) json.field("path_id", route.path_id);
      json.field("best", route.best)
          .field("stale", route.stale)
          .field("filtered", route.exclusion != bgp::PathExclusion::kNone);
      if (route.exclusion != bgp::PathExclusion::kNone) json.field("reason", format(route.exclusion));
      // What goes out has the next hop that the peer is told, also for own routes.
      write_attributes(json, route.attributes, route.peer == bgp::kLocalPeer && view_ != RibView::kAdjRibOut);
      json.field("age_seconds", route.age_seconds);
    });
  }
  if (!cursor_.done) return true;
  return per_peer && next_peer();
}

}  // namespace towpath::agent
