// Errors: section 2 "Errors", section 5 "Error".
#include <fmt/format.h>

#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

// A call that no plugin can grant, whatever it does.
Checked<Reply> provoke(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  Request r = trial.request("ADD", a);
  r.env.erase("CNI_NETNS");
  Reply reply = trial.run(r);
  TOWPATH_TRY_STATUS(expect_refused(reply, "ADD without CNI_NETNS"));
  return reply;
}

Outcome one_document(Trial& trial) {
  TOWPATH_TRY(const Reply reply, provoke(trial));
  TOWPATH_TRY_STATUS(expect(reply.document.is_object(), "stdout is not one JSON object: " + reply.summary()));
  return reply.summary();
}

Outcome has_code_and_message(Trial& trial) {
  TOWPATH_TRY(const Reply reply, provoke(trial));
  TOWPATH_TRY_STATUS(expect(reply.code() >= 0, "no numeric 'code': " + reply.summary()));
  TOWPATH_TRY_STATUS(expect(!text_at(reply.document, "msg").empty(), "no text 'msg': " + reply.out));
  const auto details = reply.document.find("details");
  TOWPATH_TRY_STATUS(
      expect(details == reply.document.end() || details->is_string(), "'details' is not a text"));
  return fmt::format("code {}", reply.code());
}

Outcome has_version(Trial& trial) {
  TOWPATH_TRY(const Reply reply, provoke(trial));
  const std::string version = text_at(reply.document, "cniVersion");
  TOWPATH_TRY_STATUS(expect(version == trial.version,
                            fmt::format("cniVersion is '{}', wanted '{}'", version, trial.version)));
  return version;
}

// Any failure's code is well-known, or 100 and above. 8 is libcni's own for a wrong namespace.
Outcome code_in_range(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  std::vector<Request> requests(4, trial.request("ADD", a));
  requests[0].env["CNI_NETNS"] = "/nonexistent/netns";
  requests[1].raw_input = "{";
  requests[2].config["cniVersion"] = "99.0.0";
  requests[3].env["CNI_COMMAND"] = "FROBNICATE";
  static const std::set<int> known{1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51};
  for (const auto& request : requests) {
    const Reply reply = trial.run(request);
    if (reply.ok()) continue;  // an IPAM plugin need not look at the sandbox
    TOWPATH_TRY_STATUS(expect(known.contains(reply.code()) || reply.code() >= 100, reply.summary()));
  }
  return "four different failures";
}

Outcome refuses_inputs(Trial& trial, const std::vector<std::string>& inputs,
                       std::initializer_list<int> codes) {
  for (const auto& input : inputs) {
    TOWPATH_TRY(auto a, trial.attachment());
    const KernelView host = trial.host();
    Request r = trial.request("ADD", a);
    r.raw_input = input;
    const Reply reply = trial.run(r);
    const std::string what = fmt::format("stdin '{}'", input.substr(0, 24));
    TOWPATH_TRY_STATUS(expect_code(reply, codes, what));
    const std::string change = trial.host_change_since(host);
    TOWPATH_TRY_STATUS(expect(change.empty(), what + " left: " + change));
  }
  return fmt::format("{} inputs", inputs.size());
}

Outcome malformed_input(Trial& trial) {
  return refuses_inputs(trial, {"{", "not json", R"({"cniVersion": )", "\x01\x02\xff"}, {6});
}
Outcome empty_input(Trial& trial) {
  return refuses_inputs(trial, {"", "   \n"}, {5, 6});
}
Outcome not_an_object(Trial& trial) {
  return refuses_inputs(trial, {"[]", "\"text\"", "17"}, {6, 7});
}

Outcome wrong_types(Trial& trial) {
  for (const char* key : {"cniVersion", "name"}) {
    TOWPATH_TRY(auto a, trial.attachment());
    Request r = trial.request("ADD", a);
    r.config[key] = json::array({5});
    TOWPATH_TRY_STATUS(expect_code(trial.run(r), {1, 6, 7}, fmt::format("'{}' is a list", key)));
  }
  return "code 6 or 7";
}

Outcome unknown_version(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  for (const char* verb : {"ADD", "DEL", "CHECK"}) {
    Request r = trial.request(verb, a);
    r.config["cniVersion"] = "99.0.0";
    TOWPATH_TRY_STATUS(expect_code(trial.run(r), {1}, fmt::format("{} with version 99.0.0", verb)));
  }
  return "ADD, DEL, CHECK: code 1";
}

Outcome nonsense_version(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  Request r = trial.request("ADD", a);
  r.config["cniVersion"] = "banana";
  const Reply reply = trial.run(r);
  TOWPATH_TRY_STATUS(expect_code(reply, {1, 6}, "cniVersion 'banana'"));
  return reply.summary();
}

Outcome network_name(Trial& trial) {
  for (const char* name : {"", "-leading", "with space", "a/b"}) {
    TOWPATH_TRY(auto a, trial.attachment());
    trial.remember(a);
    Request r = trial.request("ADD", a);
    if (*name == '\0') {
      r.config.erase("name");
    } else {
      r.config["name"] = name;
    }
    TOWPATH_TRY_STATUS(expect_code(trial.run(r), {7}, fmt::format("name '{}'", name)));
  }
  return "code 7 when missing or malformed";
}

// Whatever comes in, a plugin ends by its own exit, in time.
Outcome survives_garbage(Trial& trial) {
  TOWPATH_TRY(auto a, trial.attachment());
  const std::string deep = std::string(200000, '[');
  std::string with_nul = trial.request("ADD", a).config.dump();
  with_nul.insert(with_nul.size() / 2, 1, '\0');
  for (const std::string& input :
       {deep, with_nul, std::string(1 << 20, 'x'), R"({"cniVersion":"1.0.0","name":{}})" + deep}) {
    Request r = trial.request("ADD", a);
    r.raw_input = input;
    TOWPATH_TRY_STATUS(expect_refused(trial.run(r), fmt::format("{} bytes of garbage", input.size())));
  }
  return "4 inputs, up to 1 MiB";
}

}  // namespace

std::vector<Requirement> error_requirements() {
  return {
      {"ERROR-01", "any", "2 Errors; 5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "a failure exits with non-zero and prints exactly one JSON object on stdout", one_document},
      {"ERROR-02", "any", "5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "the error object has a numeric code and a text msg", has_code_and_message},
      {"ERROR-03", "any", "5 Error", Level::kShould, kAnyKind, "", Pool::kAny,
       "the error object has the cniVersion in use", has_version},
      {"ERROR-04", "any", "5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "codes below 100 are used only as the specification defines them", code_in_range},
      {"ERROR-05", "any", "5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "input that is not JSON gives code 6 and changes nothing", malformed_input},
      {"ERROR-06", "any", "5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "no input at all gives code 5 or 6", empty_input},
      {"ERROR-07", "any", "5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "JSON that is not an object gives code 6 or 7", not_an_object},
      {"ERROR-08", "any", "5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "cniVersion or name of a wrong type gives code 6 or 7", wrong_types},
      {"ERROR-09", "any", "5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "a version that is not supported gives code 1", unknown_version},
      {"ERROR-10", "any", "5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "a version that is no version gives code 1 or 6", nonsense_version},
      {"ERROR-11", "any", "1 Configuration format; 5 Error", Level::kMust, kAnyKind, "", Pool::kAny,
       "a network name that is missing or malformed gives code 7", network_name},
      {"ERROR-12", "any", "2 Errors", Level::kMust, kAnyKind, "", Pool::kAny,
       "garbage of any size ends in an error, never in a crash or a hang", survives_garbage},
  };
}

}  // namespace towpath::conformance
