#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/parse_config.h"

namespace towpath::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NeedsRestart, NothingForWhatCanChangeWhileRunning) {
  AgentConfig now;
  AgentConfig next;
  next.node = "other";
  next.pools = {*Prefix::parse("10.0.0.0/8")};
  next.speaker.as = AsNumber{2};
  next.log.level = LogLevel::kDebug;
  EXPECT_THAT(needs_restart(now, next, "f"), IsEmpty());
}

TEST(NeedsRestart, NamesEachKeyThatIsFixedAtStart) {
  AgentConfig now;
  AgentConfig next;
  next.state_dir = "/x";
  next.network_policies = "/y";
  next.kernel.protocol = 85;
  next.kernel.install = false;
  EXPECT_THAT(
      needs_restart(now, next, "f"),
      ElementsAre(
          "f: state_dir: value '/x': cannot change from '/run/towpath' while towpathd runs; restart it",
          "f: network_policies: value '/y': cannot change from '/etc/towpath/policies' while towpathd runs; "
          "restart it",
          "f: kernel.install: value 'false': cannot change from 'true' while towpathd runs; restart it",
          "f: kernel.protocol: value '85': cannot change from '84' while towpathd runs; restart it"));
}

}  // namespace
}  // namespace towpath::agent
