// One object of Kubernetes' YAML -> its value. Complaints go to the Diagnostics of the Value.
#pragma once

#include "agent/config/yaml_reader.h"
#include "towpath/policy/network_policy.h"
#include "towpath/policy/selector.h"

namespace towpath::agent {

struct ObjectMeta {
  std::string name_space;  // "default" if the object does not say
  std::string name;
  policy::Labels labels;
};

// `section` is the object.
ObjectMeta read_meta(Section& section, bool has_namespace);
// `section` is the object, whose metadata and kind were read.
policy::NetworkPolicy read_network_policy(Section& section, const ObjectMeta& meta);

}  // namespace towpath::agent
