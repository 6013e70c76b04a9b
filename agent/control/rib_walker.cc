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

RibWalker::RibWalker(const bgp::Speaker& speaker, control::RouteQuery query, std::optional<MrtWriter> mrt)
    : speaker_(speaker),
      query_(std::move(query)),
      mrt_(std::move(mrt)),
      view_(view_of(query_.table)),
      cursor_(start()) {
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

bool RibWalker::is_asked_for(const bgp::RouteRow& route) const {
  if (!query_.matches(route.prefix)) return false;
  // Those of a peer come from its own table, but of the loc-rib.
  return view_ != RibView::kLocRib || !query_.peer || speaker_.peer_name(route.peer) == *query_.peer;
}

void RibWalker::write_row(RowWriter& rows, const bgp::RouteRow& route) const {
  rows.row([&](JsonWriter& json) {
    json.field("table", word_for(control::kRouteTables, query_.table));
    if (view_ == RibView::kAdjRibOut) json.field("to", peers_.back());
    json.field("family", format(route.prefix.family()))
        .field("prefix", route.prefix.to_string())
        .field("peer", speaker_.peer_name(route.peer));
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

bool RibWalker::next_slice(RowWriter& rows) {
  const bool per_peer = view_ != RibView::kLocRib;
  slice_.clear();
  const auto peer = !per_peer        ? std::optional(bgp::kLocalPeer)
                    : peers_.empty() ? std::nullopt
                                     : speaker_.find_peer(peers_.back());
  if (peer) speaker_.walk(view_, *peer, cursor_, kSliceEntries, slice_);
  std::erase_if(slice_, [&](const bgp::RouteRow& route) { return !is_asked_for(route); });
  if (mrt_) {
    mrt_->write(rows, slice_);
  } else {
    for (const bgp::RouteRow& route : slice_) write_row(rows, route);
  }
  if (peer && !cursor_.done) return true;
  return per_peer && !peers_.empty() && next_peer();
}

}  // namespace towpath::agent
