// towpath-ipam as a whole, in this process, with made-up sandboxes.
#include "plugins/towpath-ipam/ipam_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/plugin_call.h"
#include "tests/support/temporary_directory.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cni {
namespace {

using test::PluginAnswer;
using testing::HasSubstr;

class IpamPluginTest : public testing::Test {
 protected:
  // `extra` is a JSON object whose keys replace those of the configuration.
  PluginAnswer call(const std::string& verb, const std::string& container, const std::string& extra = "{}",
                    const std::string& args = "") {
    Json config = Json::parse(R"({"cniVersion":"1.1.0","name":"net","type":"bridge",
                                  "ipam":{"type":"towpath-ipam","blocks":["10.9.0.0/29","fd00:9::/125"]}})");
    config["stateDir"] = state_dir();
    config.update(Json::parse(extra));
    const std::map<std::string, std::string> environment{{"CNI_COMMAND", verb},
                                                         {"CNI_CONTAINERID", container},
                                                         {"CNI_IFNAME", "eth0"},
                                                         {"CNI_NETNS", "/run/netns/" + container},
                                                         {"CNI_ARGS", args}};
    return test::call_plugin(ipam_plugin(), environment, config.dump(),
                             [this](const std::string&) { return NetnsFacts{true, true, false, inode_}; });
  }
  std::string state_dir() const { return directory_.path() + "/state"; }
  std::vector<ipam::EndpointRecord> records() {
    auto store = ipam::StateStore::open(state_dir(), ipam::StateStore::OpenMode::kExisting);
    if (!store) return {};
    return *store->endpoints();
  }

  test::TemporaryDirectory directory_;
  std::uint64_t inode_ = 7;
};

TEST_F(IpamPluginTest, AddPrintsTheAbbreviatedResult) {
  const PluginAnswer answer = call(
      "ADD", "a", R"({"ipam":{"blocks":["10.9.0.0/29","fd00:9::/125"],"routes":[{"dst":"10.0.0.0/8"}]}})");
  EXPECT_EQ(
      answer.document,
      Json::parse(R"({"cniVersion":"1.1.0","ips":[{"address":"10.9.0.1/32"},{"address":"fd00:9::1/128"}],
                                             "routes":[{"dst":"10.0.0.0/8"}]})"));
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records()[0].state, ipam::AllocationState::kLive);
  EXPECT_EQ(records()[0].network, "net");
}

TEST_F(IpamPluginTest, WholeLife) {
  EXPECT_TRUE(call("STATUS", "a").ok());
  ASSERT_TRUE(call("ADD", "a").ok());
  EXPECT_TRUE(call("CHECK", "a").ok());
  EXPECT_TRUE(call("DEL", "a").ok());
  EXPECT_TRUE(call("DEL", "a").ok()) << "again";
  EXPECT_EQ(call("CHECK", "a").code(), 101U);
  EXPECT_TRUE(records().empty());
}

TEST_F(IpamPluginTest, DelBeforeAnyAdd) {
  EXPECT_TRUE(call("DEL", "a").ok());
  EXPECT_TRUE(call("GC", "a", R"({"cni.dev/valid-attachments":[]})").ok());
  EXPECT_FALSE(std::filesystem::exists(state_dir())) << "they make nothing";
}

TEST_F(IpamPluginTest, AFullBlock) {
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) ASSERT_TRUE(call("ADD", name).ok()) << name;
  const PluginAnswer answer = call("ADD", "h");
  EXPECT_EQ(answer.code(), 11U);
  EXPECT_EQ(answer.message(), "no free ipv4 address in 10.9.0.0/29");
  EXPECT_EQ(call("STATUS", "h").code(), 50U);
  EXPECT_EQ(call("STATUS", "h").message(), "no free ipv4 address in 10.9.0.0/29");
  EXPECT_EQ(records().size(), 7U);
  ASSERT_TRUE(call("DEL", "c").ok());
  constexpr const char* kResting = R"({"ipam":{"blocks":["10.9.0.0/29","fd00:9::/125"],"coolDown":30}})";
  EXPECT_THAT(call("ADD", "h", kResting).message(),
              HasSubstr("those that were in use rest, the first for 30 s more"));
  EXPECT_EQ(call("STATUS", "h", kResting).code(), 50U);
  EXPECT_TRUE(call("STATUS", "h").ok());
  EXPECT_TRUE(call("ADD", "h").ok());
}

TEST_F(IpamPluginTest, NoBlock) {
  constexpr const char* kWithoutBlocks = R"({"ipam":{"type":"towpath-ipam"}})";
  EXPECT_EQ(call("STATUS", "a", kWithoutBlocks).code(), 50U);
  const PluginAnswer answer = call("ADD", "a", kWithoutBlocks);
  EXPECT_EQ(answer.code(), 11U) << "the agent may not have started yet";
  EXPECT_THAT(answer.message(), HasSubstr("this host owns no block of addresses"));
}

TEST_F(IpamPluginTest, AddAgainAfterTheSandboxDied) {
  ASSERT_TRUE(call("ADD", "a").ok());
  // There is nothing at /run/netns/a, so the record is of a dead sandbox whatever inode it had.
  const PluginAnswer again = call("ADD", "a");
  EXPECT_TRUE(again.ok()) << again.text;
  EXPECT_EQ(records().size(), 1U) << "the address of the dead sandbox was freed";
}

TEST_F(IpamPluginTest, CheckWantsTheSameSandboxAndTheAddressesOfAdd) {
  PluginAnswer added = call("ADD", "a");
  EXPECT_TRUE(call("CHECK", "a", R"({"prevResult":)" + added.text + "}").ok());
  added.document["ips"][0]["address"] = "10.9.0.6/32";
  EXPECT_EQ(call("CHECK", "a", R"({"prevResult":)" + added.document.dump() + "}").message(),
            "a/eth0 has address 10.9.0.1, which is not in prevResult");
  inode_ = 8;
  EXPECT_EQ(call("CHECK", "a").message(), "a/eth0 has its address in another sandbox");
}

TEST_F(IpamPluginTest, AnotherNetworkIsLeftAlone) {
  ASSERT_TRUE(call("ADD", "a").ok());
  EXPECT_TRUE(call("DEL", "a", R"({"name":"other"})").ok());
  EXPECT_EQ(records().size(), 1U);
  EXPECT_TRUE(call("GC", "a", R"({"name":"other","cni.dev/valid-attachments":[]})").ok());
  EXPECT_EQ(records().size(), 1U);
}

TEST_F(IpamPluginTest, GcFreesWhatIsNotListed) {
  for (const char* name : {"a", "b"}) ASSERT_TRUE(call("ADD", name).ok());
  EXPECT_TRUE(call("GC", "x").ok());
  EXPECT_EQ(records().size(), 2U) << "no list, nothing removed";
  EXPECT_TRUE(call("GC", "x", R"({"cni.dev/valid-attachments":[{"containerID":"b","ifname":"eth0"}]})").ok());
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records()[0].attachment.container_id, "b");
  EXPECT_TRUE(call("GC", "x", R"({"cni.dev/valid-attachments":null})").ok());
  EXPECT_TRUE(records().empty());
}

TEST_F(IpamPluginTest, DelAndGcReadOnlyTheKeysThatTheyNeed) {
  for (const char* keys : {R"({"ipam":{"type":"towpath-ipam","blocks":[1]}})", R"({"ipam":[]})",
                           R"({"args":{"cni":5},"prevResult":true})"}) {
    ASSERT_TRUE(call("ADD", "a").ok());
    EXPECT_EQ(call("ADD", "b", keys).code(), 7U) << keys;
    EXPECT_TRUE(call("DEL", "a", keys).ok()) << keys;
    EXPECT_TRUE(records().empty());
    ASSERT_TRUE(call("ADD", "a").ok());
    Json list = Json::parse(keys);
    list["cni.dev/valid-attachments"] = Json::array();
    EXPECT_TRUE(call("GC", "x", list.dump()).ok()) << keys;
    EXPECT_TRUE(records().empty());
  }
}

TEST_F(IpamPluginTest, ADamagedStore) {
  ASSERT_TRUE(call("ADD", "a").ok());
  const std::string file = state_dir() + "/db/data.mdb";
  std::ofstream(file, std::ios::trunc | std::ios::binary) << std::string(20000, 'x');
  const std::string message = "state store " + file + " is damaged (not an LMDB file): remove " +
                              state_dir() +
                              "/db, restart towpathd, and attach the containers of this host again";
  for (const char* verb : {"ADD", "DEL", "CHECK", "GC"}) {
    const PluginAnswer answer = call(verb, "b", R"({"cni.dev/valid-attachments":[]})");
    EXPECT_EQ(answer.code(), 5U) << verb;
    EXPECT_EQ(answer.message(), message) << verb;
  }
  EXPECT_EQ(call("STATUS", "b").code(), 50U);
  EXPECT_EQ(call("STATUS", "b").message(), message);
}

TEST_F(IpamPluginTest, AStoreCutShort) {
  ASSERT_TRUE(call("ADD", "a").ok());
  const std::string file = state_dir() + "/db/data.mdb";
  std::filesystem::resize_file(file, 8192);
  for (const char* verb : {"ADD", "DEL", "CHECK", "GC"}) {
    const PluginAnswer answer = call(verb, "b", R"({"cni.dev/valid-attachments":[]})");
    EXPECT_EQ(answer.code(), 5U) << verb;
    EXPECT_TRUE(answer.message().starts_with("state store " + file + " is damaged (it ends before page"))
        << answer.message();
  }
}

// The configuration may hold what is for other plugins' eyes alone. A key of ours that is wrong is shown, and
// nothing else ever, neither to the runtime nor on standard error.
TEST_F(IpamPluginTest, NothingThatIsNotOursIsTold) {
  const std::string secret = "open-sesame";
  Json config =
      Json::parse(R"({"token":"open-sesame","args":{"cni":{"password":"open-sesame"},"other":"open-sesame"},
      "runtimeConfig":{"secret":["open-sesame"]},"cni.dev/secret":"open-sesame",
      "prevResult":{"cniVersion":"1.1.0","open-sesame":"open-sesame"},"cni.dev/valid-attachments":[]})");
  const auto expect_silence = [&](const PluginAnswer& answer) {
    EXPECT_THAT(answer.text, testing::Not(HasSubstr(secret)));
    EXPECT_THAT(answer.error_text, testing::Not(HasSubstr(secret)));
  };
  for (const char* keys :
       {"{}", R"({"ipam":{"type":"towpath-ipam"}})", R"({"ipam":{"blocks":["10.9.9.9/32"]}})",
        R"({"ipam":{"wrong":1}})", R"({"cniVersion":"9.9.9"})", R"({"name":"-"})"}) {
    Json all = config;
    all.update(Json::parse(keys));
    for (const char* verb : {"ADD", "CHECK", "STATUS", "GC", "DEL"})
      expect_silence(call(verb, "a", all.dump(), "IgnoreUnknown=1;TOKEN=" + secret));
  }
  // Cut off anywhere it is no JSON, and the message says where, not what.
  const std::string whole = config.dump();
  for (std::size_t size = 1; size < whole.size(); size += 7) {
    const PluginAnswer answer =
        test::call_plugin(ipam_plugin(), {{"CNI_COMMAND", "STATUS"}}, whole.substr(0, size));
    EXPECT_EQ(answer.code(), 6U);
    expect_silence(answer);
  }
}

TEST_F(IpamPluginTest, BorrowingIsForTowpathAlone) {
  const char* keys = R"({"ipam":{"type":"towpath-ipam","blocks":["10.9.0.0/29"],"borrow":true}})";
  EXPECT_EQ(call("ADD", "a", keys).code(), 2U);
  EXPECT_EQ(call("ADD", "a", keys).message(),
            "ipam.borrow: 'true' is not supported here: it needs towpath as the main plugin");
  EXPECT_TRUE(call("DEL", "a", keys).ok());
  EXPECT_TRUE(
      call("ADD", "a", R"({"ipam":{"type":"towpath-ipam","blocks":["10.9.0.0/29"],"borrow":false}})").ok());
}

TEST_F(IpamPluginTest, PodAndLabelsAreKept) {
  ASSERT_TRUE(call("ADD", "p", R"({"args":{"cni":{"labels":[{"key":"app","value":"web"}]}}})",
                   "IgnoreUnknown=1;K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=shop")
                  .ok());
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records()[0].labels, (std::map<std::string, std::string>{{"app", "web"}}));
  EXPECT_EQ(records()[0].pod,
            (std::map<std::string, std::string>{{"K8S_POD_NAME", "web-0"}, {"K8S_POD_NAMESPACE", "shop"}}));
}

}  // namespace
}  // namespace towpath::cni
