// What a plugin meets that it was not made for: configurations that are wrong in any field, and state
// directories that do not take what is written. A clear error, nothing left, and the next call right.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lmdb.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>

#include "tests/netns/plugins/plugin_fixture.h"

namespace towpath::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

class BadInputTest : public PluginTest {
 protected:
  // Every key that an ADD reads, with a value that is good; `more` takes the place of what would shut it out.
  Json complete(const std::string& more) const {
    Json keys = Json::parse(R"({
      "cniVersion":"1.1.0","name":"net","type":"towpath","mtu":1400,"controlSocket":"/run/none.sock",
      "capabilities":{"portMappings":false},
      "dns":{"nameservers":["192.0.2.53"],"domain":"x.test","search":["x.test"],"options":["ndots:5"]},
      "ingressRate":800000000,"ingressBurst":8000000,"egressRate":800000000,"egressBurst":8000000,
      "prevResult":{"interfaces":[{"name":"lo","sandbox":"/x","mac":"00:00:00:00:00:00","mtu":9}],
                    "ips":[{"address":"127.0.0.1/8","gateway":"127.0.0.1","interface":0}],
                    "routes":[{"dst":"127.0.0.0/8","gw":"127.0.0.1","mtu":9,"priority":1,"table":9}],
                    "dns":{"domain":"y.test","nameservers":["192.0.2.55"],"search":["y.test"],"options":["b"]}},
      "ipam":{"type":"towpath-ipam","blocks":["10.9.0.0/24","fd00:9::/120"],"coolDown":1,"borrow":true,"gateway":false,"pool":"p",
              "pools":[{"name":"p","prefixes":["10.9.0.0/16","fd00:9::/64"],"namespaces":["n"]}],
              "exclude":["10.9.0.3"],"reserve":["10.9.0.4"],
              "routes":[{"dst":"0.0.0.0/0","mtu":1300,"priority":7,"table":254}]},
      "args":{"cni":{"labels":[{"key":"a","value":"b"}],"pool":"p"}},
      "runtimeConfig":{"aliases":["web"],"dns":{"servers":["192.0.2.54"],"searches":["z.test"],"options":["a"]},
                       "bandwidth":{"ingressRate":8000000,"ingressBurst":800000,"egressRate":8000000,"egressBurst":800000}}})");
    keys["stateDir"] = state_dir();
    keys.merge_patch(Json::parse(more));
    return keys;
  }
  PluginAnswer add_document(const NetworkNamespace& sandbox, const Json& document) {
    return call_plugin(cni::towpath_plugin(), variables("ADD", "a", sandbox.path()), document.dump());
  }
};

// Of each value in turn the type is changed to each other one that JSON has.
TEST_F(BadInputTest, EveryFieldOfAWrongType) {
  const Json others[] = {7U, -7, 0.5, true, "text", Json::array(), Json::object()};
  const char* const variants[] = {
      R"({"runtimeConfig":{"ips":["10.9.0.9","fd00:9::9"],"mac":"02:00:00:00:00:01"}})",
      R"({"args":{"cni":{"ips":["10.9.0.9"],"mac":"02:00:00:00:00:01"}}})",
      R"({"ipam":{"pool":null,"pools":null,"blocks":null},"args":null,
          "runtimeConfig":{"ipRanges":[[{"subnet":"10.9.0.0/24","rangeStart":"10.9.0.5","rangeEnd":"10.9.0.9",
                                         "gateway":"10.9.0.5"}]]}})"};
  const NetworkNamespace sandbox;
  int tried = 0;
  for (const char* variant : variants) {
    const Json good = complete(variant);
    const PluginAnswer accepted = add_document(sandbox, good);
    ASSERT_TRUE(accepted.ok()) << accepted.text;
    ASSERT_TRUE(call("DEL", "a", sandbox.path()).ok());
    std::vector<Json::json_pointer> fields;
    const auto collect = [&](auto&& self, const Json& value, const Json::json_pointer& at) -> void {
      if (!at.empty()) fields.push_back(at);
      if (value.is_object()) {
        for (const auto& [key, element] : value.items()) self(self, element, at / key);
      } else if (value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i) self(self, value[i], at / i);
      }
    };
    collect(collect, good, Json::json_pointer());
    for (const Json::json_pointer& field : fields) {
      if (field.to_string() == "/type") continue;  // the runtime's: it chose this program by it
      const Json& was = good.at(field);
      // The nearest key with a name, which the message has to hold.
      Json::json_pointer named = field;
      while (named.back().find_first_not_of("0123456789") == std::string::npos) named.pop_back();
      for (const Json& other : others) {
        if (was.type() == other.type()) continue;
        if (field.to_string() == "/runtimeConfig/aliases" && other.is_object()) continue;  // podman's form
        Json bad = good;
        bad[field] = other;
        const PluginAnswer answer = add_document(sandbox, bad);
        ++tried;
        EXPECT_THAT(answer.code(), AnyOf(1U, 2U, 6U, 7U)) << field << " = " << other << ": " << answer.text;
        EXPECT_THAT(answer.message(), HasSubstr(named.back())) << field << " = " << other;
        if (answer.ok()) {
          ASSERT_TRUE(call("DEL", "a", sandbox.path()).ok());
        }
      }
    }
    expect_nothing_left();
    EXPECT_FALSE(has_link(sandbox, "eth0"));
  }
  EXPECT_GT(tried, 1000);
  EXPECT_TRUE(add("a", sandbox).ok()) << "the next call is right";
}

// A store of another format: nothing in it is read, and nothing is changed.
TEST_F(BadInputTest, AStoreOfANewerVersion) {
  const NetworkNamespace sandbox;
  const PluginAnswer added = add("a", sandbox);
  ASSERT_TRUE(added.ok());
  const auto write_version = [&](char version) {
    MDB_env* env = nullptr;
    ASSERT_EQ(mdb_env_create(&env), 0);
    ASSERT_EQ(mdb_env_open(env, (state_dir() + "/db").c_str(), 0, 0600), 0);
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_dbi_open(txn, nullptr, 0, &dbi), 0);
    char name = 'F';
    char number[] = {0, 0, 0, version};
    MDB_val key{1, &name};
    MDB_val old{};
    ASSERT_EQ(mdb_get(txn, dbi, &key, &old), 0);
    MDB_val value{sizeof number, number};
    ASSERT_EQ(mdb_put(txn, dbi, &key, &value, 0), 0);
    ASSERT_EQ(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
  };
  write_version(99);
  const std::string said = "has format 99, and this program knows ";
  const NetworkNamespace other;
  for (const char* verb : {"ADD", "DEL", "GC"}) {
    const PluginAnswer answer = call(verb, "b", other.path(), R"({"cni.dev/valid-attachments":[]})");
    EXPECT_EQ(answer.code(), 7U) << verb << answer.text;
    EXPECT_THAT(answer.message(), HasSubstr(said)) << verb;
  }
  EXPECT_EQ(check("a", sandbox, added).code(), 7U);
  EXPECT_EQ(call("STATUS", "", "").code(), 50U);
  EXPECT_THAT(call("STATUS", "", "").message(), HasSubstr(said));
  EXPECT_FALSE(has_link(other, "eth0"));
  write_version(1);
  EXPECT_TRUE(check("a", sandbox, added).ok()) << "it is as it was";
  EXPECT_TRUE(add("b", other).ok());
}

// The state directory is a file system of its own, in a mount namespace of this process.
class StateDirectoryTest : public BadInputTest {
 protected:
  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directories(state_dir());
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("none", state_dir().c_str(), "tmpfs", 0, "size=512k"), 0) << std::strerror(errno);
    mounted_ = true;
  }
  void TearDown() override {
    if (!mounted_) return;
    EXPECT_EQ(::umount2(state_dir().c_str(), MNT_DETACH), 0) << std::strerror(errno);
  }
  std::string text_of_records() const {
    std::string text;
    for (const auto& record : records()) text += record.attachment.to_string() + " ";
    return text;
  }

 private:
  bool mounted_ = false;
};

TEST_F(StateDirectoryTest, AFullDisk) {
  const NetworkNamespace first;
  const PluginAnswer added = add("a", first);
  ASSERT_TRUE(added.ok()) << added.text;
  const std::string filler = state_dir() + "/filler";
  {
    std::ofstream file(filler, std::ios::binary);
    const std::string page(4096, 'x');
    while (file.write(page.data(), static_cast<std::streamsize>(page.size())) && file.flush()) {
    }
  }
  const NetworkNamespace second;
  const std::string before = text_of_records();
  const PluginAnswer refused = add("b", second);
  EXPECT_EQ(text_of_records(), before) << "the state is as it was";
  EXPECT_EQ(refused.code(), 11U) << refused.text;
  EXPECT_THAT(refused.message(), HasSubstr("KiB are free for it on its file system"));
  EXPECT_THAT(refused.message(), HasSubstr(state_dir()));
  EXPECT_EQ(call("STATUS", "", "").code(), 50U);
  EXPECT_FALSE(has_link(second, "eth0"));
  EXPECT_EQ(host_links().size(), records().size());
  EXPECT_TRUE(check("a", first, added).ok()) << "the others do not notice";
  std::filesystem::remove(filler);
  EXPECT_TRUE(add("c", second).ok()) << "with room again it goes on";
  EXPECT_TRUE(call("DEL", "a", first.path()).ok());
}

// A disk that containers have filled, each can leave.
TEST_F(StateDirectoryTest, ADiskThatTheStoreFills) {
  std::vector<std::unique_ptr<NetworkNamespace>> sandboxes;
  PluginAnswer refused;
  const std::string large =
      R"({"args":{"cni":{"labels":[{"key":"text","value":")" + std::string(4000, 'x') + R"("}]}}})";
  for (int i = 0; i < 200 && refused.code() == 0; ++i) {
    sandboxes.push_back(std::make_unique<NetworkNamespace>());
    refused = add("b" + std::to_string(i), *sandboxes.back(), large);
  }
  EXPECT_EQ(refused.code(), 11U) << refused.text;
  EXPECT_THAT(refused.message(), HasSubstr("are kept for containers that go"));
  EXPECT_EQ(call("STATUS", "", "").code(), 50U);
  EXPECT_GT(records().size(), 10U);
  for (std::size_t i = 0; i < sandboxes.size(); ++i) {
    const PluginAnswer deleted = call("DEL", "b" + std::to_string(i), sandboxes[i]->path());
    EXPECT_TRUE(deleted.ok()) << deleted.text;
  }
  EXPECT_TRUE(records().empty());
  EXPECT_TRUE(call("STATUS", "", "").ok());
  EXPECT_TRUE(add("c", *sandboxes.back(), large).ok());
}

TEST_F(StateDirectoryTest, AReadOnlyDirectory) {
  const NetworkNamespace first;
  const PluginAnswer added = add("a", first);
  ASSERT_TRUE(added.ok()) << added.text;
  const auto remount = [&](unsigned long flags) {
    ASSERT_EQ(::mount("none", state_dir().c_str(), nullptr, MS_REMOUNT | flags, nullptr), 0)
        << std::strerror(errno);
  };
  remount(MS_RDONLY);
  const NetworkNamespace second;
  for (const char* verb : {"ADD", "DEL", "GC"}) {
    const PluginAnswer answer = call(verb, "b", second.path(), R"({"cni.dev/valid-attachments":[]})");
    EXPECT_EQ(answer.code(), 5U) << verb << answer.text;
    EXPECT_THAT(answer.message(), HasSubstr("Read-only file system")) << verb;
    EXPECT_THAT(answer.message(), HasSubstr(state_dir())) << verb;
  }
  EXPECT_EQ(call("STATUS", "", "").code(), 50U);
  EXPECT_FALSE(has_link(second, "eth0"));
  EXPECT_EQ(host_links().size(), 1U);
  EXPECT_TRUE(ping(address_of(added, 0))) << "the container keeps its network";
  remount(0);
  EXPECT_TRUE(check("a", first, added).ok());
  EXPECT_TRUE(add("b", second).ok());
  EXPECT_TRUE(call("DEL", "a", first.path()).ok());
}

}  // namespace
}  // namespace towpath::test
