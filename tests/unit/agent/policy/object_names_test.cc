#include "agent/policy/object_names.h"

#include <gtest/gtest.h>

namespace towpath::agent {
namespace {

struct Row {
  const char* reason;
  Result<std::string> (*parse)(std::string_view);
  std::string text;
  bool is_good;
};

TEST(ObjectNames, AreThoseOfKubernetes) {
  const std::vector<Row> rows{
      {"a label", parse_dns_label, "shop-1", true},
      {"lower case only", parse_dns_label, "Shop", false},
      {"no dash at the end", parse_dns_label, "shop-", false},
      {"63 at most", parse_dns_label, std::string(63, 'a'), true},
      {"63 at most", parse_dns_label, std::string(64, 'a'), false},
      {"not empty", parse_dns_label, "", false},
      {"a subdomain", parse_dns_subdomain, "a.b-c.d", true},
      {"no empty part", parse_dns_subdomain, "a..b", false},
      {"no dot at the end", parse_dns_subdomain, "a.", false},
      {"253 at most", parse_dns_subdomain, std::string(253, 'a'), true},
      {"253 at most", parse_dns_subdomain, std::string(254, 'a'), false},
      {"a key", parse_label_key, "App_1.x-y", true},
      {"a key with a domain", parse_label_key, "example.org/app", true},
      {"an empty domain", parse_label_key, "/app", false},
      {"an empty name", parse_label_key, "example.org/", false},
      {"two slashes", parse_label_key, "a/b/c", false},
      {"a letter or digit first", parse_label_key, "-a", false},
      {"an empty value", parse_label_value, "", true},
      {"a value", parse_label_value, "v1.2_x", true},
      {"no spaces", parse_label_value, "a b", false},
      {"63 at most", parse_label_value, std::string(64, 'a'), false},
      {"a port name", parse_port_name, "http-2", true},
      {"a letter at least", parse_port_name, "80", false},
      {"no two dashes", parse_port_name, "a--b", false},
      {"15 at most", parse_port_name, std::string(16, 'a'), false},
      {"lower case", parse_port_name, "HTTP", false},
  };
  for (const Row& row : rows)
    EXPECT_EQ(row.parse(row.text).has_value(), row.is_good) << row.reason << ": " << row.text;
}

TEST(ObjectNames, PlainWordsOfYamlThatAreNoText) {
  for (const char* text : {"1", "-1", "+1", "1.5", ".5", "1e3", "0x1F", "0o17", "1_000", "true", "False",
                           "YES", "no", "on", "Off", "null", "~", ""})
    EXPECT_TRUE(is_no_text(text)) << text;
  for (const char* text :
       {"web", "1a", "v1", "1.2.3", "nano", "0x", "0xyz", "-", ".", "infinity", "nan", "truely"})
    EXPECT_FALSE(is_no_text(text)) << text;
}

}  // namespace
}  // namespace towpath::agent
