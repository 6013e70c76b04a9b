// The network policies of this host: when to read and write, and who waits for it.
//
// Model
//   The records of live endpoints come one by one; what they mean together with the policies is brought into
//   the kernel by the Enforcer, on a thread of its own. What changes while it works waits for the next job,
//   all of it for the same one. Nothing is written before the records were listed: an agent that has just
//   started would cut off the endpoints that it does not know yet.
//
// Ownership: the observer outlives it. `post` runs a task on the owner's loop, later; one that runs after
// this is gone does nothing. Rules in the kernel stay when it goes. Threading: the loop. Failure: told to the
// observer and to who waits; tried again each second.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/policy/policy_counters.h"
#include "agent/policy/policy_writer.h"
#include "towpath/ipam/endpoint_record.h"

namespace towpath::agent {

class PolicyObserver {
 public:
  virtual ~PolicyObserver() = default;
  // A reading of the files is in force, or has been refused, or there are none any more.
  virtual void policies_read(const PolicyOutcome& outcome) = 0;
  // Once for each new reason.
  virtual void policy_problem(std::string_view reason) = 0;
};

class Policies {
 public:
  using Done = std::function<void(Status)>;

  // `refresh` brings the records up to date, by record_changed() and record_gone(), before it returns: while
  // there are no policies, plugins tell nobody of new endpoints.
  Policies(std::string directory, std::unique_ptr<PolicyKernel> kernel, PolicyObserver& observer,
           PolicyWriter::Post post, std::function<void()> refresh);

  void record_changed(const ipam::EndpointRecord& record);
  void record_gone(const ipam::AttachmentId& attachment);
  // All records are known from now on.
  void listed();
  // The files may have changed.
  void read_files();
  // Somebody was at our table. Who goes on doing so is answered once a tick.
  void rules_changed();
  // Once a second or so.
  void tick();
  // Calls `done`, later, when the kernel keeps the policies for the endpoints that are known now; at once in
  // the next turn of the loop if there are no policies.
  void when_in_force(Done done);

  PolicyCounters counters() const;
  // What is in force; nothing where there are no policies, or the kernel has refused them.
  std::shared_ptr<const PolicyView> view() const { return view_; }

 private:
  void flush();
  void on_done(PolicyOutcome outcome);

  std::string directory_;
  PolicyObserver& observer_;
  PolicyWriter::Post post_;
  std::function<void()> refresh_;
  std::map<ipam::AttachmentId, std::shared_ptr<const policy::Endpoint>> endpoints_;
  bool is_listed_ = false;
  bool working_ = false;
  bool stale_ = false;      // endpoints changed since the last job, or it failed
  bool read_files_ = true;  // not done yet
  bool write_all_ = false;  // not done yet
  int repairs_this_tick_ = 0;
  std::vector<Done> waiting_;  // for the next job
  std::vector<Done> in_job_;
  bool is_on_ = false;
  PolicyCounters counters_;
  std::shared_ptr<const PolicyView> view_;
  std::string last_problem_;

  std::shared_ptr<Policies*> self_ = std::make_shared<Policies*>(this);  // weakly held by tasks
  std::unique_ptr<PolicyWriter> writer_;                                 // last: its thread ends first
};

}  // namespace towpath::agent
