#include "cli/local_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/exit_code.h"
#include "cli/run.h"
#include "tests/unit/cli/captured_stream.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class LocalRows : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/towpath-rows-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // One live endpoint with an address of each family.
  void attach() {
    auto store = ipam::StateStore::open(directory_, ipam::StateStore::OpenMode::kCreate);
    ASSERT_TRUE(store.has_value()) << store.error().message;
    const Prefix owned[] = {*Prefix::parse("10.64.1.0/29"), *Prefix::parse("fd00:64::/125")};
    ASSERT_TRUE(store->set_owned_blocks(owned).has_value());
    ipam::ReserveRequest request;
    request.attachment = {"0123456789abcdef", "eth0"};
    request.network = "net";
    request.sandbox = directory_ + "/x";
    request.sandbox_inode = 1;
    request.labels = {{"app", "web"}};
    request.pod = {{"K8S_POD_NAMESPACE", "prod"}, {"K8S_POD_NAME", "web-1"}};
    auto record = store->reserve(request);
    ASSERT_TRUE(record.has_value()) << record.error().message;
    record->state = ipam::AllocationState::kLive;
    record->host_ifname = "tp0123456789a";
    record->mtu = 1500;
    ASSERT_TRUE(store->commit(*record).has_value());
  }

  // The beginning of an ADD.
  ipam::EndpointRecord reserve(const std::string& container) {
    auto store = ipam::StateStore::open(directory_, ipam::StateStore::OpenMode::kExisting);
    ipam::ReserveRequest request;
    request.attachment = {container, "eth0"};
    request.network = "net";
    return store->reserve(request).value();
  }

  Options options(Action action, Format format, bool allocations = false) const {
    Options out;
    out.action = action;
    out.state_dir = directory_;
    out.format = format;
    out.ipam.allocations = allocations;
    return out;
  }

  static std::string output_of(const Options& options) {
    CapturedStream out;
    CapturedStream err;
    EXPECT_EQ(run(options, out.get(), err.get()), kExitOk) << err.text();
    return out.text();
  }

  std::string directory_;
};

TEST_F(LocalRows, EndpointsNeedNoAgent) {
  attach();
  const json rows = json::parse(output_of(options(Action::kEndpoints, Format::kJson)));
  ASSERT_EQ(rows.size(), 1U);
  const json& row = rows[0];
  EXPECT_EQ(row["container_id"], "0123456789abcdef");
  EXPECT_EQ(row["ifname"], "eth0");
  EXPECT_EQ(row["host_ifname"], "tp0123456789a");
  EXPECT_EQ(row["addresses"].size(), 2U);
  EXPECT_EQ(row["mtu"], 1500);
  EXPECT_EQ(row["sandbox"], directory_ + "/x");
  EXPECT_EQ(row["created"], "1970-01-01T00:00:00Z");
  EXPECT_EQ(row["labels"]["app"], "web");
  EXPECT_EQ(row["pod"]["K8S_POD_NAME"], "web-1");
}

TEST_F(LocalRows, BlocksAndTheirAllocations) {
  attach();
  const json rows = json::parse(output_of(options(Action::kIpamShow, Format::kJson, true)));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["block"], "10.64.1.0/29");
  EXPECT_EQ(rows[0]["family"], "ipv4");
  EXPECT_EQ(rows[0]["used"], 1);
  EXPECT_EQ(rows[0]["pending"], 0);
  EXPECT_EQ(rows[0]["resting"], 0);
  EXPECT_EQ(rows[0]["size"].get<int>() - rows[0]["free"].get<int>(), 1);
  ASSERT_EQ(rows[1]["allocations"].size(), 1U);
  EXPECT_EQ(rows[1]["allocations"][0]["state"], "live");
  EXPECT_FALSE(json::parse(output_of(options(Action::kIpamShow, Format::kJson)))[0].contains("allocations"));
}

TEST_F(LocalRows, IpamByBlockAndContainer) {
  attach();
  reserve("0fff");
  Options asked = options(Action::kIpamShow, Format::kJson);
  const json all = json::parse(output_of(asked));
  EXPECT_EQ(all[0]["used"], 2);
  EXPECT_EQ(all[0]["pending"], 1);
  asked.ipam.block = *Prefix::parse("10.64.1.3/32");
  EXPECT_EQ(json::parse(output_of(asked)).size(), 1U) << "the block of this address";
  asked.ipam.block.reset();
  asked.ipam.container = "0ff";
  const json of_container = json::parse(output_of(asked));
  ASSERT_EQ(of_container.size(), 2U);
  ASSERT_EQ(of_container[0]["allocations"].size(), 1U);
  EXPECT_EQ(of_container[0]["allocations"][0]["container_id"], "0fff");
  asked.format = Format::kTable;
  asked.ipam.block = *Prefix::parse("fd00:64::/125");
  EXPECT_EQ(output_of(asked),
            "ADDRESS     CONTAINER  IFNAME  NETWORK  STATE    SINCE\n"
            "fd00:64::2  0fff       eth0    net      pending  1970-01-01T00:00:00Z\n");
  asked.ipam.container = "f";
  EXPECT_EQ(output_of(asked), "No addresses are in use.\n");
}

TEST_F(LocalRows, AddressesThatRest) {
  attach();
  Options asked = options(Action::kIpamShow, Format::kTable);
  asked.ipam.resting = true;
  EXPECT_EQ(output_of(asked), "No addresses rest.\n");
  const auto aborted = reserve("0fff");
  {
    auto store = ipam::StateStore::open(directory_, ipam::StateStore::OpenMode::kExisting);
    ASSERT_EQ(store->release(aborted.attachment, aborted.generation), true);
    const auto live = (*store->endpoints())[0];
    ASSERT_EQ(store->release(live.attachment, live.generation), true);
  }
  asked.format = Format::kJson;
  const json rows = json::parse(output_of(asked));
  EXPECT_EQ(rows[0]["resting"], 2);
  const json& resting = rows[0]["resting_addresses"];
  ASSERT_EQ(resting.size(), 2U);
  EXPECT_EQ(resting[0]["address"], "10.64.1.2");
  EXPECT_TRUE(resting[0]["rested_seconds"].is_null()) << "its ADD failed: nobody had it";
  EXPECT_EQ(resting[1]["address"], "10.64.1.1");
  EXPECT_TRUE(resting[1]["rested_seconds"].is_number());
  asked.format = Format::kTable;
  EXPECT_THAT(output_of(asked), HasSubstr("10.64.1.2   10.64.1.0/29   not used"));
}

TEST_F(LocalRows, CheckSaysWhatItFinds) {
  attach();
  const Options asked = options(Action::kIpamCheck, Format::kJson);
  CapturedStream out;
  CapturedStream err;
  EXPECT_EQ(run(asked, out.get(), err.get()), kExitFindings);
  EXPECT_EQ(err.text(), "");
  const json rows = json::parse(out.text());
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["kind"], "sandbox-gone");
  EXPECT_EQ(rows[0]["address"], "10.64.1.1");
  EXPECT_EQ(rows[0]["container_id"], "0123456789abcdef");
  EXPECT_EQ(rows[0]["ifname"], "eth0");
  EXPECT_EQ(rows[0]["reason"], "its sandbox " + directory_ + "/x is gone");
}

TEST_F(LocalRows, RepairSaysWhatItWouldDoAndThenDoesIt) {
  attach();
  Options asked = options(Action::kIpamRepair, Format::kJson);
  for (const bool apply : {false, true}) {
    asked.apply = apply;
    CapturedStream out;
    CapturedStream err;
    EXPECT_EQ(run(asked, out.get(), err.get()), apply ? kExitOk : kExitFindings) << err.text();
    const json rows = json::parse(out.text());
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[1]["kind"], "sandbox-gone");
    EXPECT_EQ(rows[1]["address"], "fd00:64::1");
    EXPECT_EQ(rows[1]["repair"], "release");
    EXPECT_EQ(rows[1]["done"], apply);
  }
  EXPECT_EQ(output_of(options(Action::kEndpoints, Format::kJson)), "[]\n");
  EXPECT_EQ(output_of(options(Action::kIpamRepair, Format::kTable)), "All is as it should be.\n");
}

TEST_F(LocalRows, CheckOfAStoreThatIsInOrder) {
  static_cast<void>(
      ipam::StateStore::open(directory_, ipam::StateStore::OpenMode::kCreate)->set_owned_blocks({}));
  EXPECT_EQ(output_of(options(Action::kIpamCheck, Format::kTable)), "All is as it should be.\n");
  EXPECT_EQ(output_of(options(Action::kIpamCheck, Format::kJson)), "[]\n");
}

TEST_F(LocalRows, TablesForPeople) {
  attach();
  const std::string endpoints = output_of(options(Action::kEndpoints, Format::kTable));
  EXPECT_THAT(endpoints, HasSubstr("0123456789ab  eth0"));
  EXPECT_THAT(endpoints, HasSubstr("prod/web-1"));
  const std::string allocations = output_of(options(Action::kIpamShow, Format::kTable, true));
  EXPECT_THAT(allocations, HasSubstr("ADDRESS"));
  EXPECT_THAT(allocations, HasSubstr("live"));
}

TEST_F(LocalRows, SayWhenThereIsNoStore) {
  CapturedStream out;
  CapturedStream err;
  directory_ += "/none";
  EXPECT_EQ(run(options(Action::kEndpoints, Format::kTable), out.get(), err.get()), kExitError);
  EXPECT_THAT(err.text(), HasSubstr("no state store in " + directory_));
}

}  // namespace
}  // namespace towpath::cli
