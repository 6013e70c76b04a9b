#include "conformance/trial.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "conformance/isolation.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

std::string one_line(std::string text, std::size_t limit = 200) {
  std::ranges::replace_if(text, [](unsigned char c) { return c < ' '; }, ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  if (text.size() > limit) text = text.substr(0, limit) + "...";
  return text;
}

std::string with_directory(std::string text, const std::string& directory) {
  constexpr std::string_view kMark = "@DIR@";
  for (std::size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
    text.replace(at, kMark.size(), directory);
  }
  return text;
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

}  // namespace

int Reply::code() const {
  if (!document.is_object()) return -1;
  const auto found = document.find("code");
  return found != document.end() && found->is_number_integer() ? found->get<int>() : -1;
}

std::string Reply::message() const {
  return text_at(document, "msg") + " " + text_at(document, "details");
}

std::string Reply::summary() const {
  if (timed_out) return "still running after its time limit";
  if (signal != 0) return fmt::format("ended by signal {}: {}", signal, one_line(err));
  if (exit_code == 0) return is_blank(out) ? "exit 0, no output" : "exit 0: " + one_line(out);
  if (code() >= 0) return fmt::format("exit {}, code {}: {}", exit_code, code(), one_line(message()));
  return fmt::format("exit {}, stdout '{}', stderr '{}'", exit_code, one_line(out), one_line(err));
}

Trial::Trial(const Subject& subject, const Requirement& requirement, std::string directory)
    : version(subject.version),
      subject_(subject),
      requirement_(requirement),
      directory_(std::move(directory)) {}

Trial::~Trial() {
  for (auto& attachment : remembered_) (void)run_rest("DEL", 0, network_.plugins.size(), &attachment, {});
}

Checked<void> Trial::prepare() {
  if (auto fresh = enter_fresh_host(); !fresh) return broken("harness: " + fresh.error().message);
  const std::string& text = requirement_.pool == Pool::kSmall ? subject_.small_config : subject_.config;
  auto network = parse_network(with_directory(text, directory_));
  if (!network) return broken("configuration: " + network.error().message);
  network_ = *std::move(network);
  if (subject_.host_setup.empty()) return {};
  const Finished setup = run_one(shell(subject_.host_setup));
  return expect(setup.exit_code == 0, "host setup failed: " + one_line(setup.err));
}

Checked<Attachment> Trial::attachment(std::string ifname) {
  Attachment a;
  const unsigned number = next_++;
  a.container = fmt::format("conformance-{}-{:03}-{:08x}", ::getpid(), number,
                            std::hash<std::string>{}(directory_) & 0xffffffff);
  a.ifname = std::move(ifname);
  auto sandbox = Sandbox::make(fmt::format("{}/netns-{:03}", directory_, number));
  if (!sandbox) return broken("harness: " + sandbox.error().message);
  a.sandbox = &sandboxes_.emplace_back(*std::move(sandbox));
  a.netns = a.sandbox->path();
  if (subject_.kind == kMeta && network_.plugins.size() > 1) {
    remember(a);
    const Reply before = run_add(0, network_.plugins.size() - 1, a, {});
    TOWPATH_TRY_STATUS(expect(before.ok(), "a plugin before it in the chain failed: " + before.summary()));
    remembered_.back() = a;
  }
  return a;
}

Attachment Trial::another_interface(const Attachment& existing, std::string ifname) {
  Attachment a = existing;
  a.ifname = std::move(ifname);
  a.result = nullptr;
  return a;
}

Request Trial::request_for(std::size_t index, std::string_view verb, const Attachment* attachment) const {
  Request r;
  const json& plugin = network_.plugins[index];
  // A plugin that is not there is found out when it is started.
  r.executable = subject_.find(subject_.executable_name(plugin)).value_or(subject_.executable_name(plugin));
  r.config = plugin;
  r.config["cniVersion"] = version;
  r.config["name"] = network_.name;
  for (const char* key : {"capabilities", "cniVersions", "plugins"}) r.config.erase(key);
  std::vector<std::string> path = front_directories;
  path.insert(path.end(), subject_.directories.begin(), subject_.directories.end());
  r.env = {{"CNI_COMMAND", std::string(verb)}, {"CNI_PATH", fmt::format("{}", fmt::join(path, ":"))}};
  if (attachment == nullptr) return r;
  r.env["CNI_CONTAINERID"] = attachment->container;
  r.env["CNI_NETNS"] = attachment->netns;
  r.env["CNI_IFNAME"] = attachment->ifname;
  if (!attachment->result.is_null()) r.config["prevResult"] = attachment->result;
  return r;
}

Request Trial::request(std::string_view verb, const Attachment& attachment) const {
  Request r = request_for(under_test(), verb, &attachment);
  if (verb == "ADD" && subject_.kind != kMeta) r.config.erase("prevResult");
  return r;
}

Command Trial::command_of(const Request& request) const {
  Command command;
  command.words = {request.executable};
  command.env = subject_.environment;
  const char* path = std::getenv("PATH");
  command.env.try_emplace("PATH", path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path);
  for (const auto& [key, value] : request.env) command.env[key] = value;
  command.input = request.raw_input ? *request.raw_input : request.config.dump();
  return command;
}

std::vector<Reply> Trial::run_together(const std::vector<Request>& requests, const RunLimits& limits) {
  std::vector<Command> commands;
  for (const auto& each : requests) commands.push_back(command_of(each));
  std::vector<Reply> replies;
  for (auto& finished : run_all(commands, limits)) {
    Reply& reply = replies.emplace_back();
    static_cast<Finished&>(reply) = std::move(finished);
    reply.document = json::parse(reply.out, nullptr, false);
  }
  return replies;
}

Reply Trial::run(const Request& request, const RunLimits& limits) {
  return std::move(run_together({request}, limits).front());
}

Reply Trial::run_add(std::size_t first, std::size_t last, Attachment& attachment, const Bend& bend) {
  Reply reply;
  if (first == 0) attachment.result = nullptr;
  for (std::size_t i = first; i < last; ++i) {
    Request r = request_for(i, "ADD", &attachment);
    if (bend) bend(r);
    reply = run(r);
    if (!reply.ok()) return reply;
    attachment.result = reply.document.is_object() ? reply.document : json(nullptr);
  }
  return reply;
}

Reply Trial::run_rest(std::string_view verb, std::size_t first, std::size_t last,
                      const Attachment* attachment, const Bend& bend) {
  Reply reply;
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t index = verb == "DEL" ? last - 1 - (i - first) : i;
    Request r = request_for(index, verb, attachment);
    if (bend) bend(r);
    reply = run(r);
    if (!reply.ok()) return reply;
  }
  return reply;
}

Reply Trial::call(std::string_view verb, Attachment& attachment, const Bend& bend) {
  if (verb != "ADD") return run_rest(verb, first_called(), network_.plugins.size(), &attachment, bend);
  remember(attachment);
  Reply reply = run_add(first_called(), network_.plugins.size(), attachment, bend);
  remembered_.back() = attachment;
  return reply;
}

Reply Trial::call_without_attachment(std::string_view verb, const Bend& bend) {
  return run_rest(verb, first_called(), network_.plugins.size(), nullptr, bend);
}

Checked<void> Trial::add(Attachment& attachment) {
  const Reply reply = call("ADD", attachment);
  TOWPATH_TRY_STATUS(expect(reply.ok(), "ADD failed: " + reply.summary()));
  return expect(attachment.result.is_object(), "ADD printed no JSON object: " + reply.summary());
}

Checked<Attachment> Trial::added(std::string ifname) {
  TOWPATH_TRY(auto a, attachment(std::move(ifname)));
  TOWPATH_TRY_STATUS(add(a));
  return a;
}

Checked<void> Trial::del(Attachment& attachment, const Bend& bend) {
  const Reply reply = call("DEL", attachment, bend);
  return expect(reply.ok(), "DEL failed: " + reply.summary());
}

Checked<void> Trial::check(Attachment& attachment) {
  const Reply reply = call("CHECK", attachment);
  return expect(reply.ok(), "CHECK failed: " + reply.summary());
}

Checked<std::vector<Attachment>> Trial::fill() {
  std::vector<Attachment> all;
  while (all.size() < subject_.pool_limit) {
    TOWPATH_TRY(auto a, attachment());
    exhausted_reply = call("ADD", a);
    if (!exhausted_reply.ok()) {
      (void)call("DEL", a);
      TOWPATH_TRY_STATUS(expect(!all.empty(), "the first ADD failed: " + exhausted_reply.summary()));
      return all;
    }
    all.push_back(std::move(a));
  }
  return skipped(fmt::format("the pool holds {} addresses or more; give one with fewer as --pool-config",
                             subject_.pool_limit));
}

std::string Trial::host_change_since(const KernelView& wanted) const {
  // The kernel removes the links of a namespace some time after the namespace.
  const auto deadline = steady_clock::now() + std::chrono::seconds(2);
  for (;;) {
    std::string change = wanted.change_to(host());
    if (change.empty() || steady_clock::now() >= deadline) return change;
    ::usleep(20000);
  }
}

Command Trial::shell(const std::string& script) const {
  const char* path = std::getenv("PATH");
  return {{"/bin/sh", "-c", script},
          {{"PATH", path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path}, {"DIR", directory_}},
          "",
          ""};
}

Checked<void> Trial::ip(const std::string& netns, const std::vector<std::string>& words) const {
  Command command = shell("");
  command.words = {"ip"};
  command.words.insert(command.words.end(), words.begin(), words.end());
  command.netns = netns;
  const Finished done = run_one(command);
  return expect(done.exit_code == 0,
                fmt::format("harness: ip {}: {}", fmt::join(words, " "), one_line(done.err)));
}

Checked<void> expect_success_without_output(const Reply& reply, std::string_view what) {
  TOWPATH_TRY_STATUS(expect(reply.ok(), fmt::format("{}: {}", what, reply.summary())));
  return expect(is_blank(reply.out), fmt::format("{} printed on stdout: {}", what, one_line(reply.out)));
}

Checked<void> expect_refused(const Reply& reply, std::string_view what) {
  return expect(reply.exit_code > 0, fmt::format("{}: {}", what, reply.summary()));
}

Checked<void> expect_code(const Reply& reply, std::initializer_list<int> codes, std::string_view what) {
  TOWPATH_TRY_STATUS(expect_refused(reply, what));
  return expect(std::ranges::find(codes, reply.code()) != codes.end(),
                fmt::format("{}: wanted code {}, got {}", what, fmt::join(codes, " or "), reply.summary()));
}

std::vector<std::string> addresses_of(const json& result) {
  std::vector<std::string> addresses;
  for (const auto& each : list_at(result, "ips")) addresses.push_back(text_at(each, "address"));
  for (const char* old_key : {"ip4", "ip6"}) {  // until 0.2.0
    const std::string address = text_at(object_at(result, old_key), "ip");
    if (!address.empty()) addresses.push_back(address);
  }
  return addresses;
}

bool is_v6(std::string_view address) {
  return address.contains(':');
}

}  // namespace towpath::conformance
