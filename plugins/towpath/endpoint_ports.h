// What the agent does for one endpoint, from the plugin's side: it keeps port mappings and network policies
// in the kernel, the plugin tells it that the record changed, and CHECK reads what is there of the mappings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/common/cni_error.h"
#include "plugins/towpath/network_config.h"
#include "towpath/ipam/endpoint_record.h"

namespace towpath::cni {

// Network policies are on: a container has traffic when the agent has read its record, and not before.
bool has_policies(const NetworkConfig& config);

// For STATUS, of a network whose containers may ask for ports, or that has policies. kLimited: the agent does
// not answer; then nobody announces this host's containers to others either.
CniStatus check_agent(const NetworkConfig& config);

// A mapping of an address of the host needs an address of the container of the same family.
CniStatus check_port_families(const ipam::EndpointRecord& record);

// Waits until the kernel has what the committed record says, for `what`: "port mappings". kTryAgainLater: the
// agent is away or cannot; kPortTaken: another container holds the port.
CniStatus wait_for_agent(const NetworkConfig& config, const ipam::AttachmentId& attachment,
                         std::string_view what);
// The record is gone, or has a borrowed address, which the agent announces. It would see that within a second
// or two by itself; one that is away does what there is to do when it is back. False: it did not answer.
bool tell_agent(const NetworkConfig& config, const ipam::AttachmentId& attachment);
// In place of an agent that did not answer: the mappings of a record that is gone would lead to whoever gets
// its address next. What fails is left to the agent.
void take_ports_back(const ipam::EndpointRecord& record);
// Whether the agent has to hear that the record is there, or is gone.
bool concerns_agent(const ipam::EndpointRecord& record);

// kCheckFailed says the first mapping that is not in the kernel, or leads elsewhere.
CniStatus check_ports(const ipam::EndpointRecord& record);

}  // namespace towpath::cni
