#include "agent/advertise/advertiser.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "towpath/base/boot_id.h"

namespace towpath::agent {
namespace {

TimePoint steady_now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Advertiser::Advertiser(boost::asio::io_context& loop, AdvertiserEvents& events, const std::string& state_dir)
    : loop_(loop), events_(events), timer_(loop) {
  const auto boot = current_boot_id();
  if (!boot) {
    events_.advertiser_problem("keep leases over a restart", boot.error());
    return;
  }
  file_.emplace(state_dir + "/leases", *boot);
  load();
}

Advertiser::~Advertiser() {
  stop();
}

void Advertiser::stop() {
  if (std::exchange(stopped_, true)) return;
  timer_.cancel();
  for (auto& [prefix, service] : services_) {
    if (service.monitor != nullptr) service.monitor->stop();
  }
}

void Advertiser::load() {
  auto stored = file_->load();
  if (!stored) return events_.advertiser_problem("read the leases", stored.error());
  for (const Lease& lease : *stored) leases_.restore(lease, steady_now());
  stored_ = *std::move(stored);
}

// --- what is announced

std::vector<Prefix> Advertiser::prefixes() const {
  std::set<Prefix> all;
  for (const auto& [prefix, service] : services_) {
    if (service.announced()) all.insert(prefix);
  }
  for (const Lease& lease : leases_.leases()) all.insert(lease.prefix);
  return {all.begin(), all.end()};
}

std::vector<AdvertisedPrefix> Advertiser::rows() const {
  std::vector<AdvertisedPrefix> rows;
  for (const auto& [prefix, service] : services_) {
    AdvertisedPrefix row{.prefix = prefix, .announced = service.announced()};
    if (service.monitor != nullptr) {
      row.checked = true;
      row.healthy = service.monitor->healthy();
      row.problem = service.monitor->problem();
    }
    rows.push_back(std::move(row));
  }
  for (Lease& lease : leases_.leases())
    rows.push_back({.prefix = lease.prefix, .announced = true, .lease = lease});
  return rows;
}

void Advertiser::report_if_changed() {
  std::vector<Prefix> now = prefixes();
  if (now == reported_ || stopped_) return;
  reported_ = std::move(now);
  events_.advertised_changed();
}

// --- the configuration

void Advertiser::configure(const std::vector<ServicePrefix>& services, const std::vector<Prefix>& leasable) {
  set_services(services);
  leasable_ = leasable;
  for (const Lease& lease : leases_.leases()) {
    const auto allows = [&lease](const Prefix& p) { return p.contains(lease.prefix); };
    if (!services_.contains(lease.prefix) && std::ranges::any_of(leasable_, allows)) continue;
    const Status ended = leases_.end(lease.prefix, std::nullopt);
    if (ended) events_.lease_ended(lease);
  }
  settle();
}

void Advertiser::set_services(const std::vector<ServicePrefix>& services) {
  std::map<Prefix, Service> next;
  std::vector<Service*> added;
  for (const ServicePrefix& wanted : services) {
    const auto known = services_.find(wanted.prefix);
    const bool same = known != services_.end() && known->second.config == wanted;
    Service& service = next[wanted.prefix] = same ? std::move(known->second) : Service{wanted, nullptr};
    if (same) {
      services_.erase(known);
    } else {
      added.push_back(&service);
    }
  }
  for (auto& [prefix, gone] : services_) {
    if (gone.monitor != nullptr) gone.monitor->stop();
  }
  services_ = std::move(next);
  for (Service* service : added) watch(*service);
}

void Advertiser::watch(Service& service) {
  if (!service.config.health) return;
  const Prefix prefix = service.config.prefix;
  service.monitor =
      std::make_shared<HealthMonitor>(loop_, *service.config.health, [this, prefix] { on_health(prefix); });
  service.monitor->start();
}

void Advertiser::on_health(const Prefix& prefix) {
  const auto found = services_.find(prefix);
  if (found == services_.end() || stopped_) return;
  const HealthMonitor& monitor = *found->second.monitor;
  events_.service_health(prefix, monitor.healthy().value_or(false) ? std::string_view() : monitor.problem());
  report_if_changed();
}

// --- leases

Result<Lease> Advertiser::renew(const Prefix& prefix, const std::string& owner, std::chrono::seconds length) {
  const std::string text = prefix.to_string();
  if (services_.contains(prefix)) {
    return fail(ErrorKind::kConflict,
                fmt::format("prefix: value '{}': the configuration announces it", text));
  }
  if (std::ranges::none_of(leasable_, [&](const Prefix& p) { return p.contains(prefix); })) {
    return fail(
        ErrorKind::kInvalid,
        fmt::format("prefix: value '{}': lies in none of `advertise_leases` of the configuration", text));
  }
  TOWPATH_TRY_STATUS(events_.may_advertise(prefix));
  TOWPATH_TRY_STATUS(leases_.renew(prefix, owner, length, steady_now()));
  settle();
  return *leases_.find(prefix);
}

Status Advertiser::withdraw(const Prefix& prefix, const std::optional<std::string>& owner) {
  if (services_.contains(prefix)) {
    return fail(ErrorKind::kConflict,
                fmt::format("prefix: value '{}': the configuration announces it", prefix.to_string()));
  }
  TOWPATH_TRY_STATUS(leases_.end(prefix, owner));
  settle();
  return {};
}

void Advertiser::settle() {
  for (const Lease& lease : leases_.expire(steady_now())) events_.lease_ended(lease);
  timer_.cancel();
  if (const auto next = leases_.next_end(); next && !stopped_) {
    timer_.expires_at(*next);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error && !stopped_) settle();
    });
  }
  std::vector<Lease> leases = leases_.leases();
  if (file_ && leases != stored_) {
    if (const Status stored = file_->store(leases); !stored) {
      events_.advertiser_problem("store the leases", stored.error());
    }
    stored_ = std::move(leases);
  }
  report_if_changed();
}

}  // namespace towpath::agent
