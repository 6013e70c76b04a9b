#include "plugins/common/json_object.h"

#include <fmt/format.h>

#include <algorithm>

namespace towpath::cni {

std::string show(const Json& value) {
  constexpr std::size_t kLimit = 100;
  std::string text = value.is_string() ? value.get_ref<const std::string&>()
                                       : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  if (text.size() > kLimit) text = text.substr(0, kLimit) + "...";
  return text;
}

std::unexpected<CniError> wrong(const std::string& path, const Json& value, std::string_view what) {
  return cni_fail(
      CniCode::kInvalidConfig,
      fmt::format("{}: '{}' {}", path.empty() ? "the network configuration" : path, show(value), what));
}

CniExpected<JsonObject> JsonObject::make(const Json& value, std::string path) {
  if (!value.is_object()) return wrong(path, value, "is not an object");
  return JsonObject(value, std::move(path));
}

std::string JsonObject::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const Json* JsonObject::find(const char* key) const {
  const auto found = value_->find(key);
  return found == value_->end() || found->is_null() ? nullptr : &*found;
}

CniExpected<std::optional<std::string>> JsonObject::string(const char* key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return wrong(path_of(key), *value, "is not a string");
  // The kernel and the file system would take what is before it.
  const auto& text = value->get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) return wrong(path_of(key), *value, "has a NUL character");
  return text;
}

CniExpected<std::string> JsonObject::string_or(const char* key, std::string fallback) const {
  TOWPATH_TRY(auto value, string(key));
  return value ? *std::move(value) : std::move(fallback);
}

CniExpected<std::optional<std::uint32_t>> JsonObject::number(const char* key, std::uint32_t minimum,
                                                             std::uint32_t maximum) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() < minimum ||
      value->get<std::uint64_t>() > maximum) {
    return wrong(path_of(key), *value, fmt::format("is not a whole number from {} to {}", minimum, maximum));
  }
  return static_cast<std::uint32_t>(value->get<std::uint64_t>());
}

CniExpected<std::optional<JsonObject>> JsonObject::object(const char* key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  TOWPATH_TRY(JsonObject made, make(*value, path_of(key)));
  return made;
}

CniStatus JsonObject::for_each(const char* key,
                               const std::function<CniStatus(const Json&, const std::string&)>& visit) const {
  const Json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) return wrong(path_of(key), *value, "is not a list");
  for (std::size_t i = 0; i < value->size(); ++i) {
    TOWPATH_TRY_STATUS(visit((*value)[i], fmt::format("{}[{}]", path_of(key), i)));
  }
  return {};
}

CniStatus JsonObject::only(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, value] : value_->items()) {
    if (std::ranges::find(known, key) == known.end()) {
      return cni_fail(CniCode::kUnsupportedField,
                      fmt::format("{}: '{}': unknown key; known here are {}", path_of(key), show(value),
                                  fmt::join(known, ", ")));
    }
  }
  return {};
}

}  // namespace towpath::cni
