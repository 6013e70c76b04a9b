// The policies of this host: files of Kubernetes' own YAML -> PolicySet, or everything that is wrong with
// them.
//
// Model
//   A directory is taken whole or refused whole, and so is each text. Read are the files whose names end in
//   .yaml, .yml or .json and do not begin with a dot, in the order of their names, not those of folders in
//   it. A file holds any number of objects: documents, and the items of lists. Objects are NetworkPolicy
//   (networking.k8s.io/v1) and Namespace (v1, for its labels); another kind is an error, so that nobody
//   relies on an object that does nothing. Rules and defaults are those of the Kubernetes API; what its
//   server would refuse is refused here.
//
// Each complaint is one line: "file:line: NetworkPolicy shop/db: spec.podSelector: value 'x': reason".
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "towpath/policy/network_policy.h"

namespace towpath::agent {

struct PolicyFile {
  std::string name;
  std::string text;
};

// At least one line; in the order of the files.
using PolicyErrors = std::vector<std::string>;

std::expected<policy::PolicySet, PolicyErrors> parse_policies(const std::vector<PolicyFile>& files);

// Nothing: there is no such directory.
std::expected<std::optional<policy::PolicySet>, PolicyErrors> load_policies(const std::string& directory);

}  // namespace towpath::agent
