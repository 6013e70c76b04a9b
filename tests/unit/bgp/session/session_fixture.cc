#include "session_fixture.h"

#include <algorithm>
#include <boost/asio/ip/unicast.hpp>

#include "bgp/session/endpoint.h"
#include "bgp/wire/decode.h"
#include "bgp/wire/encode.h"
#include "towpath/base/check.h"

namespace towpath::bgp::test {

namespace asio = boost::asio;
using asio::ip::tcp;

void RecordingObserver::routes_changed(std::span<const RibDelta> changes) {
  for (const RibDelta& change : changes) {
    if (change.best) {
      routes[change.prefix] = *change.best;
    } else {
      withdrawals += routes.erase(change.prefix);
    }
  }
}
void RecordingObserver::peer_state_changed(const PeerStateChange& change) {
  log.push_back(std::string(change.peer) + ": " + std::string(format(change.from)) + " -> " +
                std::string(format(change.to)));
}
void RecordingObserver::session_ended(std::string_view peer, std::string_view reason) {
  log.push_back(std::string(peer) + ": ended: " + std::string(reason));
}
void RecordingObserver::message_problem(std::string_view peer, std::string_view problem) {
  log.push_back(std::string(peer) + ": problem: " + std::string(problem));
}
void RecordingObserver::connection_refused(const IpAddress& from, std::string_view reason) {
  log.push_back("refused " + from.to_string() + ": " + std::string(reason));
}

TestSpeaker::TestSpeaker(asio::io_context& loop, std::uint32_t as, const char* own_address,
                         const char* router_id, SpeakerOptions options)
    : speaker(std::make_unique<Speaker>(loop.get_executor(), observer, options)) {
  config.as = AsNumber{as};
  config.router_id = *RouterId::parse(router_id);
  config.listen = {{address(own_address), 0}};
}
void TestSpeaker::listen() {
  apply();
}
std::uint16_t TestSpeaker::port() const {
  return speaker->listening().front().port;
}
void TestSpeaker::add_peer(PeerConfig peer) {
  config.peers.push_back(std::move(peer));
}
void TestSpeaker::apply() {
  const Status status = speaker->configure(config);
  ASSERT_TRUE(status) << status.error().message;
}
PeerConfig& TestSpeaker::peer_config(std::string_view name) {
  return *std::ranges::find_if(config.peers, [&](const auto& peer) { return peer.name == name; });
}
PeerStatus TestSpeaker::status(std::string_view name) const {
  for (const auto& row : speaker->peers()) {
    if (row.name == name) return row;
  }
  return {};
}
bool TestSpeaker::established(std::string_view name) const {
  return status(name).state == SessionState::kEstablished;
}

PeerConfig peer_of(const TestSpeaker& local, const TestSpeaker& remote, const char* name) {
  PeerConfig peer;
  peer.name = name;
  peer.address = remote.config.listen.front().address;
  peer.as = remote.config.as;
  peer.port = remote.port();
  peer.local_address = local.config.listen.front().address;
  peer.connect_retry = 1s;
  // Loopback addresses are no next hops; these stand for the host's real ones.
  const auto host = static_cast<std::uint8_t>(local.config.router_id.value & 0xFF);
  peer.next_hop_self = {IpAddress::v4(0xC6336400U | host), address("2001:db8::").plus(host)};
  peer.import_policy = PolicyPtr({accept_prefixes("all", {})});
  return peer;
}

RawPeer::RawPeer(asio::io_context& loop, const char* own_address)
    : socket(loop), acceptor_(loop), own_(address(own_address)) {
  for (auto& family : parameters.families) family.enabled = true;
  parameters.four_octet_as = true;
}
void RawPeer::connect(const IpAddress& to, std::uint16_t port, int receive_buffer) {
  socket = tcp::socket(socket.get_executor());
  socket.open(own_.is_v4() ? tcp::v4() : tcp::v6());
  socket.bind(to_endpoint(own_, 0));
  if (receive_buffer != 0) socket.set_option(tcp::socket::receive_buffer_size(receive_buffer));
  socket.connect(to_endpoint(to, port));
  socket.non_blocking(true);
  framer_ = MessageFramer();
  closed_ = false;
}
void RawPeer::connect_with_ttl(const IpAddress& to, std::uint16_t port, int ttl) {
  socket = tcp::socket(socket.get_executor());
  socket.open(own_.is_v4() ? tcp::v4() : tcp::v6());
  socket.set_option(asio::ip::unicast::hops(ttl));
  socket.bind(to_endpoint(own_, 0));
  socket.connect(to_endpoint(to, port));
  socket.non_blocking(true);
}
void RawPeer::listen() {
  acceptor_.open(tcp::v4());
  acceptor_.bind(to_endpoint(own_, 0));
  acceptor_.listen();
  acceptor_.non_blocking(true);
}
std::uint16_t RawPeer::port() const {
  return acceptor_.local_endpoint().port();
}
bool RawPeer::accept() {
  boost::system::error_code error;
  acceptor_.accept(socket, error);
  if (error) return false;
  socket.non_blocking(true);
  closed_ = false;
  return true;
}
void RawPeer::send(std::span<const std::byte> bytes) {
  boost::system::error_code error;
  const std::size_t count = socket.send(asio::buffer(bytes.data(), bytes.size()), 0, error);
  EXPECT_TRUE(error || count == bytes.size()) << "the tests send little enough for the socket's buffer";
}
void RawPeer::send(const Message& message) {
  std::vector<std::byte> bytes;
  TOWPATH_CHECK(encode(message, parameters, bytes).has_value());
  send(bytes);
}
void RawPeer::poll() {
  for (boost::system::error_code error; !closed_ && !error;) {
    const auto room = framer_.prepare(65536);
    const std::size_t count = socket.receive(asio::buffer(room.data(), room.size()), 0, error);
    framer_.commit(count);
    closed_ = error && error != asio::error::would_block;
    while (true) {
      const auto next = framer_.next();
      ASSERT_TRUE(next) << next.error().reason;
      if (!*next) break;
      Message message;
      const auto status = decode(**next, parameters, message);
      ASSERT_TRUE(status) << status.error().reason;
      if (const auto* update = std::get_if<UpdateMessage>(&message)) {
        for (const Reach& reach : update->reach) announced += reach.nlri.size();
      }
      if (const auto* n = std::get_if<NotificationMessage>(&message); n != nullptr && notification.empty()) {
        notification = describe(*n);
      }
      inbox.push_back(std::move(message));
    }
  }
}
void RawPeer::close() {
  boost::system::error_code error;
  socket.close(error);
  closed_ = true;
}

bool SessionTest::run_until(const std::function<bool()>& condition, std::chrono::seconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    if (loop.stopped()) loop.restart();
    loop.run_one_for(std::chrono::milliseconds(10));
  }
  return true;
}
void SessionTest::run_for_turns(int turns) {
  for (int turn = 0; turn < turns; ++turn) {
    if (loop.stopped()) loop.restart();
    loop.run_one_for(std::chrono::milliseconds(1));
  }
}

OpenMessage SessionTest::open_of(std::uint32_t as, const char* router_id, std::uint16_t hold_time) const {
  OpenMessage open;
  open.as = AsNumber{as};
  open.hold_time = hold_time;
  open.router_id = *RouterId::parse(router_id);
  open.capabilities.multiprotocol = {true, true};
  open.capabilities.four_octet_as = open.as;
  open.capabilities.route_refresh = true;
  return open;
}

void SessionTest::begin_raw_session(int receive_buffer) {
  if (subject == nullptr) subject = std::make_unique<TestSpeaker>(loop, 65001, "127.0.1.1", "10.0.0.1");
  subject->listen();
  raw = std::make_unique<RawPeer>(loop, "127.0.1.2");
  PeerConfig peer;
  peer.name = "raw";
  peer.address = address("127.0.1.2");
  peer.as = AsNumber{65002};
  peer.passive = true;
  peer.hold_time = 90s;
  peer.next_hop_self = {address("198.51.100.1"), address("2001:db8::1")};
  peer.import_policy = PolicyPtr({accept_prefixes("all", {})});
  peer.export_scope = ExportScope::kAll;
  subject->add_peer(peer);
  subject->apply();
  raw->connect(address("127.0.1.1"), subject->port(), receive_buffer);
}

void SessionTest::establish_raw_session(std::uint16_t hold_time, int receive_buffer) {
  begin_raw_session(receive_buffer);
  raw->send(open_of(65002, "10.0.0.2", hold_time));
  raw->send(KeepaliveMessage{});
  ASSERT_TRUE(run_until([&] { return subject->established("raw"); }));
}

}  // namespace towpath::bgp::test
