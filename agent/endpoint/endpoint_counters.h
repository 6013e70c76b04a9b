// What the agent says about the endpoints of its host: part of the row of `status`.
#pragma once

#include <cstddef>
#include <cstdint>

namespace towpath::agent {

struct EndpointCounters {
  std::size_t endpoints = 0;         // known, pending ones too
  std::size_t borrowed = 0;          // addresses of other hosts' blocks that live endpoints have
  std::size_t ports = 0;             // elements of port mappings in the kernel
  std::size_t ports_refused = 0;     // endpoints whose mappings another one holds
  std::uint64_t released = 0;        // by the agent, because their sandbox was gone
  std::uint64_t rules_repaired = 0;  // times that somebody had changed the rules
  std::uint64_t repaired = 0;        // endpoints put right, each time (EndpointKeeper)
};

}  // namespace towpath::agent
