#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <exception>
#include <filesystem>
#include <set>
#include <utility>

#include "agent/control/control_server.h"
#include "agent/control/parse_request.h"
#include "towpath/base/unique_fd.h"

namespace towpath::agent {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;
using boost::system::error_code;

struct Client {
  explicit Client(Socket&& s) : socket(std::move(s)), deadline(socket.get_executor()) {}

  void close() {
    error_code ignored;  // closing is best effort
    socket.close(ignored);
    deadline.cancel();
  }

  Socket socket;
  asio::steady_timer deadline;
  std::string input;  // received and not yet a whole line
};
using ClientPtr = std::shared_ptr<Client>;

// Closing the socket ends whatever its coroutine waits for.
void close_after(const ClientPtr& client, std::chrono::milliseconds timeout) {
  client->deadline.expires_after(timeout);
  client->deadline.async_wait([weak = std::weak_ptr(client)](const error_code& ec) {
    const auto still_there = weak.lock();
    if (!ec && still_there) still_there->close();
  });
}

std::string failure_line(const ControlFailure& failure) {
  std::string line;
  JsonWriter(line)
      .begin_object()
      .field("code", static_cast<int>(failure.code))
      .field("message", failure.message)
      .end_object();
  return line + '\n';
}

std::string end_line(std::size_t rows) {
  return fmt::format("{{\"code\":{},\"rows\":{}}}\n", static_cast<int>(control::Code::kEnd), rows);
}

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::kInvalid, fmt::format("control socket {}: the path is too long", path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Makes room for our socket file: removes one that nobody listens to, and nothing else.
Status clear_stale_socket(const std::string& path, const sockaddr_un& address) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? Status{} : fail_errno(errno, "control socket " + path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return fail(ErrorKind::kConflict,
                fmt::format("control socket {}: there is a file that is no socket", path));
  }
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail_errno(errno, "socket");
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN) {
    return fail(ErrorKind::kConflict, fmt::format("control socket {}: another towpathd listens there", path));
  }
  if (errno != ECONNREFUSED) return fail_errno(errno, "control socket " + path);
  if (::unlink(path.c_str()) != 0) return fail_errno(errno, "remove the stale control socket " + path);
  return {};
}

Result<UniqueFd> listen_at(const std::string& path) {
  constexpr mode_t kMode = 0660;
  TOWPATH_TRY(const sockaddr_un address, socket_address(path));
  std::error_code ec;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ec);
  if (ec) return fail_errno(ec.value(), "make the directory of control socket " + path);
  TOWPATH_TRY_STATUS(clear_stale_socket(path, address));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "socket");
  // On Linux the file takes its mode from the socket, less the umask: it is never open to all, not for a
  // moment.
  if (::fchmod(fd.get(), kMode) != 0) return fail_errno(errno, "set the mode of control socket " + path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, "bind control socket " + path);
  }
  if (::chmod(path.c_str(), kMode) != 0) return fail_errno(errno, "set the mode of control socket " + path);
  if (::listen(fd.get(), SOMAXCONN) != 0) return fail_errno(errno, "listen on control socket " + path);
  return fd;
}

}  // namespace

struct ControlServer::State {
  State(asio::io_context& loop_, ControlBackend& backend_, ControlLimits limits_)
      : loop(loop_), backend(&backend_), limits(limits_), acceptor(loop_) {}

  asio::io_context& loop;
  ControlBackend* backend;  // null once stopped
  ControlLimits limits;
  asio::local::stream_protocol::acceptor acceptor;
  std::string path;
  struct stat file{};  // identifies our socket file
  std::set<ClientPtr> clients;

  // Not while stopped.
  std::expected<std::unique_ptr<RowSource>, ControlFailure> open(std::string_view line) {
    const auto request = parse_request(line);
    if (!request) return std::unexpected(request.error());
    return backend->open(*request);
  }

  static asio::awaitable<void> accept_clients(std::shared_ptr<State> state);
  static asio::awaitable<void> serve(std::shared_ptr<State> state, ClientPtr client);
  static asio::awaitable<bool> read_line(std::shared_ptr<State> state, ClientPtr client, std::string& line);
  static asio::awaitable<bool> reply(std::shared_ptr<State> state, ClientPtr client, std::string_view line);
  static asio::awaitable<bool> send(std::shared_ptr<State> state, ClientPtr client, const std::string& text);
};

asio::awaitable<void> ControlServer::State::accept_clients(std::shared_ptr<State> state) {
  while (state->acceptor.is_open()) {
    error_code ec;
    Socket socket = co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, ec));
    if (ec == asio::error::operation_aborted) co_return;
    if (ec) {
      // Out of descriptors, most likely: the waiting client stays in the backlog. Try again when others have
      // left.
      asio::steady_timer pause(state->loop, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
      continue;
    }
    const auto client = std::make_shared<Client>(std::move(socket));
    state->clients.insert(client);
    // A coroutine of ours ends by itself and lets nothing through but what would be a bug: rethrown to end
    // the process.
    asio::co_spawn(state->loop, serve(state, client), [state, client](std::exception_ptr failure) {
      client->close();
      state->clients.erase(client);
      if (failure) std::rethrow_exception(failure);
    });
  }
}

asio::awaitable<void> ControlServer::State::serve(std::shared_ptr<State> state, ClientPtr client) {
  if (state->clients.size() > state->limits.max_clients) {
    const std::string busy = failure_line(
        {control::Code::kBusy, fmt::format("{} clients are connected already", state->limits.max_clients)});
    co_await send(state, client, busy);
    co_return;
  }
  std::string line;
  for (;;) {
    const bool received = co_await read_line(state, client, line);
    if (!received) co_return;
    const bool answered = co_await reply(state, client, line);
    if (!answered) co_return;
  }
}

// False: the client is gone, or must go.
asio::awaitable<bool> ControlServer::State::read_line(std::shared_ptr<State> state, ClientPtr client,
                                                      std::string& line) {
  error_code ec;
  close_after(client, state->limits.idle_timeout);
  const auto buffer = asio::dynamic_buffer(client->input, control::kLongestRequest);
  const std::size_t length = co_await asio::async_read_until(client->socket, buffer, '\n',
                                                             asio::redirect_error(asio::use_awaitable, ec));
  client->deadline.cancel();
  if (ec == asio::error::not_found) {
    const std::string too_long =
        failure_line({control::Code::kTooLong,
                      fmt::format("a request line has at most {} bytes", control::kLongestRequest)});
    co_await send(state, client, too_long);
    co_return false;
  }
  if (ec) co_return false;
  line.assign(client->input, 0, length - 1);
  client->input.erase(0, length);
  co_return true;
}

// False: the client is gone.
asio::awaitable<bool> ControlServer::State::reply(std::shared_ptr<State> state, ClientPtr client,
                                                  std::string_view line) {
  if (state->backend == nullptr) co_return false;
  const auto source = state->open(line);
  if (!source) {
    const std::string text = failure_line(source.error());
    co_return co_await send(state, client, text);
  }
  const bool ready = (*source)->ready([client] { client->deadline.cancel(); });
  if (!ready) {
    // Also stop() ends the wait, by closing the client.
    error_code woken;
    client->deadline.expires_after(state->limits.work_timeout);
    co_await client->deadline.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    if (state->backend == nullptr || !client->socket.is_open()) co_return false;
    if (!woken) {
      const std::string text =
          failure_line({control::Code::kInternal, "the agent has not got it done in time"});
      co_return co_await send(state, client, text);
    }
  }
  RowWriter rows;
  for (bool more = true; more;) {
    more = (*source)->next_slice(rows);
    if (!more) {
      const auto failure = (*source)->failure();
      rows.text() += failure ? failure_line(*failure) : end_line(rows.rows());
    }
    const bool sent = co_await send(state, client, rows.text());
    // After stop() the source's tables may be gone.
    if (!sent || state->backend == nullptr) co_return false;
    rows.text().clear();
  }
  co_return true;
}

// False: the client is gone, or took nothing for too long.
asio::awaitable<bool> ControlServer::State::send(std::shared_ptr<State> state, ClientPtr client,
                                                 const std::string& text) {
  error_code ec;
  close_after(client, state->limits.write_timeout);
  // Also where a slice has no rows: the write gives the loop to others.
  const auto buffer = asio::buffer(text);
  co_await asio::async_write(client->socket, buffer, asio::redirect_error(asio::use_awaitable, ec));
  client->deadline.cancel();
  co_return !ec;
}

ControlServer::ControlServer(asio::io_context& loop, ControlBackend& backend, ControlLimits limits)
    : state_(std::make_shared<State>(loop, backend, limits)) {}

ControlServer::~ControlServer() {
  stop();
}

Status ControlServer::start(const std::string& path) {
  TOWPATH_TRY(UniqueFd fd, listen_at(path));
  if (::stat(path.c_str(), &state_->file) != 0) return fail_errno(errno, "control socket " + path);
  error_code ec;
  state_->acceptor.assign(asio::local::stream_protocol(), fd.get(), ec);
  if (ec) return fail_errno(ec.value(), "watch control socket " + path);
  fd.release();
  state_->path = path;
  asio::co_spawn(state_->loop, State::accept_clients(state_), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  return {};
}

void ControlServer::stop() {
  state_->backend = nullptr;
  if (!state_->acceptor.is_open()) return;
  error_code ignored;  // closing is best effort
  state_->acceptor.close(ignored);
  struct stat now{};
  if (::stat(state_->path.c_str(), &now) == 0 && now.st_ino == state_->file.st_ino &&
      now.st_dev == state_->file.st_dev) {
    ::unlink(state_->path.c_str());
  }
  for (const ClientPtr& client : state_->clients) client->close();
}

std::size_t ControlServer::clients() const {
  return state_->clients.size();
}

}  // namespace towpath::agent
