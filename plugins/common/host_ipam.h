// The steps of address allocation that both plugins share: towpath-ipam does nothing else, towpath does them
// in-process.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugins/common/cni_error.h"
#include "plugins/common/cni_request.h"
#include "plugins/common/cni_result.h"
#include "towpath/base/clock.h"
#include "towpath/ipam/address_choice.h"
#include "towpath/ipam/endpoint_record.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cni {

inline constexpr const char* kOwnIpamType = "towpath-ipam";

// What a network configuration and the runtime say about addresses (ipam_config.cc).
//
// Where addresses come from, each step only if the one before says nothing: the ranges that the runtime asks
// for (`ipRanges`), `ipam.blocks`, and the blocks that this host owns. Of those, a pool takes a part: the one
// that is asked for by name, or the first of `ipam.pools` whose `namespaces` hold the pod's, or the first
// without `namespaces`. Addresses asked for by name: the `ips` capability, args.cni.ips, and IP in CNI_ARGS.
struct IpamConfig {
  std::string type = kOwnIpamType;
  std::string state_dir = ipam::kDefaultStateDir;
  ipam::AddressChoice choice;
  std::vector<CniRoute> routes;               // for the container; empty: default routes
  std::map<std::string, std::string> labels;  // args.cni.labels

  bool is_own() const { return type == kOwnIpamType; }
  // The `ipam` object may be missing; then the type is ours. That of another plugin is not looked into. For
  // DEL and GC only type and state directory are read.
  static CniExpected<IpamConfig> parse(const CniRequest& request);
};

// A request for the store that says who asks. `state` is what the new record is to be.
ipam::ReserveRequest make_reserve_request(const CniRequest& request, const IpamConfig& config,
                                          ipam::AllocationState state, WallTime now);

// Reserves; where a record of the attachment is in the way, asks `give_way` whether it can be replaced, and
// takes its place if so. With the record its addresses become free, so by then nothing on this host may
// answer for them any more: `give_way` sees to that. kInvalidEnvironment if the attachment is alive.
using GiveWay = std::function<CniExpected<bool>(const ipam::EndpointRecord&)>;
CniExpected<ipam::EndpointRecord> reserve(ipam::StateStore& store, ipam::ReserveRequest request,
                                          const GiveWay& give_way);

// Is the network namespace of the record still the one at its path?
bool sandbox_is_alive(const ipam::EndpointRecord& record, const LookAtNetns& look = look_at_netns);

// The records that GC may remove: of this network, not in the list of the runtime, and without a living
// sandbox. A sandbox outlives its path where a process is still in it: then the other end of the host's
// interface is alive, as `has_living_peer` says; where there never was one, the path's directory must be
// there to say that the sandbox is not.
using HasLivingPeer = std::function<bool(const ipam::EndpointRecord&)>;
CniExpected<std::vector<ipam::EndpointRecord>> stale_records(const ipam::StateStore& store,
                                                             const CniRequest& request,
                                                             const HasLivingPeer& has_living_peer);

// Opens the store for a verb that has nothing to do if there is none (DEL, GC): nothing then.
CniExpected<std::optional<ipam::StateStore>> open_existing(const std::string& state_dir);

// Whether ADD would find addresses; kNotAvailable with the reason if not.
CniStatus check_addresses_available(const IpamConfig& config);

// The error of a verb that failed for several objects: all reasons in one message.
CniStatus join_errors(const std::vector<CniError>& errors);

}  // namespace towpath::cni
