// Reads a YAML tree strictly: every key known, every value of its type, every complaint with its line.
//
// Model
//   A Value is one node with the path that leads to it ("peers[1].hold_time"). A Section is a Value that must
//   be a mapping; it remembers which keys it was asked for, so that finish() can name those that nobody
//   knows. Complaints gather in a Diagnostics and reading goes on, so that one run shows all of them.
//
// Ownership: Values and Sections point to the Diagnostics, which outlives them.
// Failure: nothing throws as long as the tree came from YAML::Load; a value that does not parse leaves its
// target alone.
#pragma once

#include <yaml-cpp/yaml.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/base/error.h"

namespace towpath::agent {

class Diagnostics {
 public:
  explicit Diagnostics(std::string file) : file_(std::move(file)) {}

  // The object that complaints are about from now on, where a file holds several: "NetworkPolicy shop/db".
  void set_object(std::string object) { object_ = std::move(object); }

  // `line` counts from 1; 0 where the complaint is about the whole file.
  void add(int line, std::string_view key, std::optional<std::string_view> value, std::string_view reason);
  bool empty() const { return entries_.empty(); }
  // "file:line: object: key: value 'x': reason", in the order of the file.
  std::vector<std::string> lines() const;

 private:
  std::string file_;
  std::string object_;
  std::multimap<int, std::string> entries_;  // by line; those of one line in the order of their coming
};

class Value {
 public:
  // `key_line` is where the key stands; yaml-cpp marks an absent value behind its line.
  Value(Diagnostics& diagnostics, YAML::Node node, std::string path, int key_line = 1)
      : diagnostics_(&diagnostics), node_(std::move(node)), path_(std::move(path)), key_line_(key_line) {}

  int line() const { return node_.IsNull() ? key_line_ : node_.Mark().line + 1; }
  const std::string& path() const { return path_; }
  const YAML::Node& node() const { return node_; }
  Diagnostics& diagnostics() const { return *diagnostics_; }

  // A complaint about this value; quotes it where it is a scalar.
  void refuse(std::string_view reason) const;
  // The text of a scalar; complains about anything else.
  std::optional<std::string> scalar() const;
  // The members of a list; a key without a value is an empty list. Complains about anything else.
  std::vector<Value> items() const;

  // Result<T> parse(string_view). Complains with the parser's own words.
  template <class T, class Parse>
  bool read(T& target, Parse parse) const {
    const auto text = scalar();
    if (!text) return false;
    auto parsed = parse(std::string_view(*text));
    if (!parsed) {
      refuse(parsed.error().message);
      return false;
    }
    target = *std::move(parsed);
    return true;
  }

 private:
  Diagnostics* diagnostics_;
  YAML::Node node_;
  std::string path_;
  int key_line_;
};

class Section {
 public:
  // Complains where `value` is no mapping, where it has a key twice, and where a merge key ("<<") holds no
  // mapping.
  explicit Section(const Value& value);

  // All keys, for a mapping whose keys are names.
  std::vector<std::string> keys() const;
  // The value of a key, if the file has it. Asking makes the key known.
  std::optional<Value> get(std::string_view key);
  // The same; complains where it is missing.
  std::optional<Value> require(std::string_view key);

  template <class T, class Parse>
  bool read(std::string_view key, T& target, Parse parse) {
    const auto value = get(key);
    return value && value->read(target, parse);
  }
  template <class T, class Parse>
  bool read_required(std::string_view key, T& target, Parse parse) {
    const auto value = require(key);
    return value && value->read(target, parse);
  }
  // The members of a list that may be missing.
  std::vector<Value> items(std::string_view key);

  // Complains about each key that was never asked for, with the known one that looks most like it, or all of
  // them.
  void finish() const;

 private:
  struct Entry {
    std::string key;
    YAML::Node key_node;
    YAML::Node value;
  };
  void add_entries(const YAML::Node& map, bool merged);
  const Entry* find(std::string_view key) const;
  std::string path_of(std::string_view key) const;

  Value self_;
  std::vector<Entry> entries_;
  std::vector<std::string> known_;
};

}  // namespace towpath::agent
