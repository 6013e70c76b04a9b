#include "conformance/requirement.h"

namespace towpath::conformance {

const std::vector<Requirement>& all_requirements() {
  static const std::vector<Requirement> all = [] {
    std::vector<Requirement> joined;
    for (auto* table : {&version_requirements, &env_requirements, &error_requirements, &add_requirements,
                        &result_requirements, &del_requirements, &check_requirements, &gc_requirements,
                        &status_requirements, &chaining_requirements, &delegation_requirements,
                        &pool_requirements, &concurrency_requirements, &traffic_requirements}) {
      auto part = (*table)();
      joined.insert(joined.end(), part.begin(), part.end());
    }
    return joined;
  }();
  return all;
}

}  // namespace towpath::conformance
