#include "towpath/ipam/attachment_id.h"

#include <algorithm>

namespace towpath::ipam {
namespace {

constexpr std::size_t kLongestInterfaceName = 15;  // IFNAMSIZ, without the zero at its end

bool is_alphanumeric(char c) {
  return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9');
}

}  // namespace

bool is_cni_identifier(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
  });
}

bool is_interface_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestInterfaceName && text != "." && text != ".." &&
         text != "all" && text != "default" && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) <= ' ' || c == '/' || c == ':' || c == '%' || c == 0x7F;
         });
}

}  // namespace towpath::ipam
