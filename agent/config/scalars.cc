#include "agent/config/scalars.h"

#include <sys/un.h>

#include <algorithm>

namespace towpath::agent {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

Result<bool> parse_bool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return fail(ErrorKind::kInvalid, "must be true or false");
}

Result<std::string> parse_name(std::string_view text) {
  const bool valid = !text.empty() && text.size() <= 253 && is_alphanumeric(text.front()) &&
                     std::ranges::all_of(
                         text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; });
  if (!valid) {
    return fail(ErrorKind::kInvalid,
                "must be 1 to 253 letters, digits, '-', '.' or '_', and begin with a letter or digit");
  }
  return std::string(text);
}

Result<std::string> parse_path(std::string_view text) {
  if (text.empty() || text.front() != '/' || text.find('\0') != std::string_view::npos) {
    return fail(ErrorKind::kInvalid, "must be an absolute path");
  }
  return std::string(text);
}

Result<std::string> parse_socket_path(std::string_view text) {
  constexpr std::size_t kLongest = sizeof(sockaddr_un{}.sun_path) - 1;
  TOWPATH_TRY(std::string path, parse_path(text));
  if (path.size() > kLongest) {
    return fail(ErrorKind::kInvalid,
                fmt::format("a socket path has at most {} characters, this has {}", kLongest, path.size()));
  }
  return path;
}

Result<IpAddress> parse_session_address(std::string_view text) {
  TOWPATH_TRY(const IpAddress address, IpAddress::parse(text));
  if (address.is_unspecified()) return fail(ErrorKind::kInvalid, "must name one address, not all of them");
  if (address.is_multicast()) return fail(ErrorKind::kInvalid, "must be a unicast address");
  if (address.is_v6() && address.is_link_local()) {
    return fail(ErrorKind::kInvalid, "must not be link-local: it would need an interface");
  }
  return address;
}

Result<AsNumber> parse_speaker_as(std::string_view text) {
  TOWPATH_TRY(const AsNumber as, AsNumber::parse(text));
  if (as == kAsTrans) {
    return fail(ErrorKind::kInvalid, "is AS_TRANS, which no speaker can be in (RFC 6793 section 9)");
  }
  return as;
}

}  // namespace towpath::agent
