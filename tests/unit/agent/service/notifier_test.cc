#include "agent/service/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "towpath/base/unique_fd.h"

namespace towpath::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::MatchesRegex;

TEST(Notifier, TellsWhatSystemdWantsToHear) {
  char name[] = "/tmp/towpath-notify-XXXXXX";
  const std::string directory = ::mkdtemp(name);
  const std::string path = directory + "/s";
  const UniqueFd systemd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(systemd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);

  Notifier notifier;
  notifier.ready("1 of 2 peers up");
  notifier.status("1 of 2 peers up");  // nothing new
  notifier.status("2 of 2 peers up");
  notifier.reloading();
  notifier.stopping();
  ::unsetenv("NOTIFY_SOCKET");
  notifier.status("nobody listens");

  std::vector<std::string> heard;
  char buffer[256];
  for (ssize_t count = 0; (count = ::recv(systemd.get(), buffer, sizeof buffer, 0)) > 0;) {
    heard.emplace_back(buffer, static_cast<std::size_t>(count));
  }
  std::filesystem::remove_all(directory);
  EXPECT_THAT(heard, ElementsAre("READY=1\nSTATUS=1 of 2 peers up", "STATUS=2 of 2 peers up",
                                 MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"), "STOPPING=1"));
}

}  // namespace
}  // namespace towpath::agent
