// The state machine of RFC 5880 section 6.8, alone and in pairs, with a clock that the test moves.
#include "bfd/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace towpath::bfd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::hours(1)};
constexpr Timers kFast{.desired_min_tx = milliseconds(100), .required_min_rx = milliseconds(100)};
constexpr std::uint32_t kOurs = 7;
constexpr std::uint32_t kTheirs = 9;

ControlPacket from_peer(State state) {
  return {.state = state,
          .detect_multiplier = 3,
          .my_discriminator = kTheirs,
          .your_discriminator = kOurs,
          .desired_min_tx = milliseconds(100),
          .required_min_rx = milliseconds(100)};
}

std::vector<ControlPacket> take(Session& session, TimePoint now) {
  std::vector<ControlPacket> out;
  while (const auto packet = session.advance(now)) out.push_back(*packet);
  return out;
}

// In the state that `state` names, by the packets that lead there.
Session session_in(State state, TimePoint now = kStart) {
  Session session(kFast, false, kOurs, 1, now);
  take(session, now);
  if (state == State::kInit) session.receive(from_peer(State::kDown), now);
  if (state == State::kUp) session.receive(from_peer(State::kInit), now);
  if (state == State::kAdminDown) session.shut_down(now);
  take(session, now);
  EXPECT_EQ(session.state(), state);
  return session;
}

TEST(BfdSessionTest, TheStateTableOfSection62) {
  struct Row {
    State from, received, to;
    Diagnostic diagnostic;
  };
  constexpr auto kNone = Diagnostic::kNone;
  constexpr auto kSignaled = Diagnostic::kNeighborSignaledDown;
  constexpr auto kAdmin = Diagnostic::kAdministrativelyDown;
  const Row rows[] = {
      {State::kDown, State::kAdminDown, State::kDown, kNone},
      {State::kDown, State::kDown, State::kInit, kNone},
      {State::kDown, State::kInit, State::kUp, kNone},
      {State::kDown, State::kUp, State::kDown, kNone},
      {State::kInit, State::kAdminDown, State::kDown, kSignaled},
      {State::kInit, State::kDown, State::kInit, kNone},
      {State::kInit, State::kInit, State::kUp, kNone},
      {State::kInit, State::kUp, State::kUp, kNone},
      {State::kUp, State::kAdminDown, State::kDown, kSignaled},
      {State::kUp, State::kDown, State::kDown, kSignaled},
      {State::kUp, State::kInit, State::kUp, kNone},
      {State::kUp, State::kUp, State::kUp, kNone},
      {State::kAdminDown, State::kAdminDown, State::kAdminDown, kAdmin},
      {State::kAdminDown, State::kDown, State::kAdminDown, kAdmin},
      {State::kAdminDown, State::kInit, State::kAdminDown, kAdmin},
      {State::kAdminDown, State::kUp, State::kAdminDown, kAdmin},
  };
  for (const Row& row : rows) {
    Session session = session_in(row.from);
    session.receive(from_peer(row.received), kStart);
    EXPECT_EQ(session.state(), row.to) << format(row.from) << " hears " << format(row.received);
    EXPECT_EQ(session.diagnostic(), row.diagnostic) << format(row.from) << " hears " << format(row.received);
  }
}

TEST(BfdSessionTest, ASecondBetweenPacketsUntilTheSessionIsUp) {
  Session session(kFast, false, kOurs, 1, kStart);
  const auto first = take(session, kStart);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].state, State::kDown);
  EXPECT_EQ(first[0].desired_min_tx, seconds(1)) << "section 6.8.3";
  EXPECT_EQ(first[0].required_min_rx, milliseconds(100));
  EXPECT_EQ(first[0].your_discriminator, 0U);
  EXPECT_GE(session.deadline(), kStart + milliseconds(750));
  EXPECT_LE(session.deadline(), kStart + seconds(1));
}

TEST(BfdSessionTest, ChangesAreToldAtOnceAndConfirmedByAPollSequence) {
  Session session = session_in(State::kInit);
  session.receive(from_peer(State::kInit), kStart);
  const auto up = take(session, kStart);
  ASSERT_EQ(up.size(), 1U) << "not at the end of the interval (6.8.7)";
  EXPECT_EQ(up[0].state, State::kUp);
  EXPECT_EQ(up[0].desired_min_tx, milliseconds(100));
  EXPECT_TRUE(up[0].poll) << "the interval changed (6.8.3)";
  EXPECT_TRUE(take(session, session.deadline())[0].poll) << "until the Final comes";
  auto answer = from_peer(State::kUp);
  answer.final = true;
  session.receive(answer, session.deadline());
  EXPECT_FALSE(take(session, session.deadline())[0].poll);
}

TEST(BfdSessionTest, APollIsAnsweredWithFinalWithoutWaiting) {
  Session session = session_in(State::kUp);
  auto poll = from_peer(State::kUp);
  poll.poll = true;
  session.receive(poll, kStart);
  const auto answer = take(session, kStart);
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_TRUE(answer[0].final);
  EXPECT_FALSE(answer[0].poll) << "never both (6.5)";
}

TEST(BfdSessionTest, DownAfterTheDetectionTimeAndNotBefore) {
  Session session = session_in(State::kUp);
  auto slow = from_peer(State::kUp);
  slow.desired_min_tx = milliseconds(200);
  slow.detect_multiplier = 4;
  session.receive(slow, kStart);
  EXPECT_EQ(session.detection_time(), milliseconds(800)) << "the peer's multiplier and the slower interval";
  take(session, kStart + milliseconds(800) - microseconds(1));
  EXPECT_EQ(session.state(), State::kUp);
  const auto last = take(session, kStart + milliseconds(800));
  EXPECT_EQ(session.state(), State::kDown);
  EXPECT_EQ(session.diagnostic(), Diagnostic::kDetectionTimeExpired);
  EXPECT_EQ(session.remote_discriminator(), 0U) << "section 6.8.1";
  ASSERT_FALSE(last.empty());
  EXPECT_EQ(last.back().state, State::kDown) << "told at once";
  EXPECT_EQ(last.back().diagnostic, Diagnostic::kDetectionTimeExpired);
}

TEST(BfdSessionTest, ThePeersReceiveIntervalSlowsUsAndZeroStopsUs) {
  Session session = session_in(State::kUp);
  auto busy = from_peer(State::kUp);
  busy.required_min_rx = milliseconds(400);
  session.receive(busy, kStart);
  take(session, kStart);
  EXPECT_EQ(session.transmit_interval(), milliseconds(400));
  busy.required_min_rx = {};
  session.receive(busy, kStart);
  for (TimePoint now = kStart; now < kStart + milliseconds(299); now += milliseconds(1)) {
    EXPECT_TRUE(take(session, now).empty());
  }
}

TEST(BfdSessionTest, ThePassiveSideSpeaksWhenItIsSpokenTo) {
  Session session(kFast, true, kOurs, 1, kStart);
  EXPECT_TRUE(take(session, kStart + seconds(5)).empty());
  EXPECT_EQ(session.deadline(), TimePoint::max());
  auto first = from_peer(State::kDown);
  first.your_discriminator = 0;
  session.receive(first, kStart + seconds(5));
  const auto answer = take(session, kStart + seconds(5));
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_EQ(answer[0].state, State::kInit);
  EXPECT_EQ(answer[0].your_discriminator, kTheirs);
}

TEST(BfdSessionTest, APeerInDemandModeHearsNothingButPolls) {
  Session session = session_in(State::kUp);
  auto final = from_peer(State::kUp);
  final.final = true;
  session.receive(final, kStart);
  take(session, kStart);
  auto demand = from_peer(State::kUp);
  demand.demand = true;
  session.receive(demand, kStart);
  EXPECT_TRUE(take(session, kStart + milliseconds(250)).empty());
  session.set_timers({.desired_min_tx = milliseconds(50), .required_min_rx = milliseconds(50)},
                     kStart + milliseconds(250));
  const auto poll = take(session, kStart + milliseconds(250));
  ASSERT_EQ(poll.size(), 1U);
  EXPECT_TRUE(poll[0].poll);
}

// Section 6.8.3: what is not confirmed is not relied on.
TEST(BfdSessionTest, SlowerTimersHoldWhenThePeerKnowsThem) {
  Session session = session_in(State::kUp);
  auto final = from_peer(State::kUp);
  final.final = true;
  session.receive(final, kStart);
  take(session, kStart);
  session.set_timers({.desired_min_tx = milliseconds(400), .required_min_rx = milliseconds(20)}, kStart);
  const auto told = take(session, kStart);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].poll);
  EXPECT_EQ(told[0].desired_min_tx, milliseconds(400));
  EXPECT_EQ(told[0].required_min_rx, milliseconds(20));
  EXPECT_EQ(session.transmit_interval(), milliseconds(100)) << "the peer still expects this one";
  auto fast = from_peer(State::kUp);
  fast.desired_min_tx = milliseconds(20);
  session.receive(fast, kStart);
  EXPECT_EQ(session.detection_time(), milliseconds(300)) << "the peer may still send slowly";
  fast.final = true;
  session.receive(fast, kStart);
  EXPECT_EQ(session.transmit_interval(), milliseconds(400));
  EXPECT_EQ(session.detection_time(), milliseconds(60));
}

TEST(BfdSessionTest, TimersThatChangeDuringAPollAreConfirmedByAnotherOne) {
  Session session = session_in(State::kUp);  // polls already, for the fast interval
  session.set_timers({.desired_min_tx = milliseconds(400), .required_min_rx = milliseconds(100)}, kStart);
  auto final = from_peer(State::kUp);
  final.final = true;
  session.receive(final, kStart);
  EXPECT_EQ(session.transmit_interval(), milliseconds(100)) << "may answer the first one";
  session.receive(final, kStart);
  EXPECT_EQ(session.transmit_interval(), milliseconds(400));
}

TEST(BfdSessionTest, ShutDownSaysSoOnceAndIsSilentThen) {
  Session session = session_in(State::kUp);
  session.shut_down(kStart);
  const auto last = take(session, kStart);
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].state, State::kAdminDown);
  EXPECT_EQ(last[0].diagnostic, Diagnostic::kAdministrativelyDown);
  EXPECT_EQ(session.deadline(), TimePoint::max());
}

// Section 6.8.7: shortened by 0 to 25 percent; by 10 at least where one lost packet is the end.
TEST(BfdSessionTest, IntervalsAreSpread) {
  for (const std::uint8_t multiplier : {std::uint8_t{3}, std::uint8_t{1}}) {
    Timers timers = kFast;
    timers.detect_multiplier = multiplier;
    Session session(timers, false, kOurs, 1, kStart);
    take(session, kStart);
    session.receive(from_peer(State::kInit), kStart);
    take(session, kStart);
    TimePoint now = kStart;
    Duration shortest = seconds(1), longest{};
    for (int i = 0; i < 1000; ++i) {
      session.receive(from_peer(State::kUp), now);
      const TimePoint next = session.deadline();
      shortest = std::min(shortest, next - now);
      longest = std::max(longest, next - now);
      EXPECT_EQ(take(session, next).size(), 1U);
      now = next;
    }
    EXPECT_GE(shortest, milliseconds(75));
    EXPECT_LE(shortest, milliseconds(77));
    EXPECT_LE(longest, multiplier == 1 ? milliseconds(90) : milliseconds(100));
    EXPECT_GE(longest, multiplier == 1 ? milliseconds(89) : milliseconds(99));
  }
}

// Two sessions and a path between them that the test can cut.
class Pair {
 public:
  Pair(Timers ours, Timers theirs) : a_(ours, false, 1, 11, now_), b_(theirs, true, 2, 12, now_) {}

  void run(Duration time, bool path = true) {
    const TimePoint end = now_ + time;
    for (; now_ < end; now_ += milliseconds(1)) {
      deliver(a_, b_, path);
      deliver(b_, a_, path);
    }
  }
  Session& a() { return a_; }
  Session& b() { return b_; }
  int packets() const { return packets_; }

 private:
  void deliver(Session& from, Session& to, bool path) {
    while (const auto packet = from.advance(now_)) {
      ++packets_;
      const auto arrived = decode(encode(*packet));
      ASSERT_TRUE(arrived) << arrived.error();
      if (path) to.receive(*arrived, now_);
    }
  }

  TimePoint now_ = kStart;
  Session a_, b_;
  int packets_ = 0;
};

TEST(BfdSessionTest, APairComesUpFindsTheCutAndComesBack) {
  Timers theirs = kFast;
  theirs.desired_min_tx = milliseconds(200);
  Pair pair(kFast, theirs);
  pair.run(milliseconds(50));
  EXPECT_EQ(pair.a().state(), State::kUp);
  EXPECT_EQ(pair.b().state(), State::kUp);
  pair.run(seconds(10));
  EXPECT_EQ(pair.a().transmit_interval(), milliseconds(100));
  EXPECT_EQ(pair.b().transmit_interval(), milliseconds(200));
  EXPECT_EQ(pair.a().detection_time(), milliseconds(600));
  EXPECT_EQ(pair.b().detection_time(), milliseconds(300));
  pair.run(milliseconds(299), false);
  EXPECT_EQ(pair.a().state(), State::kUp);
  pair.run(milliseconds(302), false);
  EXPECT_EQ(pair.a().state(), State::kDown);
  EXPECT_EQ(pair.b().state(), State::kDown);
  pair.run(milliseconds(1100));
  EXPECT_EQ(pair.a().state(), State::kUp);
  EXPECT_EQ(pair.b().state(), State::kUp);
}

TEST(BfdSessionTest, APairDoesNotChatter) {
  Pair pair(kFast, kFast);
  pair.run(seconds(1));
  const int before = pair.packets();
  pair.run(seconds(100));
  EXPECT_LE(pair.packets() - before, 2 * 100 * 14);  // 100 ms, shortened to 75 at most
  EXPECT_GE(pair.packets() - before, 2 * 100 * 10);
}

// Whatever a peer sends: the deadlines stay sane, and what we send decodes.
TEST(BfdSessionTest, AnyPacketsInAnyOrder) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    Session session(kFast, round % 2 == 0, kOurs, random(), kStart);
    TimePoint now = kStart;
    for (int i = 0; i < 200; ++i) {
      now += microseconds(random() % 300'000);
      const ControlPacket packet{.state = static_cast<State>(random() % 4),
                                 .poll = random() % 4 == 0,
                                 .final = random() % 4 == 0,
                                 .demand = random() % 4 == 0,
                                 .detect_multiplier = static_cast<std::uint8_t>(1 + random() % 255),
                                 .my_discriminator = 1 + static_cast<std::uint32_t>(random() % 3),
                                 .your_discriminator = kOurs,
                                 .desired_min_tx = microseconds(static_cast<std::uint32_t>(random())),
                                 .required_min_rx = microseconds(static_cast<std::uint32_t>(random()))};
      session.receive(packet, now);
      const auto sent = take(session, now);
      EXPECT_LE(sent.size(), 2U);
      for (const ControlPacket& one : sent) {
        EXPECT_TRUE(decode(encode(one)));
        EXPECT_FALSE(one.poll && one.final);
      }
      EXPECT_GT(session.deadline(), now);
    }
  }
}

}  // namespace
}  // namespace towpath::bfd
