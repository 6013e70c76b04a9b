// What the reference IPAM plugin host-local keeps on disk: a folder for each network, in it a file for each
// address, whose name is the address and whose content is the container id, CR LF, and the interface name
// (cni plugins/ipam/host-local/backend/disk). Beside them `lock` and `last_reserved_ip.N`, one for each set
// of ranges. Pure: files in, attachments out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/ipam/attachment_id.h"

namespace towpath::ipam {

struct HostLocalFile {
  std::string name{};
  std::string content{};
};

// The addresses of one attachment, in the order of their files.
struct HostLocalAttachment {
  AttachmentId attachment{};
  std::vector<IpAddress> addresses{};
  friend bool operator==(const HostLocalAttachment&, const HostLocalAttachment&) = default;
};

// Ordered by attachment. `folder` is for messages. kInvalid, naming the first file that host-local does not
// make, or whose container it cannot know (it was killed while it wrote).
Result<std::vector<HostLocalAttachment>> parse_host_local(const std::string& folder,
                                                          std::span<const HostLocalFile> files);

}  // namespace towpath::ipam
