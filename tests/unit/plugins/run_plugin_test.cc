#include "plugins/common/run_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/plugin_call.h"
#include "tests/support/temporary_directory.h"

namespace towpath::cni {
namespace {

using test::call_plugin;
using test::PluginAnswer;
using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

constexpr const char* kConfig = R"({"cniVersion":"1.1.0","name":"net","type":"towpath"})";

// A plugin whose verbs note what they were asked.
struct Recorder {
  std::vector<CniRequest> calls;
  CniStatus answer;

  PluginHandlers handlers() {
    const auto note = [this](const CniRequest& request) {
      calls.push_back(request);
      return answer;
    };
    const auto add = [note](const CniRequest& request) -> CniExpected<CniResult> {
      TOWPATH_TRY_STATUS(note(request));
      CniResult result;
      result.ips.push_back({*InterfaceAddress::parse("10.0.0.1/32"), std::nullopt, std::nullopt});
      return result;
    };
    return {"recorder 1", add, note, note, note, note};
  }
};

NetnsFacts good_netns(const std::string&) {
  return {true, true, false, 77};
}

Variables variables(const std::string& command) {
  return {{"CNI_COMMAND", command},
          {"CNI_CONTAINERID", "c1"},
          {"CNI_NETNS", "/run/netns/x"},
          {"CNI_IFNAME", "eth0"},
          {"CNI_PATH", "/opt/cni/bin:/usr/lib/cni"}};
}

TEST(RunPlugin, WithoutACommandItSaysWhatItIs) {
  Recorder recorder;
  PluginCall call;
  call.environment = [](const char*) { return std::nullopt; };
  call.read_stdin = []() -> Result<std::string> {
    ADD_FAILURE() << "a plugin at a terminal must not wait for input";
    return std::string();
  };
  const PluginOutcome outcome = run_plugin(call, recorder.handlers());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.standard_output, "");
  EXPECT_THAT(outcome.standard_error, HasSubstr("recorder 1"));
  EXPECT_THAT(outcome.standard_error, HasSubstr("0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"));
}

TEST(RunPlugin, VersionDoesNotLookAtTheEnvironment) {
  Recorder recorder;
  const Variables dummies{
      {"CNI_COMMAND", "VERSION"}, {"CNI_NETNS", "dummy"}, {"CNI_IFNAME", "du/mmy"}, {"CNI_PATH", "dummy"}};
  const PluginAnswer answer = call_plugin(recorder.handlers(), dummies, R"({"cniVersion":"0.4.0"})");
  EXPECT_TRUE(answer.ok());
  EXPECT_EQ(answer.document["cniVersion"], "0.4.0");
  EXPECT_EQ(answer.document["supportedVersions"], (Json{"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}));
  for (const char* input : {"", "{", "[]", "{}", R"({"cniVersion":7})"}) {
    EXPECT_EQ(call_plugin(recorder.handlers(), dummies, input).document["cniVersion"], "1.1.0") << input;
  }
}

TEST(RunPlugin, EachVerbReachesItsFunction) {
  for (const char* verb : {"ADD", "DEL", "CHECK", "GC", "STATUS"}) {
    Recorder recorder;
    const PluginAnswer answer = call_plugin(recorder.handlers(), variables(verb), kConfig, good_netns);
    EXPECT_TRUE(answer.ok()) << verb << answer.text;
    ASSERT_EQ(recorder.calls.size(), 1U) << verb;
    EXPECT_EQ(format(recorder.calls[0].command), verb);
    EXPECT_EQ(answer.text.empty(), std::string(verb) != "ADD") << "only ADD has a result";
  }
}

TEST(RunPlugin, TheRequestHoldsWhatWasGiven) {
  Recorder recorder;
  Variables given = variables("ADD");
  given["CNI_ARGS"] = "IgnoreUnknown=1;K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=shop;EMPTY=;";
  call_plugin(recorder.handlers(), given, kConfig, good_netns);
  const CniRequest& request = recorder.calls.at(0);
  EXPECT_EQ(request.attachment, (ipam::AttachmentId{"c1", "eth0"}));
  EXPECT_EQ(request.netns, "/run/netns/x");
  EXPECT_EQ(request.netns_inode, 77U);
  EXPECT_EQ(request.network, "net");
  EXPECT_EQ(request.path, (std::vector<std::string>{"/opt/cni/bin", "/usr/lib/cni"}));
  EXPECT_EQ(
      request.args,
      (Variables{
          {"IgnoreUnknown", "1"}, {"K8S_POD_NAME", "web-0"}, {"K8S_POD_NAMESPACE", "shop"}, {"EMPTY", ""}}));
  EXPECT_EQ(request.config_text, kConfig);
}

TEST(RunPlugin, AnErrorOfTheVerbIsOneDocument) {
  Recorder recorder;
  recorder.answer = cni_fail(CniCode::kTryAgainLater, "no \"luck\"\n", "more");
  const PluginAnswer answer = call_plugin(recorder.handlers(), variables("DEL"),
                                          R"({"cniVersion":"0.4.0","name":"net"})", good_netns);
  EXPECT_EQ(answer.exit_code, 1);
  EXPECT_EQ(answer.document,
            Json::parse(R"({"cniVersion":"0.4.0","code":11,"msg":"no \"luck\"\n","details":"more"})"));
}

struct BadInput {
  const char* reason;
  const char* command;
  Variables changed;  // "-" removes
  const char* config;
  unsigned code;
  const char* message;
};

class RunPluginBadInput : public testing::TestWithParam<BadInput> {};

TEST_P(RunPluginBadInput, IsRefusedWithCodeAndMessage) {
  const BadInput& row = GetParam();
  Recorder recorder;
  Variables given = variables(row.command);
  for (const auto& [name, value] : row.changed) {
    if (value == "-") {
      given.erase(name);
    } else {
      given[name] = value;
    }
  }
  const auto look = [](const std::string& path) -> NetnsFacts {
    if (path == "/none") return {};
    if (path == "/etc/passwd") return {true, false, false, 0};
    if (path == "/own") return {true, true, true, 1};
    return {true, true, false, 77};
  };
  const PluginAnswer answer = call_plugin(recorder.handlers(), given, row.config, look);
  EXPECT_EQ(answer.exit_code, 1) << row.reason;
  EXPECT_EQ(answer.code(), row.code) << row.reason << ": " << answer.text;
  EXPECT_EQ(answer.message(), row.message) << row.reason;
  EXPECT_TRUE(recorder.calls.empty()) << row.reason << ": the plugin must not see it";
}

#define NO_INTERFACE_NAME                                                                                   \
  " is not an interface name (1 to 15 bytes of UTF-8 without '/', ':', '%', space and control characters; " \
  "not 'all' or 'default')"

INSTANTIATE_TEST_SUITE_P(
    Rows, RunPluginBadInput,
    testing::Values(
        BadInput{"unknown verb",
                 "FROB",
                 {},
                 kConfig,
                 4,
                 "CNI_COMMAND: 'FROB' is none of ADD, DEL, CHECK, GC, STATUS, VERSION"},
        BadInput{"verbs are upper case",
                 "add",
                 {},
                 kConfig,
                 4,
                 "CNI_COMMAND: 'add' is none of ADD, DEL, CHECK, GC, STATUS, VERSION"},
        BadInput{"nothing but the command",
                 "ADD",
                 {{"CNI_CONTAINERID", "-"}, {"CNI_NETNS", "-"}, {"CNI_IFNAME", "-"}},
                 kConfig,
                 4,
                 "ADD needs CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS"},
        BadInput{"empty is missing", "CHECK", {{"CNI_NETNS", ""}}, kConfig, 4, "CHECK needs CNI_NETNS"},
        BadInput{"DEL needs names",
                 "DEL",
                 {{"CNI_CONTAINERID", "-"}, {"CNI_NETNS", "-"}},
                 kConfig,
                 4,
                 "DEL needs CNI_CONTAINERID"},
        BadInput{"container id with a slash",
                 "ADD",
                 {{"CNI_CONTAINERID", "../x"}},
                 kConfig,
                 4,
                 "CNI_CONTAINERID: '../x' is not a container id (letters, digits, '_', '.', '-', the first a "
                 "letter or digit)"},
        BadInput{"container id that begins with a dash",
                 "DEL",
                 {{"CNI_CONTAINERID", "-x"}},
                 kConfig,
                 4,
                 "CNI_CONTAINERID: '-x' is not a container id (letters, digits, '_', '.', '-', the first a "
                 "letter or digit)"},
        BadInput{"interface name too long",
                 "ADD",
                 {{"CNI_IFNAME", "abcdefghijklmnop"}},
                 kConfig,
                 4,
                 "CNI_IFNAME: 'abcdefghijklmnop'" NO_INTERFACE_NAME},
        BadInput{"interface name with a colon",
                 "ADD",
                 {{"CNI_IFNAME", "eth0:1"}},
                 kConfig,
                 4,
                 "CNI_IFNAME: 'eth0:1'" NO_INTERFACE_NAME},
        BadInput{"interface name ..",
                 "DEL",
                 {{"CNI_IFNAME", ".."}},
                 kConfig,
                 4,
                 "CNI_IFNAME: '..'" NO_INTERFACE_NAME},
        BadInput{"interface name that the kernel would fill in",
                 "ADD",
                 {{"CNI_IFNAME", "eth%d"}},
                 kConfig,
                 4,
                 "CNI_IFNAME: 'eth%d'" NO_INTERFACE_NAME},
        BadInput{"interface name that is a word of the kernel",
                 "ADD",
                 {{"CNI_IFNAME", "all"}},
                 kConfig,
                 4,
                 "CNI_IFNAME: 'all'" NO_INTERFACE_NAME},
        BadInput{"interface name that no JSON can carry",
                 "ADD",
                 {{"CNI_IFNAME", "eth\xff"}},
                 kConfig,
                 4,
                 "CNI_IFNAME: 'eth\uFFFD'" NO_INTERFACE_NAME},
        BadInput{"CNI_ARGS that no JSON can carry",
                 "ADD",
                 {{"CNI_ARGS", "A=\xff"}},
                 kConfig,
                 4,
                 "CNI_ARGS: 'A=\uFFFD' is not UTF-8"},
        BadInput{"CNI_ARGS without =",
                 "ADD",
                 {{"CNI_ARGS", "A=1;B"}},
                 kConfig,
                 4,
                 "CNI_ARGS: 'B' is not KEY=VALUE"},
        BadInput{"no input",
                 "ADD",
                 {},
                 "",
                 6,
                 "standard input is empty; the network configuration is expected there"},
        BadInput{"half a document",
                 "ADD",
                 {},
                 R"({"cniVersion":"1.1.0",)",
                 6,
                 "the network configuration on standard input (22 bytes) is not JSON: see line 1, column 23"},
        BadInput{"a number that no program can hold",
                 "DEL",
                 {},
                 "{\"cniVersion\":\"1.1.0\",\n\"x\":1e999}",
                 6,
                 "the network configuration on standard input (33 bytes) is not JSON: see line 2, column 9"},
        BadInput{"NUL in a name",
                 "ADD",
                 {},
                 R"({"cniVersion":"1.1.0","name":"a\u0000b"})",
                 7,
                 "name: 'a b' has a NUL character"},
        BadInput{"two documents",
                 "ADD",
                 {},
                 "{} {}",
                 6,
                 "the network configuration on standard input (5 bytes) is not JSON: see line 1, column 4"},
        BadInput{"not an object",
                 "ADD",
                 {},
                 "[1]",
                 6,
                 "the network configuration on standard input is not a JSON object"},
        BadInput{"no version",
                 "ADD",
                 {},
                 R"({"name":"net"})",
                 1,
                 "cniVersion is missing; this plugin knows 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"},
        BadInput{"unknown version",
                 "ADD",
                 {},
                 R"({"cniVersion":"2.0.0","name":"net"})",
                 1,
                 "cniVersion: '2.0.0' is not supported; this plugin knows 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"},
        BadInput{"too old a version",
                 "DEL",
                 {},
                 R"({"cniVersion":"0.2.0","name":"net"})",
                 1,
                 "cniVersion: '0.2.0' is not supported; this plugin knows 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"},
        BadInput{"version as a number",
                 "ADD",
                 {},
                 R"({"cniVersion":1,"name":"net"})",
                 7,
                 "cniVersion: '1' is not a string"},
        BadInput{"CHECK came with 0.4.0",
                 "CHECK",
                 {},
                 R"({"cniVersion":"0.3.1","name":"net"})",
                 1,
                 "CHECK needs cniVersion 0.4.0 or newer, not 0.3.1"},
        BadInput{"GC came with 1.1.0",
                 "GC",
                 {},
                 R"({"cniVersion":"1.0.0","name":"net"})",
                 1,
                 "GC needs cniVersion 1.1.0 or newer, not 1.0.0"},
        BadInput{"STATUS came with 1.1.0",
                 "STATUS",
                 {},
                 R"({"cniVersion":"0.4.0","name":"net"})",
                 1,
                 "STATUS needs cniVersion 1.1.0 or newer, not 0.4.0"},
        BadInput{"no network name",
                 "ADD",
                 {},
                 R"({"cniVersion":"1.1.0"})",
                 7,
                 "name is missing: the network's name"},
        BadInput{"network name with a space",
                 "ADD",
                 {},
                 R"({"cniVersion":"1.1.0","name":"a b"})",
                 7,
                 "name: 'a b' is not a network name (letters, digits, '_', '.', '-', the first a letter or "
                 "digit)"},
        BadInput{"network name of the wrong type",
                 "ADD",
                 {},
                 R"({"cniVersion":"1.1.0","name":[]})",
                 7,
                 "name: '[]' is not a string"},
        BadInput{"prevResult of the wrong type",
                 "ADD",
                 {},
                 R"({"cniVersion":"1.1.0","name":"n","prevResult":"x"})",
                 7,
                 "prevResult: 'x' is not an object"},
        BadInput{"address in prevResult",
                 "CHECK",
                 {},
                 R"({"cniVersion":"1.1.0","name":"n","prevResult":{"ips":[{"address":"1.2.3"}]}})",
                 7,
                 "prevResult.ips[0].address: '1.2.3' has no prefix length"},
        BadInput{"GC list of the wrong type",
                 "GC",
                 {},
                 R"({"cniVersion":"1.1.0","name":"n","cni.dev/valid-attachments":{}})",
                 7,
                 "cni.dev/valid-attachments: '{}' is not a list"},
        BadInput{"GC entry without names",
                 "GC",
                 {},
                 R"({"cniVersion":"1.1.0","name":"n","cni.dev/valid-attachments":[{"ifname":"e"}]})",
                 7,
                 R"(cni.dev/valid-attachments[0]: '{"ifname":"e"}' lacks containerID or ifname)"},
        BadInput{"sandbox not there",
                 "ADD",
                 {{"CNI_NETNS", "/none"}},
                 kConfig,
                 8,
                 "CNI_NETNS: '/none' does not exist"},
        BadInput{"sandbox is a file",
                 "ADD",
                 {{"CNI_NETNS", "/etc/passwd"}},
                 kConfig,
                 8,
                 "CNI_NETNS: '/etc/passwd' is not a network namespace"},
        BadInput{"the plugin's own namespace",
                 "CHECK",
                 {{"CNI_NETNS", "/own"}},
                 kConfig,
                 8,
                 "CNI_NETNS: '/own' is the network namespace of the plugin itself"}));

TEST(RunPlugin, TheOwnNamespaceMayBeAllowed) {
  const auto own = [](const std::string&) -> NetnsFacts { return {true, true, true, 1}; };
  for (const char* value : {"1", "true"}) {
    Recorder recorder;
    Variables given = variables("ADD");
    given["CNI_NETNS_OVERRIDE"] = value;
    EXPECT_TRUE(call_plugin(recorder.handlers(), given, kConfig, own).ok()) << value;
  }
}

TEST(RunPlugin, DelTakesEverySandboxForGranted) {
  for (const char* netns : {"", "/none", "/etc/passwd"}) {
    Recorder recorder;
    Variables given = variables("DEL");
    given["CNI_NETNS"] = netns;
    EXPECT_TRUE(
        call_plugin(recorder.handlers(), given, kConfig, [](const std::string&) { return NetnsFacts{}; })
            .ok())
        << netns;
    EXPECT_EQ(recorder.calls.at(0).netns_inode, 0U);
  }
}

TEST(RunPlugin, GcTellsNoListFromAnEmptyOne) {
  struct Row {
    const char* keys;
    std::optional<std::size_t> size;
    const char* reason;
  };
  const Row rows[] = {
      {"", std::nullopt, "no list: nothing may be removed"},
      {R"(,"cni.dev/valid-attachments":[])", 0, "an empty list: everything is stale"},
      {R"(,"cni.dev/valid-attachments":null)", 0, "how Go writes an empty list"},
      {R"(,"cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}])", 1,
       "the name of the specification"},
      {R"(,"cni.dev/attachments":[{"containerID":"a","ifname":"eth0"}])", 1,
       "the name that a library has sent"},
      {R"(,"cni.dev/attachments":[{"containerID":"a","ifname":"e"}],"cni.dev/valid-attachments":[{"containerID":"b","ifname":"e"}])",
       2, "both: both count"},
  };
  for (const Row& row : rows) {
    Recorder recorder;
    const std::string config = std::string(R"({"cniVersion":"1.1.0","name":"n")") + row.keys + "}";
    const PluginAnswer answer = call_plugin(recorder.handlers(), {{"CNI_COMMAND", "GC"}}, config);
    ASSERT_TRUE(answer.ok()) << answer.text;
    const auto& list = recorder.calls.at(0).valid_attachments;
    EXPECT_EQ(list.has_value(), row.size.has_value()) << row.reason;
    if (list && row.size) {
      EXPECT_EQ(list->size(), *row.size) << row.reason;
    }
  }
}

TEST(LookAtNetns, TellsWhatIsAtAPath) {
  const test::TemporaryDirectory directory;
  EXPECT_FALSE(look_at_netns(directory.path() + "/none").exists);
  std::ofstream(directory.path() + "/file") << "x";
  EXPECT_TRUE(look_at_netns(directory.path() + "/file").exists);
  EXPECT_FALSE(look_at_netns(directory.path() + "/file").is_netns);
  EXPECT_FALSE(look_at_netns("/proc/self/ns/mnt").is_netns) << "a namespace, but not of the network";
  const NetnsFacts own = look_at_netns("/proc/self/ns/net");
  EXPECT_TRUE(own.is_netns);
  EXPECT_TRUE(own.is_own);
  EXPECT_NE(own.inode, 0U);
}

}  // namespace
}  // namespace towpath::cni
