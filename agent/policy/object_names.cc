#include "agent/policy/object_names.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ranges>

namespace towpath::agent {
namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
  return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}
bool is_lower_alphanumeric(char c) {
  return is_lower(c) || is_digit(c);
}

bool is_dns_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_lower_alphanumeric(text.front()) &&
         is_lower_alphanumeric(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_lower_alphanumeric(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
  // Unlike a label alone, a part of a subdomain may be as long as the whole.
  const auto is_part = [](auto&& part) {
    const std::string_view word(part.begin(), part.end());
    return !word.empty() && is_lower_alphanumeric(word.front()) && is_lower_alphanumeric(word.back()) &&
           std::ranges::all_of(word, [](char c) { return is_lower_alphanumeric(c) || c == '-'; });
  };
  return !text.empty() && text.size() <= 253 && text.back() != '.' &&
         std::ranges::all_of(std::views::split(text, '.'), is_part);
}

bool is_label_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) && std::ranges::all_of(text, [](char c) {
           return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
         });
}

Result<std::string> checked(bool is_good, std::string_view text, const char* reason) {
  if (!is_good) return fail(ErrorKind::kInvalid, reason);
  return std::string(text);
}

}  // namespace

Result<std::string> parse_dns_label(std::string_view text) {
  return checked(is_dns_label(text), text,
                 "must be 1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends");
}

Result<std::string> parse_dns_subdomain(std::string_view text) {
  return checked(is_dns_subdomain(text), text,
                 "must be lower-case letters, digits, '-' and '.', with a letter or digit at both ends of "
                 "each part, 253 characters at most");
}

Result<std::string> parse_label_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  const bool has_prefix = slash != std::string_view::npos;
  return checked(
      (!has_prefix || is_dns_subdomain(text.substr(0, slash))) &&
          is_label_name(has_prefix ? text.substr(slash + 1) : text),
      text,
      "is no label key: 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends, and "
      "before it, if wanted, a domain name and '/'");
}

Result<std::string> parse_label_value(std::string_view text) {
  return checked(text.empty() || is_label_name(text), text,
                 "is no label value: nothing, or up to 63 letters, digits, '-', '_' or '.', with a letter or "
                 "digit at both ends");
}

Result<std::string> parse_port_name(std::string_view text) {
  const bool is_good = !text.empty() && text.size() <= 15 && std::ranges::any_of(text, is_lower) &&
                       is_lower_alphanumeric(text.front()) && is_lower_alphanumeric(text.back()) &&
                       text.find("--") == std::string_view::npos &&
                       std::ranges::all_of(text, [](char c) { return is_lower_alphanumeric(c) || c == '-'; });
  return checked(is_good, text,
                 "is no port name: 1 to 15 lower-case letters, digits and single '-', with at least one "
                 "letter, and a letter or digit at both ends");
}

bool is_no_text(std::string_view plain) {
  static constexpr std::array<std::string_view, 9> kWords{"",    "~",  "null", "true", "false",
                                                          "yes", "no", "on",   "off"};
  std::string lower(plain);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (std::ranges::find(kWords, lower) != kWords.end()) return true;
  // A number begins with a digit, a sign or a dot; strtod() would take "infinity" and "nan", too.
  if (!is_digit(lower[0]) && lower[0] != '-' && lower[0] != '+' && lower[0] != '.') return false;
  if (lower.starts_with("0x") || lower.starts_with("0o") || lower.starts_with("0b"))
    return lower.size() > 2 && lower.find_first_not_of("0123456789abcdef_", 2) == std::string::npos;
  std::erase(lower, '_');
  char* end = nullptr;
  std::strtod(lower.c_str(), &end);
  return end != lower.c_str() && *end == '\0';
}

}  // namespace towpath::agent
