// The agent's copy of the store's records and what follows from it, with a real store and a fake kernel.
#include "agent/endpoint/endpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <mutex>

#include "tests/support/eventually.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/agent/endpoint/endpoint_fixture.h"

namespace towpath::agent {
namespace {

using namespace std::chrono_literals;
using test::make_record;
using test::tcp;
using ::testing::HasSubstr;

// Keeps its state, and refuses on demand.
struct FakeState {
  std::mutex mutex;
  netlink::PortState ports;
  bool refuses = false;
  bool flushed = false;  // somebody took the table away
  std::size_t changes = 0;
  std::size_t protections = 0;
};

class FakePortKernel final : public PortKernel {
 public:
  explicit FakePortKernel(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}
  Result<netlink::PortState> adopt() override {
    const std::lock_guard lock(state_->mutex);
    state_->flushed = false;
    return state_->ports;
  }
  Status change(const netlink::PortChange& change) override {
    const std::lock_guard lock(state_->mutex);
    if (state_->refuses) return fail(ErrorKind::kSystem, "not today");
    if (state_->flushed) return fail(ErrorKind::kNotFound, "no such table");
    ++state_->changes;
    for (const auto& [key, target] : change.remove_ports) state_->ports.ports.erase(key);
    for (const auto& [key, target] : change.add_ports) state_->ports.ports[key] = target;
    for (const IpAddress& address : change.remove_hairpins) state_->ports.hairpins.erase(address);
    for (const IpAddress& address : change.add_hairpins) state_->ports.hairpins.insert(address);
    return {};
  }
  Status protect() override {
    const std::lock_guard lock(state_->mutex);
    ++state_->protections;
    return {};
  }

 private:
  std::shared_ptr<FakeState> state_;
};

class EndpointsTest : public ::testing::Test, public EndpointObserver {
 protected:
  void start() {
    auto started = Endpoints::start(store_, std::make_unique<FakePortKernel>(kernel_),
                                    {[this](const std::string&) { return inode_; },
                                     [](const std::string&, const ipam::AttachmentId&) { return false; }},
                                    *this, [this](PortWriter::Task task) {
                                      const std::lock_guard lock(loop_mutex_);
                                      loop_.push_back(std::move(task));
                                    });
    ASSERT_TRUE(started);
    endpoints_ = *std::move(started);
  }
  void run_loop() {
    for (;;) {
      PortWriter::Task task;
      {
        const std::lock_guard lock(loop_mutex_);
        if (loop_.empty()) return;
        task = std::move(loop_.front());
        loop_.pop_front();
      }
      task();
    }
  }
  // Asks, and runs the loop until there is an answer.
  Status change(int number) {
    std::optional<Status> answer;
    endpoints_->changed(make_record(number).attachment, [&](Status status) { answer = std::move(status); });
    EXPECT_FALSE(answer) << "within the call";
    EXPECT_TRUE(test::eventually([&] {
      run_loop();
      return answer.has_value();
    }));
    return answer.value_or(fail(ErrorKind::kSystem, "no answer"));
  }
  bool settles(std::size_t elements) {
    return test::eventually([&] {
      run_loop();
      return endpoints_->counters().ports == elements;
    });
  }
  // As a plugin does.
  void attach(int number, std::vector<ipam::PortMapping> ports) {
    const ipam::EndpointRecord wanted = make_record(number, std::move(ports));
    ipam::ReserveRequest request;
    request.attachment = wanted.attachment;
    request.network = wanted.network;
    request.sandbox = wanted.sandbox;
    request.sandbox_inode = wanted.sandbox_inode;
    request.allocate = false;
    auto record = store_.reserve(request);
    ASSERT_TRUE(record) << record.error().message;
    record->host_ifname = wanted.host_ifname;
    record->addresses = wanted.addresses;
    record->ports = wanted.ports;
    ASSERT_TRUE(store_.commit(*record));
  }
  void detach(int number) {
    const auto record = *store_.find(make_record(number).attachment);
    ASSERT_TRUE(*store_.release(record->attachment, record->generation));
  }

  void endpoint_released(const ipam::EndpointRecord& record) override {
    released_.push_back(record.attachment.container_id);
  }
  void borrowed_changed() override { ++borrowed_news_; }
  void endpoint_problem(std::string_view what, std::string_view reason) override {
    problems_.push_back(std::string(what) + ": " + std::string(reason));
  }

  test::TemporaryDirectory directory_;
  ipam::StateStore store_ = *ipam::StateStore::open(directory_.path(), ipam::StateStore::OpenMode::kCreate);
  std::shared_ptr<FakeState> kernel_ = std::make_shared<FakeState>();
  std::optional<std::uint64_t> inode_ = 0;
  std::vector<std::string> released_, problems_;
  int borrowed_news_ = 0;
  std::mutex loop_mutex_;
  std::deque<PortWriter::Task> loop_;
  std::unique_ptr<Endpoints> endpoints_;
};

TEST_F(EndpointsTest, RulesThatSomebodyChangedArePutBackWithTheirMappings) {
  start();
  attach(1, {tcp(80)});
  ASSERT_TRUE(change(1));
  {
    const std::lock_guard lock(kernel_->mutex);
    kernel_->ports = {};
  }
  endpoints_->rules_changed();
  EXPECT_TRUE(test::eventually([&] {
    run_loop();
    const std::lock_guard lock(kernel_->mutex);
    return kernel_->ports.ports.size() == 2;
  }));
  EXPECT_EQ(kernel_->protections, 1U);
  EXPECT_EQ(endpoints_->counters().rules_repaired, 1U);
  // One who does not stop waits for the tick.
  const auto repaired = [&](std::size_t times) {
    return test::eventually([&] {
      run_loop();
      return endpoints_->counters().rules_repaired == times;
    });
  };
  for (std::size_t times = 2; times <= 50; ++times) {
    endpoints_->rules_changed();
    ASSERT_TRUE(repaired(times));
  }
  endpoints_->rules_changed();
  run_loop();
  EXPECT_EQ(endpoints_->counters().rules_repaired, 50U);
  endpoints_->tick(TimePoint{});
  EXPECT_TRUE(repaired(51));
}

TEST_F(EndpointsTest, AnEndpointIsMappedWhenItsPluginIsAnswered) {
  start();
  attach(1, {tcp(80)});
  ASSERT_TRUE(change(1));
  EXPECT_EQ(kernel_->ports.ports.size(), 2U);
  ASSERT_TRUE(change(1)) << "again, with nothing to do";
  EXPECT_EQ(kernel_->changes, 1U);
  detach(1);
  ASSERT_TRUE(change(1));
  EXPECT_EQ(kernel_->ports, netlink::PortState());
  EXPECT_TRUE(change(2)) << "never heard of";
}

TEST_F(EndpointsTest, AHeldPortIsRefusedUntilItsHolderIsGone) {
  start();
  attach(1, {tcp(80)});
  attach(2, {tcp(80)});
  ASSERT_TRUE(change(1));
  const Status refused = change(2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(endpoints_->counters().ports_refused, 1U);
  detach(1);
  EXPECT_TRUE(change(2)) << "the store counts, not what was heard last";
  EXPECT_EQ(kernel_->ports.ports.begin()->second.address, make_record(2).addresses[0]);
}

TEST_F(EndpointsTest, ARefusalOfTheKernelIsToldAndTriedAgain) {
  start();
  attach(1, {tcp(80)});
  kernel_->refuses = true;
  const Status refused = change(1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "not today");
  kernel_->refuses = false;
  endpoints_->tick(TimePoint(1s));
  EXPECT_TRUE(settles(2));
  EXPECT_EQ(problems_, std::vector<std::string>{"write port mappings: not today"}) << "told once";
}

TEST_F(EndpointsTest, AnAddBetweenAFlushAndItsNewsIsNotRefused) {
  start();
  attach(1, {tcp(80)});
  ASSERT_TRUE(change(1));
  kernel_->ports = {};
  kernel_->flushed = true;
  attach(2, {tcp(81)});
  EXPECT_TRUE(change(2));
  EXPECT_EQ(kernel_->ports.ports.size(), 4U) << "and what was there before is back";
  EXPECT_TRUE(problems_.empty());
}

TEST_F(EndpointsTest, TheAuditFindsWhatNobodyTold) {
  start();
  for (int number = 1; number <= 1100; ++number) attach(number, {tcp(static_cast<std::uint16_t>(number))});
  endpoints_->tick(TimePoint(1s));
  EXPECT_TRUE(settles(2200)) << "over more than one slice";
  EXPECT_EQ(endpoints_->counters().endpoints, 1100U);
  for (int number = 1; number <= 1100; number += 2) detach(number);
  detach(1100);
  endpoints_->tick(TimePoint(2s));
  EXPECT_TRUE(settles(1098));
  EXPECT_EQ(endpoints_->counters().endpoints, 549U);
  const std::size_t changes = kernel_->changes;
  endpoints_->tick(TimePoint(3s));
  run_loop();
  EXPECT_EQ(kernel_->changes, changes) << "the store has not changed";
}

TEST_F(EndpointsTest, ARestartTouchesOnlyWhatIsWrong) {
  attach(1, {tcp(80)});
  attach(2, {tcp(81)});
  start();
  ASSERT_TRUE(settles(4));
  endpoints_.reset();
  detach(2);
  attach(3, {tcp(80)});  // came later than 1, so it has no claim
  const std::size_t changes = kernel_->changes;
  start();
  EXPECT_TRUE(settles(2));
  EXPECT_EQ(kernel_->changes, changes + 1);
  EXPECT_EQ(kernel_->ports.ports.begin()->second.address, make_record(1).addresses[0]);
  ASSERT_EQ(problems_.size(), 1U);
  EXPECT_THAT(problems_[0],
              HasSubstr("map the ports of c3/eth0: port 80/tcp on any address of the host leads to c1/eth0"));
}

TEST_F(EndpointsTest, ADeadEndpointIsReleasedPortsFirst) {
  attach(1, {tcp(80)});
  start();
  ASSERT_TRUE(settles(2));
  endpoints_->tick(TimePoint(10s));
  EXPECT_TRUE(released_.empty()) << "the runtime has its grace";
  netlink::LinkEvent event{.removed = true};
  event.link.name = make_record(1).host_ifname;
  event.link.alias = "c1/eth0";
  endpoints_->on_kernel_event(event);
  endpoints_->tick(TimePoint(41s));
  EXPECT_TRUE(released_.empty());
  EXPECT_TRUE(settles(0)) << "first the mappings";
  EXPECT_TRUE(store_.find(make_record(1).attachment)->has_value());
  endpoints_->tick(TimePoint(42s));
  EXPECT_EQ(released_, std::vector<std::string>{"c1"});
  EXPECT_FALSE(store_.find(make_record(1).attachment)->has_value());
  EXPECT_EQ(endpoints_->counters().released, 1U);
  EXPECT_EQ(endpoints_->counters().endpoints, 0U);
}

TEST_F(EndpointsTest, BorrowedAddressesAreThoseOfLiveEndpoints) {
  const std::vector<Prefix> own{*Prefix::parse("10.64.1.0/26"), *Prefix::parse("10.64.7.7/32")};
  const std::vector<Prefix> pools{*Prefix::parse("10.64.0.0/16"), *Prefix::parse("fd00:64::/48")};
  ASSERT_TRUE(store_.set_owned_blocks(own, pools));
  start();
  ipam::ReserveRequest request;
  request.attachment = make_record(1).attachment;
  request.sandbox_inode = 7;
  request.choice.borrow = true;
  for (const char* text : {"10.64.2.9", "fd00:64:0:2::9", "10.64.7.7"})
    request.choice.addresses.push_back(*IpAddress::parse(text));
  const auto record = store_.reserve(request);
  ASSERT_TRUE(record) << record.error().message;
  ASSERT_TRUE(change(1));
  EXPECT_TRUE(endpoints_->borrowed().empty()) << "its ADD is under way";
  EXPECT_EQ(borrowed_news_, 0);
  ASSERT_TRUE(store_.commit(*record));
  const std::vector<Prefix> borrowed{*Prefix::parse("10.64.2.9/32"), *Prefix::parse("fd00:64:0:2::9/128")};
  ASSERT_TRUE(change(1));
  EXPECT_EQ(endpoints_->borrowed(), borrowed) << "an own block may be a single address, too";
  EXPECT_EQ(endpoints_->counters().borrowed, 2U);
  EXPECT_EQ(borrowed_news_, 1);

  start();
  EXPECT_EQ(endpoints_->borrowed(), borrowed) << "a restart finds them in the store";
  const std::vector<Prefix> more{own[0], own[1], *Prefix::parse("10.64.2.0/26")};
  ASSERT_TRUE(store_.set_owned_blocks(more, pools));
  endpoints_->tick(TimePoint());
  EXPECT_EQ(endpoints_->borrowed(), std::vector<Prefix>{borrowed[1]}) << "the other block is this host's now";
  detach(1);
  endpoints_->tick(TimePoint());
  EXPECT_TRUE(endpoints_->borrowed().empty()) << "without a word of the plugin";
}

TEST_F(EndpointsTest, AnEndpointThatWasAttachedAnewIsNotReleased) {
  attach(1, {});
  start();
  endpoints_->tick(TimePoint(10s));
  detach(1);
  attach(1, {});  // of a later generation
  endpoints_->tick(TimePoint(50s));
  endpoints_->tick(TimePoint(51s));
  EXPECT_TRUE(released_.empty());
  EXPECT_TRUE(store_.find(make_record(1).attachment)->has_value());
}

}  // namespace
}  // namespace towpath::agent
