#include "agent/json/json_writer.h"

#include <gtest/gtest.h>

namespace towpath::agent {
namespace {

TEST(JsonWriter, NestsAndSetsCommas) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("a", 1).key("b").begin_array().value("x").value(true).null().end_array();
  json.key("c").begin_object().end_object().field("d", std::uint64_t{18446744073709551615U}).end_object();
  EXPECT_EQ(out, R"({"a":1,"b":["x",true,null],"c":{},"d":18446744073709551615})");
}

TEST(JsonWriter, WritesValidTextWhateverItIsGiven) {
  struct Row {
    const char* why;
    std::string_view text;
    std::string_view json;
  };
  const Row rows[] = {
      {"plain", "abc", R"("abc")"},
      {"quotes and backslash", "a\"b\\c", R"("a\"b\\c")"},
      {"control characters", std::string_view("\n\0\x7f", 3), "\"\\u000a\\u0000\\u007f\""},
      {"two octets", "\xC3\xA9", "\"\xC3\xA9\""},
      {"four octets", "\xF0\x9F\x9A\xA2", "\"\xF0\x9F\x9A\xA2\""},
      {"lone continuation", "\x80", "\"\xEF\xBF\xBD\""},
      {"cut short", "a\xE2\x82", "\"a\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"overlong", "\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"overlong in three octets", "\xE0\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"surrogate", "\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"beyond Unicode", "\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
  };
  for (const Row& row : rows) {
    std::string out;
    JsonWriter(out).value(row.text);
    EXPECT_EQ(out, row.json) << row.why;
  }
}

}  // namespace
}  // namespace towpath::agent
