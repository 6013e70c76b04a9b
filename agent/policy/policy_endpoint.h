// An endpoint record as policies see it.
//
// The namespace is K8S_POD_NAMESPACE, or "default" where the runtime tells none. Labels are args.cni.labels.
// The label port.towpath/NAME names a port: "8080" (TCP), "53-UDP", "9-SCTP"; a value of another form names
// none.
#pragma once

#include <optional>

#include "towpath/ipam/endpoint_record.h"
#include "towpath/policy/endpoint.h"

namespace towpath::agent {

// Nothing for records without an interface of ours: those of a pending ADD, or of the stand-alone IPAM
// plugin.
std::optional<policy::Endpoint> policy_endpoint(const ipam::EndpointRecord& record);

}  // namespace towpath::agent
