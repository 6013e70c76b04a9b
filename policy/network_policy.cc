#include "towpath/policy/network_policy.h"

namespace towpath::policy {

Labels PolicySet::labels_of(std::string_view name_space) const {
  const auto found = namespaces.find(std::string(name_space));
  Labels labels = found == namespaces.end() ? Labels() : found->second;
  labels["kubernetes.io/metadata.name"] = name_space;
  return labels;
}

}  // namespace towpath::policy
