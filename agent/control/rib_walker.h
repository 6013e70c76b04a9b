// Rows of the BGP tables: loc-rib, adj-rib-in, adj-rib-out.
//
// A walk goes from peer to peer (adj-rib-in and -out) and from prefix to prefix, with a key as cursor. Peers
// are kept by name: one that is removed between two slices is passed over.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/control/mrt_writer.h"
#include "agent/control/row_source.h"
#include "towpath/bgp/speaker.h"
#include "towpath/control/protocol.h"

namespace towpath::agent {

class RibWalker final : public RowSource {
 public:
  // `speaker` outlives the walker. The peer of the query, if any, must exist. With `mrt` its records take the
  // place of rows.
  RibWalker(const bgp::Speaker& speaker, control::RouteQuery query, std::optional<MrtWriter> mrt);
  bool next_slice(RowWriter& rows) override;

 private:
  bgp::WalkCursor start() const;
  bool next_peer();
  bool is_asked_for(const bgp::RouteRow& route) const;
  void write_row(RowWriter& rows, const bgp::RouteRow& route) const;

  const bgp::Speaker& speaker_;
  control::RouteQuery query_;
  std::optional<MrtWriter> mrt_;
  bgp::RibView view_ = bgp::RibView::kLocRib;
  std::vector<std::string> peers_;  // still to walk, the current one last; empty for loc-rib
  bgp::WalkCursor cursor_;
  std::vector<bgp::RouteRow> slice_;
};

}  // namespace towpath::agent
