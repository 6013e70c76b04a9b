#include "agent/dataplane/next_hop_table.h"

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "towpath/netlink/route.h"

namespace towpath::agent {
namespace {

using netlink::NextHop;
using netlink::NextHopMember;
using netlink::NextHopObject;

// Its device is part of its name.
bool needs_device(const IpAddress& address) {
  return address.is_v6() && address.is_link_local();
}

// What a next hop is as long as only its device changes. Where the device is part of the name it stays.
NextHop key_of(const NextHop& hop) {
  NextHop key = hop;
  key.weight = 1;
  if (!hop.onlink && hop.via && !needs_device(*hop.via)) key.device = {};
  return key;
}

bool has(const std::vector<NextHopMember>& members, std::uint32_t id) {
  return std::ranges::find(members, id, &NextHopMember::id) != members.end();
}

// Equal for all that may stand for the same wanted forwarding: without devices.
using Signature = std::vector<std::tuple<std::optional<IpAddress>, bool, std::uint16_t>>;
Signature signature_of(const std::vector<NextHop>& hops) {
  Signature signature;
  for (const NextHop& hop : hops) {
    signature.emplace_back(hop.via, hop.onlink, hops.size() == 1 ? std::uint16_t{1} : hop.weight);
  }
  std::ranges::sort(signature);
  return signature;
}

}  // namespace

Result<std::uint32_t> NextHopTable::id_for(const Forwarding& wanted) {
  if (wanted.next_hops.size() == 1) return hop_id(Kind::kSingle, wanted.next_hops.front());
  return group_id(wanted);
}

Result<std::uint32_t> NextHopTable::hop_id(Kind kind, const NextHop& wanted) {
  NextHop key = wanted;
  key.weight = 1;
  auto& known = by_key(kind);
  if (const auto it = known.find(key); it != known.end()) return it->second;
  std::optional<Error> refusal;
  if (const auto it = refusals_.find(key); it != refusals_.end()) refusal = it->second;
  std::uint32_t id = free_id();
  Object object{.kind = kind, .key = key};
  if (!refusal && !(kind == Kind::kMember && is_lost(key))) {
    auto made = make(object, id, false);
    for (; !made && made.error().kind == ErrorKind::kExists; made = make(object, id, false)) {
      foreign_.insert(id);
      id = free_id();
    }
    if (!made) refusal = refusals_.emplace(key, std::move(made).error()).first->second;
  }
  if (kind == Kind::kSingle && refusal) return std::unexpected(*std::move(refusal));
  last_id_ = id;
  known.emplace(key, id);
  objects_.emplace(id, std::move(object));
  return id;
}

Result<std::uint32_t> NextHopTable::group_id(const Forwarding& wanted) {
  Object group{.kind = Kind::kGroup};
  for (const NextHop& hop : wanted.next_hops) {
    TOWPATH_TRY(const std::uint32_t id, hop_id(Kind::kMember, hop));
    group.wanted.push_back({id, hop.weight});
  }
  std::ranges::sort(group.wanted);
  if (const auto it = groups_.find(group.wanted); it != groups_.end()) return it->second;
  Members members = present(group);
  if (members.empty()) {
    // A lost one is better than none: whoever says that it is lost may be wrong.
    for (const NextHopMember& member : group.wanted) {
      Object& object = objects_.at(member.id);
      if (is_lost(object.key)) (void)make(object, member.id, true);
    }
    members = present(group);
  }
  if (members.empty()) {
    for (const NextHop& hop : wanted.next_hops) {
      NextHop key = hop;
      key.weight = 1;
      if (const auto it = refusals_.find(key); it != refusals_.end()) return std::unexpected(it->second);
    }
    return fail_errno(ENETUNREACH, "make a group of next hops: none of them is there");
  }
  for (;;) {
    const std::uint32_t id = free_id();
    group.kernel = {.id = id, .protocol = protocol_, .members = members};
    netlink::Batch batch(*socket_);
    batch.add_next_hop(group.kernel);
    if (auto made = batch.execute(); !made) {
      if (made.error().kind != ErrorKind::kExists) return std::unexpected(std::move(made).error());
      foreign_.insert(id);
      continue;
    }
    last_id_ = id;
    group.there = true;
    groups_.emplace(group.wanted, id);
    objects_.emplace(id, std::move(group));
    return id;
  }
}

Status NextHopTable::make(Object& object, std::uint32_t id, bool replace) {
  NextHop hop = object.key;
  if (!hop.device) hop = ways_to({hop}).front();
  if (!hop.device) {
    return fail_errno(ENETUNREACH, fmt::format("find the device of next hop {}", hop.via->to_string()));
  }
  object.kernel = {.id = id, .protocol = protocol_, .hop = hop};
  netlink::Batch batch(*socket_);
  if (replace) {
    batch.replace_next_hop(object.kernel);
  } else {
    batch.add_next_hop(object.kernel);
  }
  TOWPATH_TRY_STATUS(batch.execute());
  object.there = true;
  return {};
}

std::uint32_t NextHopTable::free_id() {
  std::uint32_t id = last_id_;
  do {
    id = id >= netlink::kNextHopIdLast ? netlink::kNextHopIdFirst : id + 1;
  } while (objects_.contains(id) || foreign_.contains(id));
  return id;
}

std::vector<NextHop> NextHopTable::ways_to(const std::vector<NextHop>& hops) {
  std::vector<NextHop> ways;
  std::vector<std::size_t> asked;  // index of the next hop by index of the request
  netlink::Batch batch(*socket_);
  for (const NextHop& hop : hops) {
    ways.push_back(hop);
    if (hop.device || !hop.via || needs_device(*hop.via)) continue;
    asked.push_back(ways.size() - 1);
    batch.get_route(*hop.via);
  }
  std::vector<NextHop> answers;  // in order, of the requests that were not refused
  const auto refused = batch.execute_all([&](const netlink::MessageView& message) {
    const auto route = netlink::parse_route(message);
    NextHop& way = answers.emplace_back();
    if (!route || route->next_hops.empty()) return;
    way.device = route->next_hops.front().device;
    // Not by what we write ourselves: a next hop is reached by routes of others.
    if (route->protocol != protocol_) way.via = route->next_hops.front().via;
  });
  if (!refused) return ways;  // answers lost: none has a device until the next audit
  auto answer = answers.begin();
  auto refusal = refused->begin();
  for (std::size_t i = 0; i < asked.size() && answer != answers.end(); ++i) {
    if (refusal != refused->end() && refusal->index == i) {
      ++refusal;
    } else {
      NextHop& way = ways[asked[i]];
      way.device = answer->device;
      if (answer->via) way.via = answer->via;
      ++answer;
    }
  }
  return ways;
}

NextHop NextHopTable::meaning(const Object& object) {
  NextHop hop = object.key;
  if (object.there) hop.device = object.kernel.hop.device;
  return hop;
}

NextHopTable::Members NextHopTable::present(const Object& group) const {
  Members all, good;
  for (const NextHopMember& member : group.wanted) {
    const auto object = objects_.find(member.id);
    if (object == objects_.end() || !object->second.there) continue;
    all.push_back(member);
    if (!is_lost(object->second.key)) good.push_back(member);
  }
  return good.empty() ? all : good;
}

ForwardingPtr NextHopTable::forwarding_of(std::uint32_t id) const {
  const auto it = objects_.find(id);
  if (it == objects_.end()) return nullptr;
  const Object& object = it->second;
  if (object.kind != Kind::kGroup) return std::make_shared<const Forwarding>(make_unicast({meaning(object)}));
  std::vector<NextHop> hops;
  for (const NextHopMember& member : object.wanted) {
    const auto found = objects_.find(member.id);
    if (found == objects_.end() || found->second.kind == Kind::kGroup) return nullptr;
    hops.push_back(meaning(found->second));
    hops.back().weight = member.weight;
  }
  return std::make_shared<const Forwarding>(make_unicast(std::move(hops)));
}

void NextHopTable::adopt(const std::vector<NextHopObject>& found) {
  std::set<std::uint32_t> in_groups;
  for (const NextHopObject& object : found) {
    if (!netlink::is_agent_next_hop(object.id)) continue;
    for (const NextHopMember& member : object.members) in_groups.insert(member.id);
  }
  foreign_.clear();
  for (const NextHopObject& object : found) {
    if (!netlink::is_agent_next_hop(object.id) || objects_.contains(object.id)) continue;
    if (object.protocol != protocol_ || (object.members.empty() && !(object.hop.via && object.hop.device))) {
      foreign_.insert(object.id);
      continue;
    }
    last_id_ = std::max(last_id_, object.id);
    Object own{.kernel = object, .there = true};
    if (!object.members.empty()) {
      own.kind = Kind::kGroup;
      own.wanted = object.members;
      std::ranges::sort(own.wanted);
      groups_.try_emplace(own.wanted, object.id);
    } else {
      own.kind = in_groups.contains(object.id) ? Kind::kMember : Kind::kSingle;
      own.key = key_of(object.hop);
      by_key(own.kind).try_emplace(own.key, object.id);
    }
    objects_.emplace(object.id, std::move(own));
  }
}

void NextHopTable::forget(Objects::iterator object) {
  const auto drop = [id = object->first](auto& index, const auto& key) {
    const auto it = index.find(key);
    if (it != index.end() && it->second == id) index.erase(it);
  };
  if (object->second.kind == Kind::kGroup) {
    drop(groups_, object->second.wanted);
  } else {
    drop(by_key(object->second.kind), object->second.key);
  }
  objects_.erase(object);
}

Result<NextHopReport> NextHopTable::audit() {
  TOWPATH_TRY(const auto found, netlink::dump_next_hops(*socket_));
  adopt(found);
  std::map<std::uint32_t, NextHopObject> by_id;
  for (const NextHopObject& object : found) by_id.emplace(object.id, object);
  NextHopReport report;
  repair_hops(by_id, report);
  repair_groups(by_id, report);
  report.objects = objects_.size();
  return report;
}

void NextHopTable::repair_hops(const std::map<std::uint32_t, NextHopObject>& found, NextHopReport& report) {
  std::set<std::uint32_t> in_groups;
  for (const auto& [id, object] : objects_) {
    for (const NextHopMember& member : object.wanted) in_groups.insert(member.id);
  }
  std::vector<std::uint32_t> ids;
  std::vector<NextHop> keys;
  for (const auto& [id, object] : objects_) {
    if (object.kind == Kind::kGroup) continue;
    ids.push_back(id);
    keys.push_back(object.key);
  }
  const std::vector<NextHop> ways = ways_to(keys);
  netlink::Batch batch(*socket_);
  std::map<std::size_t, std::uint32_t> written;  // numbers by index of the request
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto it = objects_.find(ids[i]);
    Object& object = it->second;
    const auto now = found.find(ids[i]);
    const bool is_hop = now != found.end() && now->second.members.empty();
    if (now != found.end() && !is_hop) batch.delete_next_hop(ids[i]);  // somebody made a group of it
    object.there = is_hop;
    if (object.kind == Kind::kSingle && !is_hop) {
      report.routes_in_doubt = true;
      ++report.repaired;
      forget(it);
      continue;
    }
    if (object.kind == Kind::kMember && !is_hop && (!in_groups.contains(ids[i]) || is_lost(object.key))) {
      if (!in_groups.contains(ids[i])) forget(it);
      continue;
    }
    NextHopObject right{.id = ids[i], .protocol = protocol_, .hop = ways[i]};
    // Out of reach for now: as it is, it is as good as anything.
    if (!right.hop.device && is_hop && key_of(now->second.hop) == key_of(object.kernel.hop))
      right.hop = now->second.hop;
    if (is_hop) object.kernel = now->second;
    if (!right.hop.device || (is_hop && now->second == right)) continue;
    object.kernel = right;
    written.emplace(batch.replace_next_hop(right), ids[i]);
  }
  if (batch.empty()) return;
  const auto failures = batch.execute_all();
  for (const auto& [index, id] : written) {
    if (!failures) break;  // answers lost: the next audit reads what became of it
    if (std::ranges::find(*failures, index, &netlink::Batch::Failure::index) != failures->end()) continue;
    objects_.at(id).there = true;
    ++report.repaired;
  }
}

void NextHopTable::repair_groups(const std::map<std::uint32_t, NextHopObject>& found, NextHopReport& report) {
  netlink::Batch batch(*socket_);
  std::size_t changed = 0;
  for (auto it = objects_.begin(); it != objects_.end();) {
    const auto current = it++;
    auto& [id, object] = *current;
    if (object.kind != Kind::kGroup) continue;
    const auto now = found.find(id);
    if (now == found.end() || now->second.members.empty()) {
      if (now != found.end()) batch.delete_next_hop(id);  // somebody made something else of it
      report.routes_in_doubt = true;
      ++report.repaired;
      forget(current);
      continue;
    }
    const NextHopObject right{.id = id, .protocol = protocol_, .members = present(object)};
    object.kernel = now->second;
    std::ranges::sort(object.kernel.members);
    if (right.members.size() < object.wanted.size()) ++report.degraded;
    if (right.members.empty() || object.kernel == right) continue;
    object.kernel = right;
    batch.replace_next_hop(right);
    ++changed;
  }
  if (batch.empty()) return;
  // What was refused differs again when it is read the next time.
  const auto failures = batch.execute_all();
  report.repaired += failures ? changed - std::min(changed, failures->size()) : 0;
}

void NextHopTable::lose(std::span<const IpAddress> lost) {
  lost_ = {lost.begin(), lost.end()};
  netlink::Batch batch(*socket_);
  for (auto& [id, member] : objects_) {
    if (member.kind != Kind::kMember || !member.there || !is_lost(member.key)) continue;
    std::vector<Object*> groups;  // that have it, and others
    bool alone = false;
    for (auto& [group_number, group] : objects_) {
      if (group.kind != Kind::kGroup || !has(group.kernel.members, id)) continue;
      const bool others = !has(present(group), id);
      alone |= !others;
      if (others) groups.push_back(&group);
    }
    // The member itself, if no group goes with it: then it does not matter how many groups and routes there
    // are.
    if (!alone) batch.delete_next_hop(id);
    for (Object* group : groups) {
      std::erase_if(group->kernel.members, [&](const NextHopMember& one) { return one.id == id; });
      if (alone) batch.replace_next_hop(group->kernel);
    }
    member.there = alone;
  }
  // A refusal is for the next audit.
  (void)batch.execute_all();
}

void NextHopTable::sweep(std::span<const ForwardingPtr> in_use) {
  std::set<Signature> used;
  for (const ForwardingPtr& forwarding : in_use) used.insert(signature_of(forwarding->next_hops));
  std::set<std::uint32_t> in_groups;
  netlink::Batch batch(*socket_);
  std::vector<std::uint32_t> gone;
  const auto remove = [&](std::uint32_t id, bool there) {
    if (there) batch.delete_next_hop(id);
    gone.push_back(id);
  };
  for (const auto& [id, object] : objects_) {
    if (object.kind != Kind::kGroup) continue;
    const ForwardingPtr forwarding = forwarding_of(id);
    if (!forwarding || !used.contains(signature_of(forwarding->next_hops))) {
      remove(id, object.there);
    } else {
      for (const NextHopMember& member : object.wanted) in_groups.insert(member.id);
    }
  }
  for (const auto& [id, object] : objects_) {
    if (object.kind == Kind::kMember && !in_groups.contains(id)) remove(id, object.there);
    if (object.kind == Kind::kSingle && !used.contains(signature_of({object.key}))) remove(id, object.there);
  }
  if (!batch.empty() && !batch.execute_all()) return;  // answers lost: the next audit reads what is there
  for (const std::uint32_t id : gone) forget(objects_.find(id));
}

}  // namespace towpath::agent
