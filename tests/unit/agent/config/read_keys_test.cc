// Key files as people leave them.
#include "agent/config/read_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/config/parse_config.h"

namespace towpath::agent {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kLongest = bgp::kLongestMd5Key;

class ReadKeys : public testing::Test {
 protected:
  ReadKeys() : directory_(testing::TempDir() + "towpath-keys-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(directory_);
  }
  ~ReadKeys() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& content) {
    std::ofstream(directory_ + "/" + name, std::ios::binary) << content;
    return directory_ + "/" + name;
  }
  std::string directory_;
};

TEST_F(ReadKeys, TheKeyIsTheLineWithoutItsEnd) {
  const std::string longest(80, 'k');
  EXPECT_EQ(*read_key(file("a", "secret"), kLongest), "secret");
  EXPECT_EQ(*read_key(file("b", "secret\n"), kLongest), "secret");
  EXPECT_EQ(*read_key(file("c", "two words \r\n"), kLongest), "two words ");
  EXPECT_EQ(*read_key(file("d", longest + "\r\n"), kLongest), longest);
}

TEST_F(ReadKeys, WhatIsNoKeyIsNotShown) {
  for (const char* content : {"", "\n", "\r\n", "secret\nsecret\n"}) {
    const auto key = read_key(file("a", content), kLongest);
    ASSERT_FALSE(key) << testing::PrintToString(content);
    EXPECT_THAT(key.error().message, testing::Not(HasSubstr("secret")));
  }
  EXPECT_THAT(read_key(file("a", "\n"), kLongest).error().message, HasSubstr("/a is empty"));
  for (const std::size_t size : {81U, 82U, 83U, 5000U}) {
    const auto key = read_key(file("a", std::string(size, 'k')), kLongest);
    ASSERT_FALSE(key) << size;
    EXPECT_THAT(key.error().message, HasSubstr("more than 80 octets"));
  }
}

TEST_F(ReadKeys, WhatIsNoFileHoldsNobodyUp) {
  EXPECT_THAT(read_key(directory_ + "/none", kLongest).error().message, HasSubstr("/none: No such file"));
  EXPECT_THAT(read_key(directory_, kLongest).error().message, HasSubstr("is not a regular file"));
  const std::string fifo = directory_ + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(read_key(fifo, kLongest).error().message, HasSubstr("is not a regular file"));
}

TEST_F(ReadKeys, AMissingFileLeavesTheConfigurationGood) {
  const std::string key = file("key", "secret\n");
  const std::string path =
      file("towpathd.yaml",
           "node: a\nrouter_id: 192.0.2.1\nas: 64512\npeers:\n"
           "- {name: b, address: 192.0.2.2, as: 64512, md5_key_file: " +
               key +
               "}\n"
               "- {name: c, address: 192.0.2.3, as: 64512, md5_key_file: /nowhere/key}\n");
  const auto config = load_config(path);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->speaker.peers[0].md5, (bgp::Md5Key{key, "secret", ""}));
  EXPECT_FALSE(config->speaker.peers[1].md5->usable());
  EXPECT_THAT(config->speaker.peers[1].md5->problem, HasSubstr("/nowhere/key"));
}

TEST_F(ReadKeys, ABfdSessionHasItsOwnKeyOfItsOwnLength) {
  const std::string head = "node: a\nrouter_id: 192.0.2.1\nas: 64512\npeers:\n";
  const auto session = [&](const std::string& type, const std::string& key) {
    const std::string path = file(
        "towpathd.yaml", head + "- {name: b, address: 192.0.2.2, as: 64512, bfd: {authentication: " + type +
                             ", key_file: " + key + "}}\n");
    const auto config = load_config(path);
    return config ? config->bfd.at(0).authentication.value() : bfd::Authentication{};
  };
  const std::string key = file("key", std::string(20, 'k') + "\n");
  EXPECT_EQ(session("keyed-sha1", key).secret, std::string(20, 'k'));
  const auto too_long = session("keyed-md5", key);
  EXPECT_FALSE(too_long.usable());
  EXPECT_THAT(too_long.problem, HasSubstr("more than 16 octets"));
  const auto missing = session("simple-password", "/nowhere/key");
  EXPECT_FALSE(missing.usable());
  EXPECT_THAT(missing.problem, HasSubstr("/nowhere/key"));
}

}  // namespace
}  // namespace towpath::agent
