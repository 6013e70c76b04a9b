// The stage on which one requirement is put to the plugin: a fresh host namespace, sandboxes, and calls as a
// runtime makes them.
//
// Model
//   attachment() makes a container: an id and a sandbox. call() executes the network configuration for it as
//   section 3 of the specification says: for a main plugin the whole chain (DEL in reverse), for an IPAM
//   plugin the plugin alone, for a meta plugin the last of the chain after the ones before it have done their
//   ADD. run() executes one request that the check has bent out of shape.
//
// Ownership: the destructor calls DEL for every attachment that was ever ADDed and removes all sandboxes.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/kernel_view.h"
#include "conformance/outcome.h"
#include "conformance/process.h"
#include "conformance/sandbox.h"
#include "conformance/subject.h"

namespace towpath::conformance {

// One execution of a plugin, as data that a check can change.
struct Request {
  std::string executable;
  std::map<std::string, std::string> env;  // the CNI_* variables
  nlohmann::json config;
  std::optional<std::string> raw_input;  // instead of `config`
};

// What the plugin said.
struct Reply : Finished {
  nlohmann::json document;  // of standard output; discarded unless that is exactly one JSON document

  bool ok() const { return exit_code == 0; }
  int code() const;             // of the error object; -1 without one
  std::string message() const;  // "msg" and "details"
  std::string summary() const;  // for evidence: one line
};

struct Attachment {
  std::string container;
  std::string ifname = "eth0";
  std::string netns;      // the value of CNI_NETNS
  nlohmann::json result;  // of the last ADD; null before
  Sandbox* sandbox = nullptr;
};

using Bend = std::function<void(Request&)>;

class Trial {
 public:
  // `directory` exists, is empty, and belongs to this trial.
  Trial(const Subject& subject, const Requirement& requirement, std::string directory);
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial();

  // Fresh host namespace, host setup, configuration. What fails here is no fault of the plugin's conduct.
  Checked<void> prepare();

  const Subject& subject() const { return subject_; }
  const std::string& directory() const { return directory_; }
  const Network& network() const { return network_; }
  // The version put into every request; the newest the plugin speaks, unless the check sets another.
  std::string version;
  // Folders put before the subject's own in CNI_PATH.
  std::vector<std::string> front_directories;

  // A new container with a sandbox.
  Checked<Attachment> attachment(std::string ifname = "eth0");
  // One more interface for a container that exists.
  Attachment another_interface(const Attachment& existing, std::string ifname);

  // The request for the plugin under test alone, right in every part.
  Request request(std::string_view verb, const Attachment& attachment) const;
  Reply run(const Request& request, const RunLimits& limits = {});
  std::vector<Reply> run_together(const std::vector<Request>& requests, const RunLimits& limits = {});

  // The whole network configuration; `bend` sees each request. The last reply, or the first that failed.
  Reply call(std::string_view verb, Attachment& attachment, const Bend& bend = {});
  // ADD that has to succeed; the result is in attachment.result.
  Checked<void> add(Attachment& attachment);
  Checked<Attachment> added(std::string ifname = "eth0");
  Checked<void> del(Attachment& attachment, const Bend& bend = {});
  Checked<void> check(Attachment& attachment);
  // GC or STATUS: no attachment. `bend` puts the list in.
  Reply call_without_attachment(std::string_view verb, const Bend& bend = {});
  // The destructor will call DEL for it, whatever became of it.
  void remember(const Attachment& attachment) { remembered_.push_back(attachment); }

  // ADDs containers until the pool is used up. Skips when it is larger than the limit.
  Checked<std::vector<Attachment>> fill();
  Reply exhausted_reply;  // the refusal that ended the last fill()

  KernelView host() const { return KernelView::read(); }
  KernelView inside(const Attachment& attachment) const { return KernelView::read(attachment.netns); }
  // Reads the host until it equals `wanted`, or until the kernel had two seconds to clean up. Empty when
  // equal.
  std::string host_change_since(const KernelView& wanted) const;
  // ip(8) in a sandbox or ("") the host.
  Checked<void> ip(const std::string& netns, const std::vector<std::string>& words) const;
  Command shell(const std::string& script) const;

 private:
  Request request_for(std::size_t index, std::string_view verb, const Attachment* attachment) const;
  Command command_of(const Request& request) const;
  Reply run_add(std::size_t first, std::size_t last, Attachment& attachment, const Bend& bend);
  Reply run_rest(std::string_view verb, std::size_t first, std::size_t last, const Attachment* attachment,
                 const Bend& bend);
  std::size_t first_called() const { return subject_.kind == kMeta ? network_.plugins.size() - 1 : 0; }
  std::size_t under_test() const { return first_called(); }

  const Subject& subject_;
  const Requirement& requirement_;
  std::string directory_;
  Network network_;
  std::deque<Sandbox> sandboxes_;
  std::vector<Attachment> remembered_;
  unsigned next_ = 0;
};

// Standard output must be nothing at all (DEL, CHECK, GC, STATUS). White space is forgiven.
Checked<void> expect_success_without_output(const Reply& reply, std::string_view what);
// The call must fail, by exit code and not by a crash or our time limit.
Checked<void> expect_refused(const Reply& reply, std::string_view what);
Checked<void> expect_code(const Reply& reply, std::initializer_list<int> codes, std::string_view what);

// Addresses of a result in any version's shape, "10.0.0.2/24".
std::vector<std::string> addresses_of(const nlohmann::json& result);
bool is_v6(std::string_view address);

}  // namespace towpath::conformance
