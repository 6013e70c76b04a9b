// Routes of a BGP table as MRT records (towpath/bgp/mrt.h), one in each row, as hexadecimal text: the control
// protocol is lines of JSON.
//
// Place 0 of the table of peers is this host, for what it originates. A peer that is configured while the
// dump runs has no place in it, and its paths are left out.
#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "agent/control/row_source.h"
#include "towpath/base/clock.h"
#include "towpath/bgp/mrt.h"
#include "towpath/bgp/speaker.h"

namespace towpath::agent {

class MrtWriter {
 public:
  // `speaker` outlives the writer.
  MrtWriter(const bgp::Speaker& speaker, RouterId router_id, AsNumber as, WallTime now);

  // All paths of a prefix are in one slice, one behind the other. The first call, also with none, writes the
  // table of peers before them.
  void write(RowWriter& rows, std::span<const bgp::RouteRow> slice);

 private:
  void write_peers(RowWriter& rows);
  void write_route(RowWriter& rows, std::span<const bgp::RouteRow> paths);

  const bgp::Speaker& speaker_;
  bgp::MrtPeer self_;
  std::uint32_t now_;
  bool has_peers_ = false;
  std::uint32_t sequence_ = 0;
  std::map<bgp::PeerId, std::uint16_t> places_;
};

}  // namespace towpath::agent
