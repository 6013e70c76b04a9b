// Rows of `bfd`.
#pragma once

#include "agent/control/row_source.h"
#include "towpath/bfd/service.h"
#include "towpath/bgp/speaker.h"

namespace towpath::agent {

// At most one session for each peer: one slice.
class BfdRows final : public RowSource {
 public:
  // Both outlive the rows.
  BfdRows(const bfd::Service& service, const bgp::Speaker& speaker) : service_(service), speaker_(speaker) {}
  bool next_slice(RowWriter& rows) override;

 private:
  const bfd::Service& service_;
  const bgp::Speaker& speaker_;  // for the names of the peers
};

}  // namespace towpath::agent
