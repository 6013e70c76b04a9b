// Rows of the kernel's routes: table `kernel` (what is there), table `diff` (where that is not what is
// wanted).
//
// What is there is what RouteSyncer believes: it reads the kernel at the start, hears of every change by
// others, and knows its own writes. First all own blocks, then all learned routes, each in the order of
// prefixes.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "agent/control/row_source.h"
#include "agent/dataplane/route_syncer.h"
#include "towpath/base/prefix.h"
#include "towpath/control/protocol.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::agent {

// Names of interfaces for next hops. Where a next hop names no interface, the kernel is asked which one it
// takes. Answers are kept, since a table has many routes and few next hops; make one for each reply.
class DeviceNames {
 public:
  std::string name_for(const netlink::NextHop& hop);

 private:
  std::string look_up(const netlink::NextHop& hop);
  std::optional<netlink::NetlinkSocket> socket_;
  std::map<netlink::NextHop, std::string> known_;
};

class KernelRows final : public RowSource {
 public:
  // `routes` outlives the rows. The table of the query is kKernel or kDiff.
  KernelRows(const RouteSyncer& routes, control::RouteQuery query)
      : routes_(routes), query_(std::move(query)) {}
  bool next_slice(RowWriter& rows) override;

 private:
  void write(RowWriter& rows, const RouteRow& route);

  const RouteSyncer& routes_;
  control::RouteQuery query_;
  RouteRole role_ = RouteRole::kOwnBlock;
  Prefix next_;  // 0.0.0.0/0 is the first of all
  DeviceNames devices_;
};

}  // namespace towpath::agent
