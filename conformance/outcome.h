// How the check of one requirement ends: met, broken, or not to be told; each with the evidence that a reader
// needs.
//
// Checks are written with TOWPATH_TRY over Checked<T>: the first broken expectation ends the check.
#pragma once

#include <expected>
#include <string>
#include <utility>

#include "towpath/base/error.h"

namespace towpath::conformance {

struct Problem {
  bool skipped = false;  // the requirement could not be put to this plugin; `evidence` says why
  std::string evidence;
};

template <class T>
using Checked = std::expected<T, Problem>;
// What was seen, in a few words, when the requirement is met.
using Outcome = Checked<std::string>;

inline std::unexpected<Problem> broken(std::string evidence) {
  return std::unexpected(Problem{false, std::move(evidence)});
}
inline std::unexpected<Problem> skipped(std::string reason) {
  return std::unexpected(Problem{true, std::move(reason)});
}
inline Checked<void> expect(bool condition, std::string evidence_if_not) {
  if (condition) return {};
  return broken(std::move(evidence_if_not));
}

}  // namespace towpath::conformance
