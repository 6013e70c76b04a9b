#include "agent/advertise/lease_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_directory.h"

namespace towpath::agent {
namespace {

using namespace std::chrono_literals;

Lease lease(const char* prefix, const char* owner) {
  const TimePoint since(std::chrono::nanoseconds(1234567890123));
  return {*Prefix::parse(prefix), owner, 10s, since, since + 10s};
}

TEST(LeaseFile, KeepsWhatItIsGiven) {
  const test::TemporaryDirectory directory;
  const LeaseFile file(directory.path() + "/leases", "boot-1");
  EXPECT_TRUE(file.load()->empty()) << "no file";
  const std::vector<Lease> leases{lease("192.0.2.80/32", "web"), lease("2001:db8::80/128", "mail.1")};
  ASSERT_TRUE(file.store(leases));
  EXPECT_EQ(*file.load(), leases);
  ASSERT_TRUE(file.store({}));
  EXPECT_TRUE(file.load()->empty());
}

TEST(LeaseFile, AnEarlierBootSaysNothing) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path() + "/leases";
  ASSERT_TRUE(LeaseFile(path, "boot-1").store({lease("192.0.2.80/32", "web")}));
  EXPECT_TRUE(LeaseFile(path, "boot-2").load()->empty()) << "its clock began anew";
}

TEST(LeaseFile, RefusesWhatIsNone) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path() + "/leases";
  for (const char* text : {"", "#!/bin/sh\n", "towpathd leases 1\nboot b\n192.0.2.80/32 web\n",
                           "towpathd leases 1\nboot b\n192.0.2.81/31 web 10 1 2\n",
                           "towpathd leases 1\nboot b\n192.0.2.1/32 web 10 1 2 3\n",
                           "towpathd leases 1\nboot b\n192.0.2.1/32 web ten 1 2\n"}) {
    std::ofstream(path, std::ios::trunc) << text;
    const auto loaded = LeaseFile(path, "b").load();
    ASSERT_FALSE(loaded) << text;
    EXPECT_EQ(loaded.error().message.empty(), false);
  }
}

TEST(LeaseFile, AFolderThatIsNotThereIsAnError) {
  const LeaseFile file("/nonexistent/leases", "b");
  EXPECT_FALSE(file.store({}));
  EXPECT_TRUE(file.load()->empty());
}

}  // namespace
}  // namespace towpath::agent
