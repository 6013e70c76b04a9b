// The texts in Kubernetes' objects that have a form: names, labels, and what YAML must not take for a number.
#pragma once

#include <string>
#include <string_view>

#include "towpath/base/error.h"

namespace towpath::agent {

// RFC 1123 label: 1 to 63 lower-case letters, digits and '-', letter or digit at both ends.
Result<std::string> parse_dns_label(std::string_view text);
// RFC 1123 subdomain: such labels with dots between, 253 characters at most.
Result<std::string> parse_dns_subdomain(std::string_view text);
// "app", "example.org/app": an optional subdomain, and a name of 1 to 63 letters, digits, '-', '_' and '.'
// with a letter or digit at both ends.
Result<std::string> parse_label_key(std::string_view text);
// Empty, or as the name of a key.
Result<std::string> parse_label_value(std::string_view text);
// The name of a port (RFC 6335 section 5.1, in lower case): 1 to 15 lower-case letters, digits and '-', at
// least one letter, no '-' at the ends and no two beside each other.
Result<std::string> parse_port_name(std::string_view text);

// True for plain words that Kubernetes' YAML reader takes for no text: numbers, true, no, null.
bool is_no_text(std::string_view plain);

}  // namespace towpath::agent
