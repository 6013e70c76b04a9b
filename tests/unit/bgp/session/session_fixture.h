// Speakers in one process, each on a loopback address of its own, and a peer that is driven byte by byte.
//
// Everything runs in the test's thread: run_until() turns the loop until a condition holds or its deadline is
// over.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bgp/wire/message.h"
#include "bgp/wire/message_framer.h"
#include "bgp/wire/session_parameters.h"
#include "towpath/bgp/speaker.h"

namespace towpath::bgp::test {

using namespace std::chrono_literals;

inline IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}
inline Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

// Keeps what the speaker reported.
class RecordingObserver final : public SpeakerObserver {
 public:
  void routes_changed(std::span<const RibDelta> changes) override;
  void peer_state_changed(const PeerStateChange& change) override;
  void session_ended(std::string_view peer, std::string_view reason) override;
  void message_problem(std::string_view peer, std::string_view problem) override;
  void connection_refused(const IpAddress& from, std::string_view reason) override;
  void peer_in_sync(std::string_view peer) override { synced.emplace_back(peer); }
  void speaker_in_sync() override { ++speaker_syncs; }

  std::map<Prefix, FibPath> routes;  // best paths as they stand
  std::size_t withdrawals = 0;
  std::vector<std::string>
      log;  // "b: Idle -> Connect", "b: ended: ...", "b: problem: ...", "refused ...: ..."
  std::vector<std::string> synced;
  int speaker_syncs = 0;
};

struct TestSpeaker {
  TestSpeaker(boost::asio::io_context& loop, std::uint32_t as, const char* own_address, const char* router_id,
              SpeakerOptions options = {});

  // Listens, so that others can be told the port.
  void listen();
  std::uint16_t port() const;
  void add_peer(PeerConfig peer);
  void apply();
  PeerConfig& peer_config(std::string_view name);
  PeerStatus status(std::string_view name) const;
  bool established(std::string_view name) const;
  bool has(const char* text) const { return observer.routes.contains(prefix(text)); }

  RecordingObserver observer;
  SpeakerConfig config;
  std::unique_ptr<Speaker> speaker;
};

// How `local` is to see `remote`.
PeerConfig peer_of(const TestSpeaker& local, const TestSpeaker& remote, const char* name);

// The other end of a session, with no mind of its own.
class RawPeer {
 public:
  RawPeer(boost::asio::io_context& loop, const char* own_address);

  // `receive_buffer`: of the socket, in bytes; 0 for the kernel's default.
  void connect(const IpAddress& to, std::uint16_t port, int receive_buffer = 0);
  void connect_with_ttl(const IpAddress& to, std::uint16_t port, int ttl);
  // Waits for the speaker to connect; port() says where.
  void listen();
  std::uint16_t port() const;
  bool accept();  // whether someone has connected by now

  void send(std::span<const std::byte> bytes);
  void send(const Message& message);
  // Reads what is there. Without it the receive buffer fills and the window closes.
  void poll();
  bool closed() const { return closed_; }
  void close();

  // Received and not yet looked at; poll() adds to it.
  std::deque<Message> inbox;
  // The first NOTIFICATION received, "" before.
  std::string notification;
  // Prefixes announced by now.
  std::size_t announced = 0;
  SessionParameters parameters;  // to read UPDATEs by

  boost::asio::ip::tcp::socket socket;

 private:
  boost::asio::ip::tcp::acceptor acceptor_;
  IpAddress own_;
  MessageFramer framer_;
  bool closed_ = false;
};

class SessionTest : public testing::Test {
 protected:
  // False where the deadline comes first.
  [[nodiscard]] bool run_until(const std::function<bool()>& condition, std::chrono::seconds deadline = 20s);
  // As often as it takes for what is under way in this process to settle.
  void run_for_turns(int turns);

  OpenMessage open_of(std::uint32_t as, const char* router_id, std::uint16_t hold_time = 90) const;
  // A speaker (AS 65001, 127.0.1.1, identifier 10.0.0.1) and a raw peer named "raw" (AS 65002, 127.0.1.2)
  // that has connected to it.
  void begin_raw_session(int receive_buffer = 0);
  // ... and is Established.
  void establish_raw_session(std::uint16_t hold_time = 90, int receive_buffer = 0);

  boost::asio::io_context loop;
  std::unique_ptr<TestSpeaker> subject;
  std::unique_ptr<RawPeer> raw;
};

}  // namespace towpath::bgp::test
