// Labels, and what selects by them: LabelSelector of Kubernetes (meta/v1).
//
// A selector matches where each label and each requirement of it does; the one that has none matches all.
// NotIn and DoesNotExist match objects without the key, too.
//
// Pure values.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace towpath::policy {

using Labels = std::map<std::string, std::string>;

enum class SelectorOperator : std::uint8_t { kIn, kNotIn, kExists, kDoesNotExist };

struct Requirement {
  std::string key;
  SelectorOperator op = SelectorOperator::kExists;
  std::vector<std::string> values{};  // of In and NotIn
  bool matches(const Labels& labels) const;
  friend auto operator<=>(const Requirement&, const Requirement&) = default;
};

struct Selector {
  Labels match_labels{};
  std::vector<Requirement> match_expressions{};
  bool matches(const Labels& labels) const;
  friend auto operator<=>(const Selector&, const Selector&) = default;
};

}  // namespace towpath::policy
