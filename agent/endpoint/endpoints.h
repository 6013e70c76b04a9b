// The endpoints of this host, as the agent knows them, and what it does for them.
//
// Model
//   The state store is the truth; plugins write it. Here is a copy of its records, brought up to date in two
//   ways: a plugin says that an endpoint changed, where the endpoint needs the agent; and an audit walks
//   through the records, a slice at a time, whenever the store has changed. From the copy follow the port
//   mappings in the kernel (PortTable), which a thread of its own writes (PortWriter), and which borrowed
//   addresses there are. The audit also looks
//   for endpoints whose sandbox is gone (SandboxWatch). Those are released as DEL would: the ports, the ifb,
//   and then the record with its addresses, by compare-and-release.
//
// After a restart: start() lists the records and reads the kernel's mappings. What is right stays untouched,
// what is missing is added; what is too much is removed only once the records were listed.
//
// Ownership: the store and the observer outlive it. `post` runs a task on the owner's loop, later; one that
// runs after this is gone does nothing. Mappings in the kernel stay when it goes. Threading: the loop.
// start() blocks for two dumps; later a record is read, or a link removed, for microseconds each. Failure: of
// start() only where there is no netlink. A mapping that the kernel refused is tried again each second.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/endpoint/endpoint_counters.h"
#include "agent/endpoint/port_table.h"
#include "agent/endpoint/port_writer.h"
#include "agent/endpoint/sandbox_watch.h"
#include "towpath/base/clock.h"
#include "towpath/ipam/state_store.h"
#include "towpath/netlink/kernel_monitor.h"

namespace towpath::agent {

class EndpointObserver {
 public:
  virtual ~EndpointObserver() = default;
  // Its sandbox was gone and no DEL came.
  virtual void endpoint_released(const ipam::EndpointRecord& record) = 0;
  // The copy of a record is another one than before, or new; or it is gone.
  virtual void record_changed(const ipam::EndpointRecord& /*record*/) {}
  virtual void record_gone(const ipam::AttachmentId& /*endpoint*/) {}
  // borrowed() is another list than before.
  virtual void borrowed_changed() = 0;
  // Something about endpoints cannot be done now; once for each new reason.
  virtual void endpoint_problem(std::string_view what, std::string_view reason) = 0;
};

class Endpoints {
 public:
  using Done = std::function<void(Status)>;

  static Result<std::unique_ptr<Endpoints>> start(ipam::StateStore& store, std::unique_ptr<PortKernel> kernel,
                                                  SandboxLooks looks, EndpointObserver& observer,
                                                  PortWriter::Post post);

  // A plugin has written or removed its record. `done`, later, says that the kernel is as the record wants
  // it; kConflict: another endpoint holds one of its ports.
  void changed(const ipam::AttachmentId& endpoint, Done done);
  void on_kernel_event(const netlink::KernelEvent& event);
  // Somebody changed rules or mappings: they are put back at once. Who goes on doing so is answered once a
  // tick.
  void rules_changed();
  // The store is another one than before, at the same place.
  void store_replaced();
  // Once a second or so.
  void tick(TimePoint now);

  EndpointCounters counters() const;
  // All records were read once.
  bool listed() const { return listed_; }
  // Reads all records now. An endpoint that needed nothing of the agent has told nobody, and the next audit
  // is up to a second away.
  void refresh();
  // The addresses of other hosts' blocks that live endpoints have, in order; this host announces them.
  const std::vector<Prefix>& borrowed() const { return borrowed_; }

 private:
  Endpoints(ipam::StateStore& store, SandboxLooks looks, EndpointObserver& observer, PortWriter::Post post)
      : store_(store), watch_(std::move(looks)), observer_(observer), post_(std::move(post)) {}

  Status load();
  Status update(const ipam::AttachmentId& endpoint);
  std::optional<PortTable::Clash> take(ipam::EndpointRecord record);
  Status take_or_dispossess(const ipam::EndpointRecord& record);
  void drop(const ipam::AttachmentId& endpoint);
  void note_singles(const ipam::EndpointRecord& record, bool is_there);
  void find_borrowed();
  void flush();
  void on_changed(const netlink::PortChange& change, const Status& status);
  void on_adopted(Result<netlink::PortState> state);
  void repair_rules();

  void audit_slice();
  void merge(const std::vector<ipam::EndpointRecord>& slice, bool is_last);
  void look_for_the_dead(TimePoint now);
  void release_if_dead(const ipam::AttachmentId& endpoint, TimePoint now);
  void problem(std::string_view what, const Error& error);
  PortWriter::Task guarded(std::move_only_function<void()> task);

  ipam::StateStore& store_;
  SandboxWatch watch_;
  EndpointObserver& observer_;
  PortWriter::Post post_;

  std::map<ipam::AttachmentId, ipam::EndpointRecord> records_;
  // Of live endpoints the addresses that are a block of their own: what is borrowed is among them.
  std::multiset<Prefix> singles_;
  bool singles_changed_ = false;
  std::vector<Prefix> borrowed_;
  PortTable ports_;
  std::set<ipam::AttachmentId> refused_;  // whose ports others hold
  bool writing_ = false;
  std::vector<Done> waiting_;  // for the next write
  std::vector<Done> in_write_;

  bool listed_ = false;        // all records were read once
  std::uint64_t audited_ = 0;  // last_change() of the store when the last audit began
  bool auditing_ = false;
  std::optional<ipam::AttachmentId> audit_at_;
  std::optional<ipam::AttachmentId> look_at_;  // where the last look for the dead ended
  std::set<ipam::AttachmentId> suspects_;      // their link went away
  std::set<ipam::AttachmentId> bereft_;  // dead, but another IPAM plugin has their addresses: only DEL can
  std::uint64_t released_ = 0;
  bool rules_changed_ = false;  // and not put back yet
  int repairs_this_tick_ = 0;
  bool wrote_twice_ = false;  // a write was refused because the rules were gone, and is tried again
  std::uint64_t rules_repaired_ = 0;
  std::uint64_t ticks_ = 0;
  std::map<std::string, std::string, std::less<>> last_problem_;  // by what it was about

  std::shared_ptr<Endpoints*> self_ = std::make_shared<Endpoints*>(this);  // weakly held by tasks
  std::unique_ptr<PortWriter> writer_;                                     // last: its thread ends first
};

}  // namespace towpath::agent
