// PrefixMap<V>: prefixes of both families to values, in order, small and without a node per prefix.
//
// Model
//   A B+tree per family. Keys are packed to 8 bytes (IPv4) or 20 bytes (IPv6) and lie inline with their
//   values in leaves of 64, so that a full leaf costs a few bits per prefix beyond key and value. Keys that
//   come in rising order fill the leaves completely; a hint at the last leaf makes such an insertion as cheap
//   as an append.
//
//   The order is that of Prefix: IPv4 first, then by address, then by length. A covering prefix is therefore
//   found among the predecessors, and the longest match needs no trie.
//
// Ownership: owns keys and values. V is default-constructible and movable.
// Pointers to values hold until the next insertion or erasure. A walk is resumed by key; no iterator exists.
// Threading: none.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "towpath/base/check.h"
#include "towpath/base/prefix.h"

namespace towpath {

// An IPv4 prefix in 8 bytes: address, then length, so that comparing numbers compares prefixes.
struct PackedPrefix4 {
  std::uint64_t value = 0;

  static PackedPrefix4 pack(const Prefix& p) {
    return {std::uint64_t{p.address().v4_host_order()} << 8 | p.length()};
  }
  Prefix unpack() const { return Prefix::v4(address(), static_cast<std::uint8_t>(length())); }
  std::uint32_t address() const { return static_cast<std::uint32_t>(value >> 8); }
  unsigned length() const { return static_cast<unsigned>(value & 0xFF); }

  unsigned common_length(const PackedPrefix4& other) const {
    return static_cast<unsigned>(std::countl_zero(address() ^ other.address()));
  }
  PackedPrefix4 shortened(unsigned length) const {
    const std::uint32_t mask = length == 0 ? 0 : ~std::uint32_t{0} << (32 - length);
    return {std::uint64_t{address() & mask} << 8 | length};
  }
  friend constexpr auto operator<=>(const PackedPrefix4&, const PackedPrefix4&) = default;
};

// An IPv6 prefix in 20 bytes.
struct PackedPrefix6 {
  std::array<std::uint32_t, 4> words{};  // host order, most significant first
  std::uint32_t bits = 0;

  static PackedPrefix6 pack(const Prefix& p) {
    PackedPrefix6 k;
    const auto octets = p.address().octets();
    for (std::size_t i = 0; i < 16; ++i) k.words[i / 4] = k.words[i / 4] << 8 | octets[i];
    k.bits = p.length();
    return k;
  }
  Prefix unpack() const {
    return Prefix::v6(std::uint64_t{words[0]} << 32 | words[1], std::uint64_t{words[2]} << 32 | words[3],
                      static_cast<std::uint8_t>(bits));
  }
  unsigned length() const { return bits; }

  unsigned common_length(const PackedPrefix6& other) const {
    for (unsigned i = 0; i < 4; ++i) {
      if (words[i] != other.words[i]) {
        return 32 * i + static_cast<unsigned>(std::countl_zero(words[i] ^ other.words[i]));
      }
    }
    return 128;
  }
  PackedPrefix6 shortened(unsigned length) const {
    PackedPrefix6 k;
    k.bits = length;
    for (unsigned i = 0; i < 4 && length != 0; ++i) {
      const unsigned here = std::min(length, 32U);
      k.words[i] = words[i] & ~std::uint32_t{0} << (32 - here);
      length -= here;
    }
    return k;
  }
  friend constexpr auto operator<=>(const PackedPrefix6&, const PackedPrefix6&) = default;
};
static_assert(sizeof(PackedPrefix4) == 8 && sizeof(PackedPrefix6) == 20);

// One family's tree. Key is PackedPrefix4 or PackedPrefix6.
template <class Key, class V>
class PrefixTree {
 public:
  PrefixTree() = default;
  PrefixTree(PrefixTree&& other) noexcept { swap(other); }
  PrefixTree& operator=(PrefixTree&& other) noexcept {
    swap(other);
    return *this;
  }
  ~PrefixTree() { clear(); }

  std::size_t size() const { return size_; }

  void clear() {
    if (root_ != nullptr) destroy(root_, height_);
    root_ = nullptr;
    hint_ = nullptr;
    height_ = 0;
    size_ = 0;
  }

  V* find(const Key& key) const {
    Leaf* leaf = leaf_for(key);
    if (leaf == nullptr) return nullptr;
    const std::size_t at = position(*leaf, key);
    return at < leaf->count && leaf->keys[at] == key ? &leaf->values[at] : nullptr;
  }

  // The value of `key`, default-constructed and `true` where it was not there.
  std::pair<V*, bool> try_insert(const Key& key) {
    if (root_ == nullptr) root_ = hint_ = new Leaf;
    Leaf* leaf = leaf_for(key);
    std::size_t at = position(*leaf, key);
    if (at < leaf->count && leaf->keys[at] == key) return {&leaf->values[at], false};
    if (leaf->count == kLeafSize) {
      leaf = split_for(key);
      at = position(*leaf, key);
    }
    std::move_backward(leaf->keys.begin() + at, leaf->keys.begin() + leaf->count,
                       leaf->keys.begin() + leaf->count + 1);
    std::move_backward(leaf->values.begin() + at, leaf->values.begin() + leaf->count,
                       leaf->values.begin() + leaf->count + 1);
    leaf->keys[at] = key;
    leaf->values[at] = V{};
    ++leaf->count;
    ++size_;
    hint_ = leaf;
    return {&leaf->values[at], true};
  }

  bool erase(const Key& key) {
    Leaf* leaf = leaf_for(key);
    if (leaf == nullptr) return false;
    const std::size_t at = position(*leaf, key);
    if (at == leaf->count || leaf->keys[at] != key) return false;
    std::move(leaf->keys.begin() + at + 1, leaf->keys.begin() + leaf->count, leaf->keys.begin() + at);
    std::move(leaf->values.begin() + at + 1, leaf->values.begin() + leaf->count, leaf->values.begin() + at);
    --leaf->count;
    --size_;
    leaf->values[leaf->count] = V{};
    hint_ = leaf;
    if (leaf->count < kLeafSize / 4) shrink(key);
    return true;
  }

  // The greatest key that is not after `key`.
  std::optional<std::pair<Key, V*>> at_or_before(const Key& key) const {
    Leaf* leaf = leaf_for(key);
    if (leaf == nullptr) return std::nullopt;
    std::size_t at = position(*leaf, key);
    if (at < leaf->count && leaf->keys[at] == key) return std::pair{key, &leaf->values[at]};
    while (at == 0) {  // everything in this leaf is greater
      leaf = leaf->previous;
      if (leaf == nullptr) return std::nullopt;
      at = leaf->count;
    }
    return std::pair{leaf->keys[at - 1], &leaf->values[at - 1]};
  }

  // The longest prefix that covers `key`, itself included.
  //
  // Let X be the nearest key before. If X does not cover `key`, whatever does starts no later than X and ends
  // behind it, so it covers X too and cannot be longer than what X and `key` have in common: go on from
  // there. The length falls with each step.
  std::optional<std::pair<Key, V*>> longest_match(Key key) const {
    for (;;) {
      const auto found = at_or_before(key);
      if (!found) return std::nullopt;
      const unsigned common = found->first.common_length(key);
      if (common >= found->first.length() && found->first.length() <= key.length()) return found;
      key = key.shortened(std::min({common, key.length(), found->first.length()}));
    }
  }

  // Calls f(key, value) in order from the first key at or behind `from`, until it returns false or the end.
  // False where f ended it. The tree must not be changed meanwhile.
  template <class F>
  bool walk(const Key& from, F&& f) const {
    Leaf* leaf = leaf_for(from);
    if (leaf == nullptr) return true;
    for (std::size_t at = position(*leaf, from); leaf != nullptr; leaf = leaf->next, at = 0) {
      for (; at < leaf->count; ++at) {
        if (!f(leaf->keys[at], leaf->values[at])) return false;
      }
    }
    return true;
  }

 private:
  static constexpr std::size_t kLeafSize = 64;
  static constexpr std::size_t kInnerSize = 64;  // children

  struct Leaf {
    std::uint32_t count = 0;
    Leaf* previous = nullptr;
    Leaf* next = nullptr;
    std::array<Key, kLeafSize> keys;
    std::array<V, kLeafSize> values;
  };
  // children[i] holds the keys in [keys[i-1], keys[i]).
  struct Inner {
    std::uint32_t count = 0;  // children
    std::array<Key, kInnerSize - 1> keys;
    std::array<void*, kInnerSize> children;
  };

  static std::size_t position(const Leaf& leaf, const Key& key) {
    const auto end = leaf.keys.begin() + leaf.count;
    return static_cast<std::size_t>(std::lower_bound(leaf.keys.begin(), end, key) - leaf.keys.begin());
  }
  static std::size_t child_for(const Inner& inner, const Key& key) {
    const auto end = inner.keys.begin() + (inner.count - 1);
    return static_cast<std::size_t>(std::upper_bound(inner.keys.begin(), end, key) - inner.keys.begin());
  }

  // The leaf where `key` is or belongs; null in an empty tree.
  Leaf* leaf_for(const Key& key) const {
    if (Leaf* hint = hint_; hint != nullptr && hint->count != 0 && hint->keys[0] <= key &&
                            (hint->next == nullptr || key <= hint->keys[hint->count - 1])) {
      return hint;
    }
    if (root_ == nullptr) return nullptr;
    void* node = root_;
    for (unsigned level = height_; level != 0; --level) {
      auto* inner = static_cast<Inner*>(node);
      node = inner->children[child_for(*inner, key)];
    }
    return hint_ = static_cast<Leaf*>(node);
  }

  struct Step {
    Inner* inner;
    std::size_t child;
  };
  // The inner nodes from the root to the leaf of `key`. A tree of 2^64 prefixes is lower than this.
  struct Path {
    std::array<Step, 16> steps;
    unsigned depth = 0;
  };
  Path path_to(const Key& key) const {
    Path path;
    void* node = root_;
    for (unsigned level = height_; level != 0; --level) {
      auto* inner = static_cast<Inner*>(node);
      const std::size_t child = child_for(*inner, key);
      path.steps[path.depth++] = {inner, child};
      node = inner->children[child];
    }
    return path;
  }
  Leaf* leaf_of(const Path& path) const {
    if (path.depth == 0) return static_cast<Leaf*>(root_);
    const Step& last = path.steps[path.depth - 1];
    return static_cast<Leaf*>(last.inner->children[last.child]);
  }

  // Makes room for `key`, whose leaf is full; returns the leaf where it belongs now.
  Leaf* split_for(const Key& key) {
    const Path path = path_to(key);
    Leaf* left = leaf_of(path);
    auto* right = new Leaf;
    // Rising keys: the full leaf stays full and the new one takes what comes.
    const bool append = left->keys[kLeafSize - 1] < key;
    const std::size_t keep = append ? kLeafSize : kLeafSize / 2;
    std::move(left->keys.begin() + keep, left->keys.end(), right->keys.begin());
    std::move(left->values.begin() + keep, left->values.end(), right->values.begin());
    right->count = static_cast<std::uint32_t>(kLeafSize - keep);
    left->count = static_cast<std::uint32_t>(keep);
    right->next = left->next;
    right->previous = left;
    if (right->next != nullptr) right->next->previous = right;
    left->next = right;
    const Key separator = append ? key : right->keys[0];
    insert_child(path, separator, right);
    return key < separator ? left : right;
  }

  void insert_child(const Path& path, Key separator, void* node) {
    for (unsigned level = path.depth; level-- > 0;) {
      Inner* inner = path.steps[level].inner;
      const std::size_t at = path.steps[level].child + 1;
      if (inner->count < kInnerSize) {
        put_child(*inner, at, separator, node);
        return;
      }
      auto* right = new Inner;
      const bool append = at == kInnerSize;
      const std::size_t keep = append ? kInnerSize - 1 : kInnerSize / 2;
      // The key between the two halves moves up.
      const Key up = inner->keys[keep - 1];
      std::copy(inner->keys.begin() + keep, inner->keys.end(), right->keys.begin());
      std::copy(inner->children.begin() + keep, inner->children.end(), right->children.begin());
      right->count = static_cast<std::uint32_t>(kInnerSize - keep);
      inner->count = static_cast<std::uint32_t>(keep);
      if (at <= keep) {
        put_child(*inner, at, separator, node);
      } else {
        put_child(*right, at - keep, separator, node);
      }
      separator = up;
      node = right;
    }
    auto* top = new Inner;
    top->count = 2;
    top->keys[0] = separator;
    top->children[0] = root_;
    top->children[1] = node;
    root_ = top;
    ++height_;
  }
  static void put_child(Inner& inner, std::size_t at, const Key& separator, void* node) {
    std::move_backward(inner.keys.begin() + (at - 1), inner.keys.begin() + (inner.count - 1),
                       inner.keys.begin() + inner.count);
    std::move_backward(inner.children.begin() + at, inner.children.begin() + inner.count,
                       inner.children.begin() + inner.count + 1);
    inner.keys[at - 1] = separator;
    inner.children[at] = node;
    ++inner.count;
  }
  static void take_child(Inner& inner, std::size_t at) {
    // The neighbour on the left takes over the range; of the first child, the one on the right.
    const std::size_t key = at == 0 ? 0 : at - 1;
    if (inner.count > 1) {
      std::move(inner.keys.begin() + key + 1, inner.keys.begin() + (inner.count - 1),
                inner.keys.begin() + key);
    }
    std::move(inner.children.begin() + at + 1, inner.children.begin() + inner.count,
              inner.children.begin() + at);
    --inner.count;
  }

  // After an erasure at `key` left its leaf thin: merges it with a sibling where both fit one leaf with room
  // to spare.
  void shrink(const Key& key) {
    const Path path = path_to(key);
    Leaf* leaf = leaf_of(path);
    if (path.depth == 0) return;
    const Step& parent = path.steps[path.depth - 1];
    if (parent.child > 0 && merge(*parent.inner, parent.child - 1)) {
    } else if (parent.child + 1 < parent.inner->count && merge(*parent.inner, parent.child)) {
    } else if (leaf->count == 0) {
      unlink(leaf);
      take_child(*parent.inner, parent.child);
    } else {
      return;
    }
    drop_empty(path);
  }
  // children[at + 1] into children[at].
  bool merge(Inner& inner, std::size_t at) {
    auto* left = static_cast<Leaf*>(inner.children[at]);
    auto* right = static_cast<Leaf*>(inner.children[at + 1]);
    if (left->count + right->count > kLeafSize * 3 / 4) return false;
    std::move(right->keys.begin(), right->keys.begin() + right->count, left->keys.begin() + left->count);
    std::move(right->values.begin(), right->values.begin() + right->count,
              left->values.begin() + left->count);
    left->count += right->count;
    unlink(right);
    take_child(inner, at + 1);
    return true;
  }
  void unlink(Leaf* leaf) {
    if (leaf->previous != nullptr) leaf->previous->next = leaf->next;
    if (leaf->next != nullptr) leaf->next->previous = leaf->previous;
    hint_ = nullptr;
    delete leaf;
  }
  // Inner nodes without children go; a root with one child gives way to it.
  void drop_empty(const Path& path) {
    for (unsigned level = path.depth; level-- > 0 && path.steps[level].inner->count == 0;) {
      delete path.steps[level].inner;
      if (level == 0) {
        root_ = nullptr;
        height_ = 0;
        return;
      }
      take_child(*path.steps[level - 1].inner, path.steps[level - 1].child);
    }
    while (height_ != 0 && static_cast<Inner*>(root_)->count == 1) {
      auto* top = static_cast<Inner*>(root_);
      root_ = top->children[0];
      --height_;
      delete top;
    }
  }

  static void destroy(void* node, unsigned level) {
    if (level == 0) {
      delete static_cast<Leaf*>(node);
      return;
    }
    auto* inner = static_cast<Inner*>(node);
    for (std::size_t i = 0; i < inner->count; ++i) destroy(inner->children[i], level - 1);
    delete inner;
  }
  void swap(PrefixTree& other) noexcept {
    std::swap(root_, other.root_);
    std::swap(hint_, other.hint_);
    std::swap(height_, other.height_);
    std::swap(size_, other.size_);
  }

  void* root_ = nullptr;  // a Leaf at height 0, else an Inner
  mutable Leaf* hint_ = nullptr;
  unsigned height_ = 0;
  std::size_t size_ = 0;
};

template <class V>
class PrefixMap {
 public:
  std::size_t size() const { return v4_.size() + v6_.size(); }
  std::size_t size(AddressFamily family) const {
    return family == AddressFamily::kIpv4 ? v4_.size() : v6_.size();
  }
  bool empty() const { return size() == 0; }
  void clear() {
    v4_.clear();
    v6_.clear();
  }

  V* find(const Prefix& prefix) {
    return is_v4(prefix) ? v4_.find(PackedPrefix4::pack(prefix)) : v6_.find(PackedPrefix6::pack(prefix));
  }
  const V* find(const Prefix& prefix) const { return const_cast<PrefixMap*>(this)->find(prefix); }
  bool contains(const Prefix& prefix) const { return find(prefix) != nullptr; }

  // The value, and whether it is new (then V{}).
  std::pair<V*, bool> try_insert(const Prefix& prefix) {
    return is_v4(prefix) ? v4_.try_insert(PackedPrefix4::pack(prefix))
                         : v6_.try_insert(PackedPrefix6::pack(prefix));
  }
  V& operator[](const Prefix& prefix) { return *try_insert(prefix).first; }
  // Whether it was there.
  bool erase(const Prefix& prefix) {
    return is_v4(prefix) ? v4_.erase(PackedPrefix4::pack(prefix)) : v6_.erase(PackedPrefix6::pack(prefix));
  }

  // The longest prefix that covers all of `prefix`; that may be itself.
  std::optional<std::pair<Prefix, V*>> longest_match(const Prefix& prefix) {
    if (is_v4(prefix)) return unpacked(v4_.longest_match(PackedPrefix4::pack(prefix)));
    return unpacked(v6_.longest_match(PackedPrefix6::pack(prefix)));
  }
  std::optional<std::pair<Prefix, V*>> longest_match(const IpAddress& address) {
    return longest_match(Prefix::host(address));
  }

  // Calls f(prefix, value) in order from the first prefix at or behind `from`, until f returns false or the
  // end; false in the first case. To go on later, start from the prefix where f stopped. f must not insert or
  // erase.
  template <class F>
  bool walk(const Prefix& from, F&& f) const {
    const auto call = [&f](const auto& key, V& value) { return f(key.unpack(), value); };
    if (!is_v4(from)) return v6_.walk(PackedPrefix6::pack(from), call);
    return v4_.walk(PackedPrefix4::pack(from), call) && v6_.walk(PackedPrefix6{}, call);
  }
  template <class F>
  bool walk(F&& f) const {
    return walk(Prefix{}, std::forward<F>(f));
  }

 private:
  static bool is_v4(const Prefix& prefix) { return prefix.family() == AddressFamily::kIpv4; }
  template <class Key>
  static std::optional<std::pair<Prefix, V*>> unpacked(const std::optional<std::pair<Key, V*>>& found) {
    if (!found) return std::nullopt;
    return std::pair{found->first.unpack(), found->second};
  }

  PrefixTree<PackedPrefix4, V> v4_;
  PrefixTree<PackedPrefix6, V> v6_;
};

}  // namespace towpath
