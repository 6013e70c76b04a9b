#include "plugins/common/delegate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "tests/support/temporary_directory.h"

namespace towpath::cni {
namespace {

using testing::HasSubstr;

class DelegateTest : public testing::Test {
 protected:
  DelegateTest() {
    signal(SIGPIPE, SIG_IGN);  // as plugin_main() does
    request_.command = CniCommand::kAdd;
    request_.attachment = {"c1", "eth0"};
    request_.netns = "/run/netns/c1";
    request_.args_text = "A=1";
    request_.path = {"/nowhere", directory_.path()};
    request_.path_text = "/nowhere:" + directory_.path();
    request_.config_text = R"({"cniVersion":"1.0.0","name":"n","unknown":{"kept":true}})";
  }
  // A shell script in CNI_PATH.
  void plugin(const std::string& name, const std::string& script) {
    const std::string path = directory_.path() + "/" + name;
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    ASSERT_EQ(chmod(path.c_str(), 0755), 0);
  }
  std::string file(const std::string& name) {
    std::stringstream text;
    text << std::ifstream(directory_.path() + "/" + name).rdbuf();
    return text.str();
  }

  test::TemporaryDirectory directory_;
  CniRequest request_;
};

TEST_F(DelegateTest, GetsTheSameCallButForTheCommand) {
  plugin("ipam", "cd \"$(dirname \"$0\")\"; env | grep ^CNI_ | sort >env; cat >stdin");
  ASSERT_TRUE(delegate(request_, "ipam", CniCommand::kDel));
  EXPECT_EQ(file("stdin"), request_.config_text);
  EXPECT_EQ(file("env"),
            "CNI_ARGS=A=1\nCNI_COMMAND=DEL\nCNI_CONTAINERID=c1\nCNI_IFNAME=eth0\nCNI_NETNS=/run/netns/"
            "c1\nCNI_PATH=" +
                request_.path_text + "\n");
}

TEST_F(DelegateTest, ItsResultIsRead) {
  plugin(
      "ipam",
      R"(echo '{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.1.0.5/24","gateway":"10.1.0.1"}]}')");
  const auto result = delegate_add(request_, "ipam");
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->ips.size(), 1U);
  EXPECT_EQ(result->ips[0].address.to_string(), "10.1.0.5/24");
}

TEST_F(DelegateTest, ItsErrorBecomesOurs) {
  plugin("ipam", R"(echo '{"cniVersion":"1.0.0","code":11,"msg":"later","details":"d"}'; exit 1)");
  const auto refused = delegate(request_, "ipam", CniCommand::kAdd);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, CniCode::kTryAgainLater);
  EXPECT_EQ(refused.error().message, "ipam: later");
  EXPECT_EQ(refused.error().details, "d");
}

TEST_F(DelegateTest, EndsWithoutADocumentAreTold) {
  plugin("silent", "exit 3");
  EXPECT_EQ(delegate(request_, "silent", CniCommand::kAdd).error().message,
            "silent: ended with exit code 3 and no error document");
  plugin("killed", "kill -9 $$");
  EXPECT_EQ(delegate(request_, "killed", CniCommand::kAdd).error().message, "killed: killed by signal 9");
  plugin("garbage", "echo no JSON");
  EXPECT_EQ(delegate_add(request_, "garbage").error().message, "garbage: its result is not JSON");
  EXPECT_EQ(delegate_add(request_, "garbage").error().code, CniCode::kDecode);
}

TEST_F(DelegateTest, NamesThatAreNotFound) {
  EXPECT_EQ(delegate(request_, "none", CniCommand::kAdd).error().message,
            "ipam.type: there is no plugin 'none' in CNI_PATH '" + request_.path_text + "'");
  EXPECT_EQ(delegate(request_, "../ipam", CniCommand::kAdd).error().message,
            "ipam.type: '../ipam' is not the name of a plugin");
  request_.path.clear();
  EXPECT_EQ(delegate(request_, "ipam", CniCommand::kAdd).error().code, CniCode::kInvalidEnvironment);
  EXPECT_THAT(delegate(request_, "ipam", CniCommand::kAdd).error().message, HasSubstr("CNI_PATH"));
}

TEST_F(DelegateTest, MoreThanAPipeHoldsBothWays) {
  request_.config_text.assign(1 << 20, ' ');
  plugin("big", "head -c 300000 /dev/zero | tr '\\0' ' '; cat");
  EXPECT_TRUE(delegate(request_, "big", CniCommand::kAdd));
  plugin("deaf", "echo '{}'");  // ends without reading its input
  EXPECT_TRUE(delegate(request_, "deaf", CniCommand::kAdd));
}

}  // namespace
}  // namespace towpath::cni
