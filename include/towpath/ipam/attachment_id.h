// Names one attachment: one interface of one container. The runtime gives both parts, and the pair is unique
// on a host.
#pragma once

#include <compare>
#include <string>

namespace towpath::ipam {

struct AttachmentId {
  std::string container_id;
  std::string ifname;  // inside the sandbox

  // "container/ifname", as it stands in the alias of the host-side interface.
  std::string to_string() const { return container_id + '/' + ifname; }

  friend auto operator<=>(const AttachmentId&, const AttachmentId&) = default;
};

}  // namespace towpath::ipam
