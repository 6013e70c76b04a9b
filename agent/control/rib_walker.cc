#include "agent/control/rib_walker.h"

#include <algorithm>
#include <utility>

#include "towpath/bgp/path_attributes.h"

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

std::string_view format_origin(bgp::Origin origin) {
  switch (origin) {
    case bgp::Origin::kIgp: return "igp";
    case bgp::Origin::kEgp: return "egp";
    case bgp::Origin::kIncomplete: return "incomplete";
  }
  return "";
}

template <class Values>
void write_texts(JsonWriter& json, const Values& values) {
  for (const auto& value : values) json.value(value.to_string());
}

void write_attributes(JsonWriter& json, const bgp::PathAttributes& attributes, bool own) {
  // Own routes have no next hop: their packets end here.
  json.field("next_hop", own ? std::string() : attributes.next_hop.address.to_string());
  if (attributes.next_hop.link_local)
    json.field("next_hop_link_local", attributes.next_hop.link_local->to_string());
  json.field("origin", format_origin(attributes.origin)).field("as_path", attributes.as_path.to_string());
  if (attributes.local_pref) json.field("local_pref", *attributes.local_pref);
  if (attributes.med) json.field("med", *attributes.med);
  json.key("communities").begin_array();
  write_texts(json, attributes.communities);
  write_texts(json, attributes.extended_communities);
  write_texts(json, attributes.large_communities);
  json.end_array();
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
          .field("peer", source)
          .field("best", route.best)
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
