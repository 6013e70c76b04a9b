// Desired state, actual state, and what is still to be done to make them equal.
//
// Model
//   want(k, v) and unwant(k) say what should be. set_actual(k, v) and clear_actual(k) say what is. A key is
//   pending while the two differ; there is no other work list and no other retry state: what could not be
//   applied simply stays pending.
//
// Threading: none. Not for use from two threads.
#pragma once

#include <cstddef>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace towpath {

template <class K, class V, class Hash = std::hash<K>>
class DeltaTracker {
 public:
  void want(const K& key, V value) {
    auto [it, inserted] = desired_.try_emplace(key, value);
    if (!inserted) it->second = std::move(value);
    refresh(key);
  }
  void unwant(const K& key) {
    desired_.erase(key);
    refresh(key);
  }
  void set_actual(const K& key, V value) {
    auto [it, inserted] = actual_.try_emplace(key, value);
    if (!inserted) it->second = std::move(value);
    refresh(key);
  }
  void clear_actual(const K& key) {
    actual_.erase(key);
    refresh(key);
  }
  // Forgets all that is believed of the outside world; a resync fills it again with set_actual().
  void clear_all_actual() {
    actual_.clear();
    pending_.clear();
    for (const auto& [key, value] : desired_) pending_.insert(key);
  }

  const V* desired(const K& key) const { return find(desired_, key); }
  const V* actual(const K& key) const { return find(actual_, key); }
  bool is_pending(const K& key) const { return pending_.contains(key); }

  // Keys whose desired and actual state differ, in no order. Copy it before changing the tracker.
  const std::unordered_set<K, Hash>& pending() const { return pending_; }
  const std::unordered_map<K, V, Hash>& all_desired() const { return desired_; }
  const std::unordered_map<K, V, Hash>& all_actual() const { return actual_; }
  bool in_sync() const { return pending_.empty(); }

 private:
  static const V* find(const std::unordered_map<K, V, Hash>& map, const K& key) {
    auto it = map.find(key);
    return it == map.end() ? nullptr : &it->second;
  }
  void refresh(const K& key) {
    const V* want = desired(key);
    const V* have = actual(key);
    const bool equal = want == nullptr ? have == nullptr : have != nullptr && *want == *have;
    if (equal) {
      pending_.erase(key);
    } else {
      pending_.insert(key);
    }
  }

  std::unordered_map<K, V, Hash> desired_;
  std::unordered_map<K, V, Hash> actual_;
  std::unordered_set<K, Hash> pending_;
};

}  // namespace towpath
