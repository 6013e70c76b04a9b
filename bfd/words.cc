#include "towpath/bfd/session_config.h"

namespace towpath::bfd {

std::string_view format(State state) {
  switch (state) {
    case State::kAdminDown: return "AdminDown";
    case State::kDown: return "Down";
    case State::kInit: return "Init";
    case State::kUp: return "Up";
  }
  return "";
}

std::string_view format(AuthenticationType type) {
  switch (type) {
    case AuthenticationType::kSimplePassword: return "simple-password";
    case AuthenticationType::kKeyedMd5: return "keyed-md5";
    case AuthenticationType::kMeticulousKeyedMd5: return "meticulous-keyed-md5";
    case AuthenticationType::kKeyedSha1: return "keyed-sha1";
    case AuthenticationType::kMeticulousKeyedSha1: return "meticulous-keyed-sha1";
  }
  return "";
}

std::size_t longest_key(AuthenticationType type) {
  const bool is_sha1 =
      type == AuthenticationType::kKeyedSha1 || type == AuthenticationType::kMeticulousKeyedSha1;
  return is_sha1 ? 20 : 16;
}

// RFC 5880 section 4.1 names all of these; peers may send them.
std::string_view format(Diagnostic diagnostic) {
  switch (static_cast<unsigned>(diagnostic)) {
    case 0: return "No Diagnostic";
    case 1: return "Control Detection Time Expired";
    case 2: return "Echo Function Failed";
    case 3: return "Neighbor Signaled Session Down";
    case 4: return "Forwarding Plane Reset";
    case 5: return "Path Down";
    case 6: return "Concatenated Path Down";
    case 7: return "Administratively Down";
    case 8: return "Reverse Concatenated Path Down";
    default: return "reserved diagnostic";
  }
}

}  // namespace towpath::bfd
