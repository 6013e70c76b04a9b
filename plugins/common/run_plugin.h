// The skeleton that every plugin stands in: it owns the protocol, the plugin owns the verbs.
//
// Model
//   A plugin is a table of functions. run_plugin() reads and checks the call, picks the function, and turns
//   what it returns into exactly one JSON document (or none, where the specification wants none) and an exit
//   code. Environment and streams are arguments, so that tests run a whole plugin in their own process.
//
// Failure: never throws; whatever goes wrong is an error document and exit code 1.
#pragma once

#include <functional>
#include <string>

#include "plugins/common/cni_error.h"
#include "plugins/common/cni_request.h"
#include "plugins/common/cni_result.h"

namespace towpath::cni {

struct PluginHandlers {
  std::string about;  // one line: name, version, what it is
  std::function<CniExpected<CniResult>(const CniRequest&)> add;
  std::function<CniStatus(const CniRequest&)> del;
  std::function<CniStatus(const CniRequest&)> check;
  std::function<CniStatus(const CniRequest&)> gc;
  std::function<CniStatus(const CniRequest&)> status;
};

struct PluginCall {
  Environment environment;
  // Called at most once, and not at all without CNI_COMMAND: at a terminal a plugin must not wait for input.
  std::function<Result<std::string>()> read_stdin;
  LookAtNetns look_at_netns = cni::look_at_netns;
};

struct PluginOutcome {
  int exit_code = 0;
  std::string standard_output;
  std::string standard_error;
};

PluginOutcome run_plugin(const PluginCall& call, const PluginHandlers& handlers);

// The same with the environment and the streams of this process; the value is main()'s.
int plugin_main(const PluginHandlers& handlers);

}  // namespace towpath::cni
