// Names one attachment: one interface of one container. The runtime gives both parts, and the pair is unique
// on a host.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace towpath::ipam {

struct AttachmentId {
  std::string container_id;
  std::string ifname;  // inside the sandbox

  // "container/ifname", as it stands in the alias of the host-side interface.
  std::string to_string() const { return container_id + '/' + ifname; }

  friend auto operator<=>(const AttachmentId&, const AttachmentId&) = default;
};

// The form of container ids and of network names (CNI specification 1.1.0, "Parameters"): a letter or digit
// of ASCII, then those, '_', '.' and '-'.
bool is_cni_identifier(std::string_view text);

// 1 to 15 octets that the kernel takes as an interface name (dev_valid_name()), and takes as they are: '%' it
// reads as a template, and "all" and "default" stand for more than one interface in net.ipv4.conf. No control
// characters, which would garble every list of interfaces.
bool is_interface_name(std::string_view text);

}  // namespace towpath::ipam
