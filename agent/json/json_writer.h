// Appends JSON text to a string, without building a tree: route dumps have millions of rows.
//
// The caller nests begin_ and end_ calls properly; commas are set here. Text that is not valid UTF-8 (a
// peer's shutdown message, say) is written with U+FFFD in place of each bad byte, so that a reader never
// meets invalid JSON.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace towpath::agent {

class JsonWriter {
 public:
  // Appends to `out`, which must outlive the writer.
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  // Inside an object, in front of each value.
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool yes);
  template <std::integral T>
  JsonWriter& value(T number) {
    separate();
    out_ += std::to_string(number);
    return *this;
  }
  JsonWriter& null();

  template <class T>
  JsonWriter& field(std::string_view name, const T& content) {
    key(name);
    return value(content);
  }

 private:
  void separate();
  void append_quoted(std::string_view text);

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace towpath::agent
