#include "towpath/policy/selector.h"

#include <algorithm>

namespace towpath::policy {

bool Requirement::matches(const Labels& labels) const {
  const auto found = labels.find(key);
  const bool is_there = found != labels.end();
  const auto is_listed = [&] { return is_there && std::ranges::find(values, found->second) != values.end(); };
  switch (op) {
    case SelectorOperator::kIn: return is_listed();
    case SelectorOperator::kNotIn: return !is_listed();
    case SelectorOperator::kExists: return is_there;
    case SelectorOperator::kDoesNotExist: return !is_there;
  }
  return false;
}

bool Selector::matches(const Labels& labels) const {
  const auto has = [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  };
  return std::ranges::all_of(match_labels, has) &&
         std::ranges::all_of(match_expressions, [&](const Requirement& r) { return r.matches(labels); });
}

}  // namespace towpath::policy
