#include "cli/control_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

namespace towpath::cli {
namespace {

using control::Code;
using nlohmann::json;

// Far more than any line of the agent has.
constexpr std::size_t kLongestLine = std::size_t{16} << 20;

using Clock = std::chrono::steady_clock;

std::string seconds(std::chrono::milliseconds time) {
  return fmt::format("{:g} s", std::chrono::duration<double>(time).count());
}

Error not_reachable(const std::string& path, int sys_errno) {
  std::string why;
  if (sys_errno == ENOENT || sys_errno == ECONNREFUSED) {
    why = "is towpathd running? 'systemctl status towpathd' tells; --socket names another path";
  } else if (sys_errno == EACCES || sys_errno == EPERM) {
    why = "no permission: run as root, or as a member of the socket's group";
  } else if (sys_errno == EAGAIN) {
    why = "it takes no connection; a towpathd that hangs or is stopped does so";
  } else {
    why = Error::from_errno(sys_errno, "connect").message;
  }
  return {ErrorKind::kUnavailable, sys_errno, fmt::format("agent not reachable at {}: {}", path, why)};
}

// The row of a row line without parsing it, where the line has the agent's own layout; dumps have millions.
std::optional<std::string_view> row_text(std::string_view line) {
  constexpr std::string_view kHead = "{\"code\":100,\"row\":";
  if (!line.starts_with(kHead) || !line.ends_with('}')) return std::nullopt;
  return line.substr(kHead.size(), line.size() - kHead.size() - 1);
}

json policy_test_arguments(const control::PolicyTest& test) {
  json arguments{{"direction", word_for(control::kDirections, test.direction)},
                 {"peer", test.peer},
                 {"prefix", test.prefix.to_string()}};
  if (test.origin) arguments["origin"] = *test.origin;
  if (test.as_path) arguments["as_path"] = *test.as_path;
  if (test.next_hop) arguments["next_hop"] = test.next_hop->to_string();
  if (test.med) arguments["med"] = *test.med;
  if (test.local_pref) arguments["local_pref"] = *test.local_pref;
  if (!test.communities.empty()) arguments["communities"] = test.communities;
  return arguments;
}

}  // namespace

std::string format_request(const control::Request& request) {
  json document{{"v", control::kProtocolVersion}, {"command", word_for(control::kCommands, request.command)}};
  if (request.command == control::Command::kRoutes) {
    json& arguments = document["arguments"];
    arguments["table"] = word_for(control::kRouteTables, request.routes.table);
    if (request.routes.peer) arguments["peer"] = *request.routes.peer;
    if (request.routes.prefix) arguments["prefix"] = request.routes.prefix->to_string();
    if (request.routes.address) arguments["address"] = request.routes.address->to_string();
    if (request.routes.mrt) arguments["format"] = "mrt";
  }
  if (request.command == control::Command::kPolicyTest) {
    document["arguments"] = policy_test_arguments(request.policy_test);
  }
  if (request.command == control::Command::kAdvertise || request.command == control::Command::kWithdraw) {
    json& arguments = document["arguments"];
    arguments["prefix"] = request.lease.prefix.to_string();
    if (request.lease.owner) arguments["owner"] = *request.lease.owner;
    if (request.command == control::Command::kAdvertise) arguments["lease"] = request.lease.seconds;
  }
  if (request.command == control::Command::kPolicySimulate) {
    document["arguments"] = {{"from", request.flow.from.to_string()},
                             {"to", request.flow.to.to_string()},
                             {"protocol", word_for(control::kFlowProtocols, request.flow.protocol)},
                             {"port", request.flow.port}};
  }
  if (request.command == control::Command::kDrain) {
    document["arguments"] = {{"wait", request.drain.wait}};
    if (!request.drain.reason.empty()) document["arguments"]["reason"] = request.drain.reason;
  }
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

Result<ControlClient> ControlClient::connect(const std::string& path, std::chrono::milliseconds patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::kInvalid, fmt::format("--socket {}: a socket path has at most {} characters", path,
                                                 sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "socket");
  // Also for connect(), which waits while the other side has a full queue (unix(7)).
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(patience);
  const std::chrono::microseconds rest = patience - whole;
  const timeval limit{static_cast<time_t>(whole.count()), static_cast<suseconds_t>(rest.count())};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(not_reachable(path, errno));
  }
  return ControlClient(std::move(fd), path, patience);
}

Status ControlClient::send(const std::string& line) {
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = ::send(fd_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    // The agent may have answered before it closed ("too many clients"): that answer says more.
    if (count < 0 && errno == EPIPE) return {};
    if (count < 0 && errno == EAGAIN) return std::unexpected(no_answer());
    if (count < 0) return fail_errno(errno, "send to the agent at " + path_);
    sent += static_cast<std::size_t>(count);
  }
  return {};
}

Error ControlClient::no_answer() const {
  return {ErrorKind::kUnavailable, 0,
          fmt::format("the agent at {} did not answer for {}: it hangs, or is stopped", path_,
                      seconds(patience_))};
}

Error ControlClient::is_no_agent(std::string_view line) const {
  constexpr std::size_t kShown = 60;
  const json text(line.substr(0, kShown));
  return {ErrorKind::kCorrupt, 0,
          fmt::format("what answers at {} is no towpathd; it says {}{}", path_,
                      text.dump(-1, ' ', true, json::error_handler_t::replace),
                      line.size() > kShown ? " and more" : "")};
}

Result<std::string_view> ControlClient::receive_line() {
  const auto end = Clock::now() + patience_;
  input_.erase(0, std::exchange(consumed_, 0));
  std::size_t searched = 0;
  for (;;) {
    if (const auto at = input_.find('\n', searched); at != std::string::npos) {
      consumed_ = at + 1;
      return std::string_view(input_).substr(0, at);
    }
    searched = input_.size();
    if (searched > kLongestLine) return std::unexpected(is_no_agent(input_));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) return std::unexpected(no_answer());
    pollfd readable{fd_.get(), POLLIN, 0};
    if (::poll(&readable, 1, static_cast<int>(left.count())) <= 0) continue;
    char buffer[65536];
    const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0 && errno != ECONNRESET) return fail_errno(errno, "read from the agent at " + path_);
    if (count <= 0) {
      if (!input_.empty() && input_[0] != '{') return std::unexpected(is_no_agent(input_));
      return fail(ErrorKind::kUnavailable,
                  fmt::format("the agent at {} closed the connection in mid-reply", path_));
    }
    input_.append(buffer, static_cast<std::size_t>(count));
  }
}

Status ControlClient::ask(const control::Request& request,
                          const std::function<bool(std::string_view)>& on_row) {
  TOWPATH_TRY_STATUS(send(format_request(request)));
  for (;;) {
    TOWPATH_TRY(const std::string_view line, receive_line());
    if (const auto row = row_text(line)) {
      if (!on_row(*row)) return {};
      continue;
    }
    const json reply = json::parse(line, nullptr, false);
    const auto code = reply.is_object() ? reply.find("code") : reply.end();
    if (!reply.is_object() || code == reply.end() || !code->is_number_integer()) {
      return std::unexpected(is_no_agent(line));
    }
    if (*code == static_cast<int>(Code::kEnd)) return {};
    if (*code == static_cast<int>(Code::kRow)) {
      if (!on_row(reply.value("row", json::object()).dump())) return {};
      continue;
    }
    const std::string message = reply.contains("message") && reply["message"].is_string()
                                    ? reply["message"].get<std::string>()
                                    : std::string("no reason given");
    return fail(ErrorKind::kInvalid, fmt::format("the agent refused ({}): {}", code->dump(), message));
  }
}

}  // namespace towpath::cli
