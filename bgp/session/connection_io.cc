#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <utility>

#include "bgp/session/connection.h"
#include "bgp/session/endpoint.h"
#include "bgp/session/md5_signature.h"

namespace towpath::bgp {
namespace {

namespace asio = boost::asio;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using boost::system::error_code;

// One read takes at most this much, and at least room for a message, so that an idle session keeps little
// memory.
constexpr std::size_t kMostRead = 256 * 1024;
constexpr std::size_t kLeastRead = kMaxMessageSize;
// What one write is given. Also what a peer that stops reading can hold up in this connection.
constexpr std::size_t kBatchBytes = 128 * 1024;

// What leaves a loop by an exception is a bug or the end of memory: let it end the process.
void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

Connection::Connection(asio::any_io_executor executor, Slot slot, ConnectionOwner* owner)
    : socket_(executor), wake_(executor), linger_(executor), slot_(slot), owner_(owner) {}

void Connection::connect(const ConnectTarget& target) {
  asio::co_spawn(socket_.get_executor(), connect_and_run(shared_from_this(), target), rethrow);
}

void Connection::take(tcp::socket socket, const SegmentOptions& options) {
  socket_ = std::move(socket);
  error_code error;  // a socket that is already dead shows it when it is read
  const auto remote = remote_address();
  if (remote) set_options(*remote, options, error);
  // Nothing may go out unsigned.
  if (error && !options.md5_secret.empty()) socket_.shutdown(tcp::socket::shutdown_both, error);
  run_loops();
}

void Connection::run_loops() {
  asio::co_spawn(socket_.get_executor(), read_loop(shared_from_this()), rethrow);
  asio::co_spawn(socket_.get_executor(), write_loop(shared_from_this()), rethrow);
}

asio::awaitable<void> Connection::connect_and_run([[maybe_unused]] std::shared_ptr<Connection> self,
                                                  ConnectTarget target) {
  // The owner hears of nothing before its own call of connect() has returned.
  co_await asio::post(socket_.get_executor(), use_awaitable);
  if (owner_ == nullptr) co_return;
  error_code error = open(target);
  if (!error) {
    const tcp::endpoint remote = to_endpoint(target.address, target.port);
    co_await socket_.async_connect(remote, redirect_error(use_awaitable, error));
  }
  if (owner_ == nullptr) co_return;
  if (error) {
    lost(error);
    co_return;
  }
  run_loops();
  owner_->on_connected(slot_);
}

asio::awaitable<void> Connection::read_loop([[maybe_unused]] std::shared_ptr<Connection> self) {
  for (;;) {
    error_code error;
    co_await socket_.async_wait(tcp::socket::wait_read, redirect_error(use_awaitable, error));
    if (!socket_.is_open()) co_return;
    if (error || !read_available(error)) {
      lost(error);
      co_return;
    }
    // A connection that is finishing reads on, and drops it: closing with unread bytes would make the kernel
    // send a reset, which can overtake the NOTIFICATION.
    reading_slice_ = owner_ != nullptr && !owner_->on_input(slot_);
    while (reading_slice_) {
      co_await asio::post(socket_.get_executor(), use_awaitable);
      reading_slice_ = owner_ != nullptr && !owner_->on_input(slot_);
    }
  }
}

asio::awaitable<void> Connection::write_loop([[maybe_unused]] std::shared_ptr<Connection> self) {
  // Called before the write and whenever the socket has taken some of it; returns how much it may take next.
  const auto note_progress = [this](const error_code& error, std::size_t) -> std::size_t {
    progress_at_ = std::chrono::steady_clock::now();
    return error ? 0 : kBatchBytes;
  };
  while (socket_.is_open()) {
    woken_ = false;
    collect_batch();
    const bool writes = !batch_.empty();
    error_code error;
    if (writes) {
      writing_ = true;
      co_await asio::async_write(socket_, batch_, note_progress, redirect_error(use_awaitable, error));
      writing_ = false;
      // The read loop reports the end: what the peer said before it, perhaps why, is still to be read.
      if (error) co_return;
      clear_batch();
    } else if (finishing_) {
      socket_.shutdown(tcp::socket::shutdown_send, error);
      co_return;
    }
    if (more_output_) {
      if (!writes) co_await asio::post(socket_.get_executor(), use_awaitable);
    } else if (!woken_ && !finishing_) {
      // Also where output has come since: the owner says when it is to go, see Speaker::Impl::wake_outputs().
      wake_.expires_at(asio::steady_timer::time_point::max());
      co_await wake_.async_wait(redirect_error(use_awaitable, error));
    }
  }
}

error_code Connection::open(const ConnectTarget& target) {
  error_code error;
  socket_.open(target.address.is_v4() ? tcp::v4() : tcp::v6(), error);
  if (error) return error;
  if (target.local_address) {
    socket_.bind(to_endpoint(*target.local_address, 0), error);
    if (error) return error;
  }
  set_options(target.address, target.options, error);
  return error;
}

void Connection::set_options(const IpAddress& peer, const SegmentOptions& options, error_code& error) {
  socket_.non_blocking(true, error);
  // Messages are gathered here already: Nagle would only hold back keepalives.
  socket_.set_option(tcp::no_delay(true), error);
  set_hop_limits(socket_, peer.is_v6(), options.hops, error);
  if (error || options.md5_secret.empty()) return;
  if (const auto status = set_md5_key(socket_.native_handle(), Prefix::host(peer), options.md5_secret);
      !status) {
    error.assign(status.error().sys_errno, boost::system::system_category());
  }
}

bool Connection::read_available(error_code& error) {
  const std::size_t available = socket_.available(error);
  if (error) return false;
  const std::span<std::byte> room = framer_.prepare(std::clamp(available, kLeastRead, kMostRead));
  const std::size_t count = socket_.read_some(asio::buffer(room.data(), room.size()), error);
  if (error == asio::error::would_block) error.clear();  // woken for nothing
  if (error) return false;
  if (owner_ == nullptr || count == 0) return true;
  framer_.commit(count);
  received_at_ = std::chrono::steady_clock::now();
  return true;
}

void Connection::clear_batch() {
  batch_.clear();
  slices_.clear();
  sending_.clear();
}

void Connection::collect_batch() {
  clear_batch();
  std::swap(sending_, control_);
  if (!sending_.empty()) {
    count_messages(sending_);
    batch_.emplace_back(sending_.data(), sending_.size());
  }
  more_output_ = owner_ != nullptr && owner_->pull_output(slot_, kBatchBytes, slices_);
  for (const OutputSlice& slice : slices_) {
    count_messages(slice.bytes);
    batch_.emplace_back(slice.bytes.data(), slice.bytes.size());
  }
}

void Connection::count_messages(std::span<const std::byte> bytes) {
  while (bytes.size() >= kHeaderSize) {
    const std::size_t length =
        std::to_integer<std::size_t>(bytes[16]) << 8 | std::to_integer<std::size_t>(bytes[17]);
    bytes = bytes.subspan(std::clamp(length, kHeaderSize, bytes.size()));
    ++messages_sent_;
  }
}

void Connection::send(std::span<const std::byte> messages) {
  control_.insert(control_.end(), messages.begin(), messages.end());
  wake();
}

void Connection::change_md5_key(std::string_view secret) {
  // Where it cannot be set the old one stays, and the peer's new one brings nothing through: as if the path
  // were lost.
  if (const auto peer = remote_address())
    (void)set_md5_key(socket_.native_handle(), Prefix::host(*peer), secret);
}

void Connection::wake() {
  woken_ = true;
  wake_.cancel();
}

void Connection::close() {
  owner_ = nullptr;
  error_code ignored;
  socket_.close(ignored);
  wake_.cancel();
  linger_.cancel();
}

void Connection::finish() {
  owner_ = nullptr;
  if (!socket_.is_open() || (control_.empty() && batch_.empty())) return close();
  finishing_ = true;
  wake();
  linger_.expires_after(kLinger);
  linger_.async_wait([self = shared_from_this()](const error_code&) { self->close(); });
}

bool Connection::has_unseen_input() const {
  if (reading_slice_) return true;
  error_code error;
  return socket_.is_open() && socket_.available(error) > 0 && !error;
}

std::optional<IpAddress> Connection::local_address() const {
  error_code error;
  const auto endpoint = socket_.local_endpoint(error);
  if (error) return std::nullopt;
  return to_address(endpoint.address());
}

std::optional<IpAddress> Connection::remote_address() const {
  error_code error;
  const auto endpoint = socket_.remote_endpoint(error);
  if (error) return std::nullopt;
  return to_address(endpoint.address());
}

void Connection::lost(const error_code& error) {
  if (owner_ == nullptr) return close();
  owner_->on_closed(slot_, error == asio::error::eof ? "closed by the peer" : error.message());
}

}  // namespace towpath::bgp
