#include "agent/config/yaml_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace towpath::agent {
namespace {

constexpr std::string_view kMergeKey = "<<";

// Levenshtein distance: how many letters to change, add or drop.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

// `known` is not empty.
std::string suggestion(std::string_view key, const std::vector<std::string>& known) {
  const auto nearest =
      std::ranges::min_element(known, {}, [key](const auto& k) { return edit_distance(key, k); });
  if (edit_distance(key, *nearest) > std::max<std::size_t>(2, key.size() / 3)) {
    return fmt::format("; known here: {}", fmt::join(known, ", "));
  }
  return fmt::format("; did you mean '{}'?", *nearest);
}

}  // namespace

void Diagnostics::add(int line, std::string_view key, std::optional<std::string_view> value,
                      std::string_view reason) {
  std::string text = file_;
  if (line > 0) text += fmt::format(":{}", line);
  if (!object_.empty()) text += fmt::format(": {}", object_);
  if (!key.empty()) text += fmt::format(": {}", key);
  if (value) text += fmt::format(": value '{}'", *value);
  text += fmt::format(": {}", reason);
  // One complaint is one line, also when a quoted value holds line breaks.
  std::ranges::replace(text, '\n', ' ');
  entries_.emplace(line, std::move(text));
}

std::vector<std::string> Diagnostics::lines() const {
  std::vector<std::string> out;
  out.reserve(entries_.size());
  for (const auto& [line, text] : entries_) out.push_back(text);
  return out;
}

void Value::refuse(std::string_view reason) const {
  if (node_.IsScalar()) {
    diagnostics_->add(line(), path_, node_.Scalar(), reason);
  } else {
    diagnostics_->add(line(), path_, std::nullopt, reason);
  }
}

std::optional<std::string> Value::scalar() const {
  if (node_.IsScalar()) return node_.Scalar();
  if (node_.IsNull()) {
    refuse("has no value");
  } else {
    refuse(node_.IsMap() ? "must be a single value, is a mapping" : "must be a single value, is a list");
  }
  return std::nullopt;
}

std::vector<Value> Value::items() const {
  std::vector<Value> out;
  if (node_.IsNull()) return out;  // "peers:" with every entry commented out
  if (!node_.IsSequence()) {
    refuse("must be a list");
    return out;
  }
  for (std::size_t i = 0; i < node_.size(); ++i) {
    out.emplace_back(*diagnostics_, node_[i], fmt::format("{}[{}]", path_, i), line());
  }
  return out;
}

Section::Section(const Value& value) : self_(value) {
  if (value.node().IsMap()) {
    add_entries(value.node(), false);
  } else {
    value.refuse("must be a mapping (key: value)");
  }
}

void Section::add_entries(const YAML::Node& map, bool merged) {
  std::vector<YAML::Node> merges;
  for (const auto& pair : map) {
    if (!pair.first.IsScalar()) {
      self_.diagnostics().add(pair.first.Mark().line + 1, self_.path(), std::nullopt,
                              "a key must be a plain word");
      continue;
    }
    const std::string& key = pair.first.Scalar();
    if (key == kMergeKey) {
      merges.push_back(pair.second);
      continue;
    }
    if (const Entry* before = find(key); before == nullptr) {
      entries_.push_back({key, pair.first, pair.second});
    } else if (!merged) {
      self_.diagnostics().add(pair.first.Mark().line + 1, path_of(key), std::nullopt,
                              fmt::format("given twice, first on line {}", before->key_node.Mark().line + 1));
    }
  }
  // What is written out wins over what is merged in, and an earlier merge over a later one (YAML 1.1 merge
  // key type).
  for (const YAML::Node& merge : merges) {
    if (merge.IsMap()) {
      add_entries(merge, true);
    } else if (merge.IsSequence() &&
               std::all_of(merge.begin(), merge.end(), [](const auto& n) { return n.IsMap(); })) {
      for (const auto& one : merge) add_entries(one, true);
    } else {
      self_.diagnostics().add(merge.Mark().line + 1, path_of(kMergeKey), std::nullopt,
                              "must merge a mapping");
    }
  }
}

const Section::Entry* Section::find(std::string_view key) const {
  const auto it = std::ranges::find(entries_, key, &Entry::key);
  return it == entries_.end() ? nullptr : &*it;
}

std::string Section::path_of(std::string_view key) const {
  return self_.path().empty() ? std::string(key) : fmt::format("{}.{}", self_.path(), key);
}

std::vector<std::string> Section::keys() const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_) out.push_back(entry.key);
  return out;
}

std::optional<Value> Section::get(std::string_view key) {
  known_.emplace_back(key);
  const Entry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  return Value(self_.diagnostics(), entry->value, path_of(key), entry->key_node.Mark().line + 1);
}

std::optional<Value> Section::require(std::string_view key) {
  auto value = get(key);
  if (!value && self_.node().IsMap()) {
    self_.diagnostics().add(self_.line(), path_of(key), std::nullopt, "is missing");
  }
  return value;
}

std::vector<Value> Section::items(std::string_view key) {
  const auto value = get(key);
  return value ? value->items() : std::vector<Value>{};
}

void Section::finish() const {
  for (const Entry& entry : entries_) {
    if (std::ranges::find(known_, entry.key) != known_.end()) continue;
    self_.diagnostics().add(entry.key_node.Mark().line + 1, path_of(entry.key), std::nullopt,
                            "unknown key" + suggestion(entry.key, known_));
  }
}

}  // namespace towpath::agent
