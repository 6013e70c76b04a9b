// What this host announces beside its blocks: prefixes of the configuration, as long as they are healthy, and
// prefixes that programs of this host have a lease of.
//
// Model
//   prefixes() is the answer; `changed` says when it has become another one. The agent gives it to the
//   speaker, which announces the difference. No route is written: where the packets go on this host is the
//   business of whoever has the address.
//
// After a restart
//   Leases are read from the state directory and hold for the time they had left; docs/decisions/ says why.
//
// Ownership: `loop` and `events` outlive it. Threading: the loop. Failure: a lease is refused with a reason;
// a file that cannot be read or written is reported and changes nothing else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/advertise/health_monitor.h"
#include "agent/advertise/lease_file.h"
#include "agent/advertise/lease_table.h"
#include "agent/advertise/service_prefix.h"
#include "towpath/base/error.h"
#include "towpath/base/prefix.h"

namespace towpath::agent {

class AdvertiserEvents {
 public:
  virtual ~AdvertiserEvents() = default;
  // prefixes() is another one than before.
  virtual void advertised_changed() = 0;
  // Why the agent must not announce this prefix for a caller; asked at each renewal.
  virtual Status may_advertise(const Prefix& prefix) = 0;
  virtual void lease_ended(const Lease& lease) = 0;
  // `problem` is empty where the service is healthy again.
  virtual void service_health(const Prefix& prefix, std::string_view problem) = 0;
  virtual void advertiser_problem(std::string_view what, const Error& error) = 0;
};

// A row of `towpathctl advertised`.
struct AdvertisedPrefix {
  Prefix prefix{};
  bool announced = false;
  std::optional<Lease> lease{};  // none: from the configuration
  bool checked = false;
  std::optional<bool> healthy{};  // of those that are checked; none before the first check
  std::string problem{};          // why the last check failed
};

class Advertiser {
 public:
  Advertiser(boost::asio::io_context& loop, AdvertiserEvents& events, const std::string& state_dir);
  ~Advertiser();
  Advertiser(const Advertiser&) = delete;
  Advertiser& operator=(const Advertiser&) = delete;

  // Checks of services that did not change go on. Leases that lie in none of `leasable` any more end.
  void configure(const std::vector<ServicePrefix>& services, const std::vector<Prefix>& leasable);
  void stop();

  // In order, each once.
  std::vector<Prefix> prefixes() const;
  std::vector<AdvertisedPrefix> rows() const;

  // The lease as it stands now, renewed or new. kConflict: someone else has the prefix, or the configuration
  // announces it; kInvalid: nobody may lease it, or not so.
  Result<Lease> renew(const Prefix& prefix, const std::string& owner, std::chrono::seconds length);
  Status withdraw(const Prefix& prefix, const std::optional<std::string>& owner);

 private:
  struct Service {
    ServicePrefix config;
    std::shared_ptr<HealthMonitor> monitor;  // null: not checked
    bool announced() const { return monitor == nullptr || monitor->healthy().value_or(false); }
  };

  void load();
  void set_services(const std::vector<ServicePrefix>& services);
  void watch(Service& service);
  void on_health(const Prefix& prefix);
  // Ends what has ended, arms the timer, writes the file, and tells what changed.
  void settle();
  void report_if_changed();

  boost::asio::io_context& loop_;
  AdvertiserEvents& events_;
  std::optional<LeaseFile> file_;
  std::map<Prefix, Service> services_;
  std::vector<Prefix> leasable_;
  LeaseTable leases_;
  std::vector<Lease> stored_;
  std::vector<Prefix> reported_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
};

}  // namespace towpath::agent
