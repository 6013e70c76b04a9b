// One TCP connection with a peer: bytes in, bytes out. It knows message borders, but no messages.
//
// Model
//   Two loops. The read loop puts what arrives into a MessageFramer and has the owner take messages from it,
//   in slices. The write loop sends what send() was given, then what the owner's pull_output() gives, and
//   asks for more only when the socket has taken the last: a peer that does not read costs one batch of
//   memory, and no time.
//
// Ownership and lifetime
//   The loops keep the connection alive (shared_ptr). The owner lets go of it by close() or finish(); after
//   that no callback comes any more, and the owner may die.
// Threading: owned by the loop.
// Failure: ConnectionOwner::on_closed(), at most once; the owner then calls close().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bgp/fsm/peer_fsm.h"
#include "bgp/rib/output.h"
#include "bgp/session/peer_config.h"
#include "bgp/wire/message_framer.h"
#include "towpath/base/address.h"
#include "towpath/base/clock.h"

namespace towpath::bgp {

class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual void on_connected(Slot slot) = 0;
  // The connection could not be made, ended, or broke. `reason` is for people.
  virtual void on_closed(Slot slot, const std::string& reason) = 0;
  // Messages may be waiting in framer(). False: it took its share and wants to go on in the next turn of the
  // loop.
  virtual bool on_input(Slot slot) = 0;
  // As Rib::pull().
  virtual bool pull_output(Slot slot, std::size_t max_bytes, std::vector<OutputSlice>& out) = 0;
};

// What the kernel does for the segments of a connection.
struct SegmentOptions {
  HopLimits hops;
  std::string md5_secret;  // RFC 2385; empty: they are not signed
};

struct ConnectTarget {
  IpAddress address;
  std::uint16_t port = 0;
  std::optional<IpAddress> local_address;  // source; else the kernel chooses
  SegmentOptions options;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // How long the last bytes may take after finish().
  static constexpr std::chrono::seconds kLinger{1};

  // `owner` may be null for a connection that is only told why it is not wanted: send(), then finish().
  Connection(boost::asio::any_io_executor executor, Slot slot, ConnectionOwner* owner);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Either of both, once.
  void connect(const ConnectTarget& target);
  void take(boost::asio::ip::tcp::socket socket, const SegmentOptions& options);

  // Queues whole messages. They go out before anything that is pulled later.
  void send(std::span<const std::byte> messages);
  // Of a connection whose segments are signed: both directions have the new key from now on.
  void change_md5_key(std::string_view secret);
  // pull_output() may have something.
  void wake();

  // Lets go of the owner. Closes at once; what was not sent is lost.
  void close();
  // Lets go of the owner. Sends what send() was given, then closes; waits at most kLinger.
  void finish();

  MessageFramer& framer() { return framer_; }
  // When the bytes in the framer were read from the socket.
  TimePoint received_at() const { return received_at_; }
  // Something has arrived that on_input() has not seen.
  bool has_unseen_input() const;
  // The socket has taken all that was sent and pulled.
  bool all_sent() const { return control_.empty() && !writing_; }
  // Bytes queued by send() that the socket has not taken.
  std::size_t queued() const { return control_.size(); }
  std::uint64_t messages_sent() const { return messages_sent_; }
  // Until then nothing was waiting for the socket, or it took something: `now` while nothing waits.
  TimePoint sent_until(TimePoint now) const { return writing_ ? progress_at_ : now; }
  std::optional<IpAddress> local_address() const;
  std::optional<IpAddress> remote_address() const;

 private:
  boost::asio::awaitable<void> connect_and_run(std::shared_ptr<Connection> self, ConnectTarget target);
  boost::asio::awaitable<void> read_loop(std::shared_ptr<Connection> self);
  boost::asio::awaitable<void> write_loop(std::shared_ptr<Connection> self);
  void run_loops();
  boost::system::error_code open(const ConnectTarget& target);
  void set_options(const IpAddress& peer, const SegmentOptions& options, boost::system::error_code& error);
  // What is there to read, without waiting. False: the connection has ended; `error` says how.
  bool read_available(boost::system::error_code& error);
  void collect_batch();
  void clear_batch();
  void count_messages(std::span<const std::byte> bytes);
  void lost(const boost::system::error_code& error);

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer wake_;
  boost::asio::steady_timer linger_;
  Slot slot_;
  ConnectionOwner* owner_;
  bool finishing_ = false;
  bool reading_slice_ = false;  // on_input() has left messages in the framer
  MessageFramer framer_;
  TimePoint received_at_{};
  std::vector<std::byte> control_;  // by send(), not yet in the batch
  std::vector<std::byte> sending_;  // the part of the batch that came from control_
  std::vector<OutputSlice> slices_;
  std::vector<boost::asio::const_buffer> batch_;
  bool more_output_ = false;
  bool woken_ = false;       // since the batch was collected
  bool writing_ = false;     // a batch is with the socket
  TimePoint progress_at_{};  // when the socket took something of it last
  std::uint64_t messages_sent_ = 0;
};

}  // namespace towpath::bgp
