// The kernel as the owner of port mappings, and of the other rules in their table, sees it: a border, so that
// tests can put a fake in its place.
//
// Blocking; used by the thread of PortWriter only.
#pragma once

#include "towpath/base/error.h"
#include "towpath/netlink/port_maps.h"

namespace towpath::agent {

class PortKernel {
 public:
  virtual ~PortKernel() = default;
  virtual Result<netlink::PortState> adopt() = 0;
  // All of it or nothing.
  virtual Status change(const netlink::PortChange& change) = 0;
  // The rules of the table that are no port mappings are there again, whoever took them away.
  virtual Status protect() = 0;
};

}  // namespace towpath::agent
