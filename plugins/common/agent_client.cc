#include "plugins/common/agent_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

#include "towpath/base/unique_fd.h"

namespace towpath::cni {
namespace {

using Clock = std::chrono::steady_clock;

std::unexpected<Error> unavailable(const std::string& path, std::string_view reason) {
  return fail(ErrorKind::kUnavailable, fmt::format("towpathd at {} {}", path, reason));
}

Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorKind::kInvalid, path + ": the path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "open a Unix socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  return unavailable(path, fmt::format("does not answer ({})", std::strerror(errno)));
}

// False: the time is over.
bool wait_readable(int fd, Clock::time_point end) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  pollfd wait{fd, POLLIN, 0};
  return left > 0 && ::poll(&wait, 1, static_cast<int>(left)) > 0;
}

// False: nothing that the protocol knows. `done` after the last line.
bool take_line(std::string_view line, AgentReply& reply, bool& done) {
  const Json document = Json::parse(line, nullptr, false);
  if (!document.is_object()) return false;
  const auto code = document.find("code");
  if (code == document.end() || !code->is_number_unsigned()) return false;
  reply.code = static_cast<control::Code>(code->get<std::uint16_t>());
  done = reply.code != control::Code::kRow;
  if (const auto row = document.find("row"); row != document.end() && reply.row.is_null()) reply.row = *row;
  if (const auto text = document.find("message"); text != document.end() && text->is_string()) {
    reply.message = text->get<std::string>();
  }
  return true;
}

Result<AgentReply> ask_once(const std::string& path, const std::string& request, Clock::time_point end) {
  TOWPATH_TRY(const UniqueFd fd, connect_to(path));
  // A request is far smaller than a socket's buffer.
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return unavailable(path, "takes no request");
  AgentReply reply;
  std::string input;
  std::array<char, 4096> part;
  for (;;) {
    if (!wait_readable(fd.get(), end)) return unavailable(path, "does not answer in time");
    const ssize_t size = ::recv(fd.get(), part.data(), part.size(), 0);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size <= 0) return unavailable(path, "went away");
    input.append(part.data(), static_cast<std::size_t>(size));
    for (std::size_t at = input.find('\n'); at != std::string::npos; at = input.find('\n')) {
      bool done = false;
      if (!take_line(std::string_view(input).substr(0, at), reply, done))
        return unavailable(path, "does not speak this protocol");
      if (done) return reply;
      input.erase(0, at + 1);
    }
  }
}

}  // namespace

Result<AgentReply> ask_agent(const std::string& socket_path, std::string_view command, const Json& arguments,
                             std::chrono::milliseconds deadline) {
  const Json request = {{"v", control::kProtocolVersion}, {"command", command}, {"arguments", arguments}};
  const std::string line = request.dump() + '\n';
  const auto end = Clock::now() + deadline;
  for (;;) {
    auto reply = ask_once(socket_path, line, end);
    if (!reply || reply->code != control::Code::kBusy) return reply;
    // Others are being served; in a moment there is room.
    constexpr std::chrono::milliseconds kPause{5};
    if (Clock::now() + kPause >= end) return unavailable(socket_path, "has too many clients");
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace towpath::cni
