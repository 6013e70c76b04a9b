// The life of one peer, chosen octet by octet: what the network, the peer and the owner do, in any order that
// sockets allow. After each step the invariants of PeerFsm are checked.
//
// input: one octet of settings (1 passive, 2 internal, 4 we have the higher identifier), then steps. A step
// is one octet, its low four bits say what happens, bit 4 on which connection; some take one octet more:
//   0 start   1 stop silently   2 stop with a NOTIFICATION   3 the peer connects   4 our connect succeeds
//   5 the connection fails   6 n: 100 n milliseconds pass   7 n: an OPEN, see open_from()   8 KEEPALIVE   9
//   UPDATE 10 n: NOTIFICATION of code n   11 ROUTE-REFRESH   12 n: a message with an error of code n   13
//   unseen input 14 n, n octets: the body of an OPEN
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bgp/fsm/peer_fsm.h"
#include "bgp/wire/decode.h"
#include "towpath/base/byte_reader.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

constexpr AsNumber kLocalAs{65001};

OpenMessage open_of(AsNumber as, RouterId router_id) {
  OpenMessage open;
  open.as = as;
  open.router_id = router_id;
  open.hold_time = 9;
  open.capabilities.multiprotocol = {true, true};
  open.capabilities.four_octet_as = as;
  return open;
}

// What the sockets and the owner of a peer are to its state machine.
class World {
 public:
  explicit World(std::uint8_t flags)
      : passive_((flags & 1) != 0),
        peer_as_((flags & 2) != 0 ? kLocalAs : AsNumber{65002}),
        fsm_({open_of(kLocalAs, RouterId{(flags & 4) != 0 ? 9U : 5U}), peer_as_, std::chrono::seconds(5)},
             passive_, flags) {}

  void step(std::uint8_t octet, ByteReader& input) {
    const Slot slot = (octet & 0x10) != 0 ? Slot::kIncoming : Slot::kOutgoing;
    switch (octet & 0x0F) {
      case 0: carry_out(fsm_.start(now_)); break;
      case 1: carry_out(fsm_.stop({}, now_)); break;
      case 2: carry_out(fsm_.stop(NotificationMessage{kAdministrativeShutdown, {}}, now_)); break;
      case 3: accept(); break;
      case 4:
        if (link(slot) == Link::kConnecting) {
          link(slot) = Link::kOpen;
          event(slot, TcpConnected{});
        }
        break;
      case 5:
        if (link(slot) != Link::kNone) event(slot, TcpConnectionFails{});
        break;
      case 6: pass_time(std::chrono::milliseconds(100) * input.u8()); break;
      case 7: received(slot, OpenReceived{open_from(input.u8())}); break;
      case 8: received(slot, KeepaliveReceived{}); break;
      case 9: received(slot, UpdateReceived{}); break;
      case 10: received(slot, NotificationReceived{{code_from(input.u8()), {}}}); break;
      case 11: received(slot, RouteRefreshReceived{}); break;
      case 12:
        received(slot, MessageError{{Disposition::kReset, code_from(input.u8()), {}, "broken"}});
        break;
      case 13: fsm_.heard(slot, now_); break;
      case 14: {
        const auto body = input.take(input.u8());
        auto open = decode_open(body);
        received(slot, open ? SessionEvent(OpenReceived{*open}) : MessageError{open.error()});
        break;
      }
      default: break;
    }
    check();
  }

 private:
  enum class Link { kNone, kConnecting, kOpen };
  Link& link(Slot slot) { return links_[index(slot)]; }

  static NotificationCode code_from(std::uint8_t octet) {
    return {static_cast<std::uint8_t>(octet >> 4), static_cast<std::uint8_t>(octet & 0x0F)};
  }
  // Bit 0: the wrong AS. Bits 1 and 2: the identifier. Bit 3: graceful restart. Bits 4 to 7: the hold time.
  OpenMessage open_from(std::uint8_t octet) const {
    OpenMessage open =
        open_of((octet & 1) != 0 ? AsNumber{65099} : peer_as_, RouterId{1U + (octet >> 1 & 3U) * 4});
    if ((octet & 8) != 0) {
      GracefulRestart restart;
      restart.restart_time = std::chrono::seconds(120);
      restart.families[0] = GracefulRestart::FamilyState{true};
      open.capabilities.graceful_restart = restart;
    }
    open.hold_time = octet >> 4;
    return open;
  }

  void received(Slot slot, const SessionEvent& what) {
    if (link(slot) == Link::kOpen) event(slot, what);
  }
  void event(Slot slot, const SessionEvent& what) { carry_out(fsm_.step(slot, what, now_)); }

  void accept() {
    const IncomingVerdict verdict = fsm_.accept(now_);
    carry_out(verdict.actions);
    if (!verdict.accepted) {
      TOWPATH_CHECK(verdict.actions.empty() && verdict.refusal.code.code == kCeaseCode);
      return;
    }
    TOWPATH_CHECK(link(Slot::kIncoming) == Link::kNone);
    link(Slot::kIncoming) = Link::kOpen;
    event(Slot::kIncoming, TcpConnected{});
    TOWPATH_CHECK(fsm_.state(Slot::kIncoming) == SessionState::kOpenSent);
  }

  void pass_time(Duration time) {
    now_ += time;
    carry_out(fsm_.expire(now_));
    TOWPATH_CHECK(!fsm_.next_deadline() || *fsm_.next_deadline() > now_);
  }

  void carry_out(const PeerActions& actions) {
    for (std::size_t i = 0; i < actions.size(); ++i) {
      const auto& [slot, action] = actions[i];
      if (std::holds_alternative<Connect>(action)) {
        TOWPATH_CHECK(!passive_ && slot == Slot::kOutgoing && link(slot) == Link::kNone);
        link(slot) = Link::kConnecting;
      } else if (std::holds_alternative<Disconnect>(action)) {
        link(slot) = Link::kNone;
      } else if (std::holds_alternative<SessionDown>(action)) {
        TOWPATH_CHECK(up_ == slot);
        up_.reset();
      } else {
        TOWPATH_CHECK(link(slot) == Link::kOpen);  // all others need a connection
      }
      if (const auto* up = std::get_if<SessionUp>(&action)) {
        const auto hold = up->session.hold_time.count();
        TOWPATH_CHECK(!up_ && up->session.peer_as == peer_as_ && (hold == 0 || hold >= 3));
        up_ = slot;
      }
      if (std::holds_alternative<DeliverMessage>(action)) TOWPATH_CHECK(up_ == slot);
      if (std::holds_alternative<SendNotification>(action)) {
        TOWPATH_CHECK(i + 1 < actions.size() && actions[i + 1].slot == slot &&
                      std::holds_alternative<Disconnect>(actions[i + 1].action));
      }
    }
  }

  void check() {
    unsigned confirmed = 0;
    for (Slot slot : kAllSlots) {
      const SessionState state = fsm_.state(slot);
      confirmed += state >= SessionState::kOpenConfirm ? 1 : 0;
      TOWPATH_CHECK((state >= SessionState::kOpenSent) == (link(slot) == Link::kOpen));
      TOWPATH_CHECK((state == SessionState::kConnect) == (link(slot) == Link::kConnecting));
      TOWPATH_CHECK((state == SessionState::kEstablished) == (up_ == slot));
    }
    TOWPATH_CHECK(confirmed <= 1);
    TOWPATH_CHECK((confirmed == 1) == (fsm_.session() != nullptr));
    // It never rests for good while there is nothing.
    if (fsm_.started() && !passive_ && confirmed == 0) TOWPATH_CHECK(fsm_.next_deadline().has_value());
    if (!fsm_.started()) TOWPATH_CHECK(!fsm_.next_deadline() && fsm_.state() == SessionState::kIdle);
  }

  bool passive_;
  AsNumber peer_as_;
  PeerFsm fsm_;
  TimePoint now_{std::chrono::hours(1)};
  std::array<Link, 2> links_{};
  std::optional<Slot> up_;
};

}  // namespace
}  // namespace towpath::bgp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  towpath::ByteReader input(std::as_bytes(std::span(data, size)));
  towpath::bgp::World world(input.u8());
  while (input.ok() && !input.at_end()) world.step(input.u8(), input);
  return 0;
}
