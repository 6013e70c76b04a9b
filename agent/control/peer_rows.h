// Rows of `peers`.
#pragma once

#include "agent/control/row_source.h"
#include "towpath/bgp/speaker.h"

namespace towpath::agent {

// Hosts have tens of peers, at most a few thousand: one slice.
class PeerRows final : public RowSource {
 public:
  // `speaker` outlives the rows.
  explicit PeerRows(const bgp::Speaker& speaker) : speaker_(speaker) {}
  bool next_slice(RowWriter& rows) override;

 private:
  const bgp::Speaker& speaker_;
};

}  // namespace towpath::agent
