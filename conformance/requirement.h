// One requirement of the CNI specification: what it says in our words, where it stands, and the check that
// puts it to a plugin.
#pragma once

#include <string_view>
#include <vector>

#include "conformance/outcome.h"

namespace towpath::conformance {

class Trial;

// The words of RFC 2119 that the specification uses. A broken SHOULD is a warning.
enum class Level { kMust, kShould };

// Which kinds of plugin a requirement speaks of. kMain creates an interface, kIpam answers delegated calls
// about addresses, kMeta adjusts what an earlier plugin of the chain made.
enum Kind : unsigned { kMain = 1, kIpam = 2, kMeta = 4 };
inline constexpr unsigned kAnyKind = kMain | kIpam | kMeta;

// Which of the two configurations a check takes: the plain one, or the one whose pool is small enough to be
// used up.
enum class Pool { kAny, kSmall };

struct Requirement {
  std::string_view id;       // "ADD-03"; stable, so that other projects may refer to it
  std::string_view verb;     // the value of CNI_COMMAND, or "any"
  std::string_view section;  // of SPEC.md 1.1.0; "convention" where libcni or CONVENTIONS.md is the source
  Level level = Level::kMust;
  unsigned kinds = kAnyKind;
  std::string_view since;  // first version of the specification that asks this; empty for all
  Pool pool = Pool::kAny;
  std::string_view text;
  Outcome (*check)(Trial&) = nullptr;
};

// All requirements, in the order of the table.
const std::vector<Requirement>& all_requirements();

// One table per file of checks.
std::vector<Requirement> add_requirements();
std::vector<Requirement> chaining_requirements();
std::vector<Requirement> check_requirements();
std::vector<Requirement> concurrency_requirements();
std::vector<Requirement> del_requirements();
std::vector<Requirement> delegation_requirements();
std::vector<Requirement> env_requirements();
std::vector<Requirement> error_requirements();
std::vector<Requirement> gc_requirements();
std::vector<Requirement> pool_requirements();
std::vector<Requirement> result_requirements();
std::vector<Requirement> status_requirements();
std::vector<Requirement> traffic_requirements();
std::vector<Requirement> version_requirements();

}  // namespace towpath::conformance
