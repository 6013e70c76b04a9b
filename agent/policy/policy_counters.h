// What the agent says about network policies: part of the row of `status`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace towpath::agent {

struct PolicyCounters {
  bool is_on = false;
  bool refused = false;  // the files as they are now; what was in force before still is
  std::string problem{};
  std::size_t policies = 0;
  std::size_t chains = 0;
  std::size_t endpoints = 0;   // known
  std::uint64_t readings = 0;  // of the files, good ones and others
  std::uint64_t repaired = 0;
  std::uint64_t cut = 0;  // flows that were allowed before
};

}  // namespace towpath::agent
