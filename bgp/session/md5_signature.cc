#include "bgp/session/md5_signature.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bgp/session/endpoint.h"
#include "towpath/base/check.h"
#include "towpath/bgp/md5_key.h"

namespace towpath::bgp {

static_assert(kLongestMd5Key == TCP_MD5SIG_MAXKEYLEN);

Status set_md5_key(int socket, const Prefix& from, std::string_view secret) {
  TOWPATH_CHECK(secret.size() <= kLongestMd5Key);
  tcp_md5sig option{};
  const auto endpoint = to_endpoint(from.address(), 0);
  std::memcpy(&option.tcpm_addr, endpoint.data(), endpoint.size());
  option.tcpm_keylen = static_cast<std::uint16_t>(secret.size());
  std::ranges::copy(secret, option.tcpm_key);  // an empty one, which takes a key away, has no data
  option.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
  option.tcpm_prefixlen = static_cast<std::uint8_t>(from.length());
  const int result = ::setsockopt(socket, IPPROTO_TCP, TCP_MD5SIG_EXT, &option, sizeof option);
  if (result == 0) return {};
  return fail_errno(errno, fmt::format("set the MD5 key for {}", from.to_string()));
}

}  // namespace towpath::bgp
