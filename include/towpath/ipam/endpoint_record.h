// EndpointRecord: what the state store holds about one attachment, from the intent at the start of ADD to the
// end of DEL.
//
// Pending, the record says which addresses an ADD has taken and for whom; the fields marked (live) are empty
// then. Live, it says everything that is needed to check or remove the endpoint without the configuration
// that made it, which may have changed since. Records of the stand-alone IPAM plugin are live from the start
// and have no host-side interface.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "towpath/base/address.h"
#include "towpath/base/clock.h"
#include "towpath/base/mac_address.h"
#include "towpath/base/prefix.h"
#include "towpath/ipam/allocation.h"
#include "towpath/ipam/attachment_id.h"
#include "towpath/ipam/port_mapping.h"

namespace towpath::ipam {

// The type of records whose addresses are ours to give back.
inline constexpr const char* kOwnIpamType = "towpath-ipam";

// An address as another IPAM plugin gave it; the endpoint has it as a /32 or /128, by a next hop of ours.
struct DelegatedAddress {
  InterfaceAddress address;
  std::optional<IpAddress> gateway;
  friend bool operator==(const DelegatedAddress&, const DelegatedAddress&) = default;
};

struct EndpointRecord {
  AttachmentId attachment;
  std::string network;  // the `name` of the network configuration
  std::string sandbox;  // the path given as CNI_NETNS
  std::uint64_t sandbox_inode =
      0;  // of the network namespace at that path; tells a new sandbox from the old one
  WallTime created;
  std::uint64_t generation = 0;  // unique in the life of a store; grows
  AllocationState state = AllocationState::kPending;
  std::vector<BlockAddress> allocated;  // from our blocks; empty if another IPAM plugin gave the addresses
  std::string ipam_type;                // "towpath-ipam", or the plugin that gave the addresses

  std::string host_ifname;                    // (live) empty for records of the stand-alone IPAM plugin
  MacAddress mac;                             // (live) inside the sandbox
  std::uint32_t mtu = 0;                      // (live)
  std::vector<IpAddress> addresses;           // (live) of the endpoint, whoever allocated them
  std::map<std::string, std::string> labels;  // args.cni.labels of the configuration
  std::map<std::string, std::string> pod;     // the K8S_POD_* keys of CNI_ARGS
  std::vector<PortMapping> ports;             // (live) the agent keeps these in the kernel
  Bandwidth bandwidth;                        // (live)
  // (live) What `ipam_type` said, if that is another plugin: its CHECK is told the same.
  std::vector<DelegatedAddress> delegated;

  // Where mapped ports of the host lead to: the first address of each family.
  std::optional<IpAddress> port_target(AddressFamily family) const;

  friend bool operator==(const EndpointRecord&, const EndpointRecord&) = default;
};

}  // namespace towpath::ipam
