// Strict reading of JSON objects: a value of the wrong type or form is one error that names its key and shows
// it.
//
// A key that is absent or null gives the default: runtimes written in Go send null for what is not set.
// Does not own the JSON, which must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "plugins/common/cni_error.h"

namespace towpath::cni {

using Json = nlohmann::json;

// At most 100 characters of it, on one line.
std::string show(const Json& value);

class JsonObject {
 public:
  // `path` names this object in messages, "" for the whole document, "ipam" for the object at that key.
  // kInvalidConfig if `value` is not an object.
  static CniExpected<JsonObject> make(const Json& value, std::string path);

  // "ipam.type" for key "type" of the object at "ipam".
  std::string path_of(std::string_view key) const;
  // Null if absent or null.
  const Json* find(const char* key) const;

  CniExpected<std::optional<std::string>> string(const char* key) const;
  CniExpected<std::string> string_or(const char* key, std::string fallback) const;
  CniExpected<std::optional<std::uint32_t>> number(const char* key, std::uint32_t minimum,
                                                   std::uint32_t maximum) const;
  CniExpected<std::optional<JsonObject>> object(const char* key) const;
  // Calls visit(element, path) -> CniStatus for each element; an absent array has none.
  CniStatus for_each(const char* key,
                     const std::function<CniStatus(const Json&, const std::string&)>& visit) const;
  // An error for the first key that is not in the list.
  CniStatus only(std::initializer_list<std::string_view> known) const;

 private:
  JsonObject(const Json& value, std::string path) : value_(&value), path_(std::move(path)) {}
  const Json* value_;
  std::string path_;
};

// The error for `value` at `path`: "mtu: 'x' is not a number".
std::unexpected<CniError> wrong(const std::string& path, const Json& value, std::string_view what);

}  // namespace towpath::cni
