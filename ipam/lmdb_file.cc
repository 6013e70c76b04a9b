#include "ipam/lmdb_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <expected>
#include <span>
#include <vector>

#include "towpath/base/unique_fd.h"

namespace towpath::ipam {
namespace {

// Of a brief look. The second is what it looks at of a bigger store: the roots, and most of what is next to
// them.
constexpr std::size_t kSmallStore = 256;
constexpr std::size_t kNearRoot = 8;
// LMDB's own limit for the height of a tree (CURSOR_STACK).
constexpr unsigned kMaxDepth = 32;
// A tree that changes under the look is looked at again; a host where that happens so often is no broken one.
constexpr int kRounds = 16;

constexpr std::size_t kPageHeader = 16;
constexpr std::size_t kNodeHeader = 8;
constexpr std::uint16_t kBranch = 0x01;
constexpr std::uint16_t kLeaf = 0x02;
constexpr std::uint16_t kOverflow = 0x04;
constexpr std::uint16_t kKindMask = 0x6f;  // all but "dirty", which says nothing about what is in a page
constexpr std::uint16_t kBigData = 0x01;
constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kNoPage = ~std::uint64_t{0};

template <class T>
T number(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);  // the file has the byte order of its host
  return value;
}

struct Tree {
  std::uint16_t depth = 0;
  std::uint64_t pages = 0;
  std::uint64_t root = kNoPage;
  bool operator==(const Tree&) const = default;
};

// What one of the two header pages says.
struct Meta {
  std::uint32_t page_size = 0;
  std::array<Tree, 2> trees;
  std::uint64_t last_page = 0;
  std::uint64_t txn = 0;
  bool operator==(const Meta&) const = default;
};

class File {
 public:
  explicit File(UniqueFd fd) : fd_(std::move(fd)) {}

  // Less than `size` at the end of the file. Errors are errno.
  std::expected<std::size_t, int> read(std::uint64_t offset, std::byte* to, std::size_t size) const {
    std::size_t have = 0;
    while (have < size) {
      const ssize_t got = ::pread(fd_.get(), to + have, size - have, static_cast<off_t>(offset + have));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::unexpected(errno);
      if (got == 0) break;
      have += static_cast<std::size_t>(got);
    }
    return have;
  }

  std::expected<std::uint64_t, int> size() const {
    struct stat status{};
    if (::fstat(fd_.get(), &status) != 0) return std::unexpected(errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  // The newer one, as LMDB chooses; nothing if it is not for us to judge.
  std::expected<std::optional<Meta>, int> meta() const {
    TOWPATH_TRY(const auto first, meta_at(0));
    if (!first) return std::nullopt;
    TOWPATH_TRY(const auto second, meta_at(first->page_size));
    if (!second) return std::nullopt;
    return second->txn > first->txn ? second : first;
  }

 private:
  std::expected<std::optional<Meta>, int> meta_at(std::uint64_t offset) const {
    std::array<std::byte, 152> bytes;
    TOWPATH_TRY(const std::size_t size, read(offset, bytes.data(), bytes.size()));
    if (size < bytes.size() || number<std::uint32_t>(&bytes[16]) != kMagic ||
        number<std::uint32_t>(&bytes[20]) != kVersion) {
      return std::nullopt;
    }
    Meta meta;
    meta.page_size = number<std::uint32_t>(&bytes[40]);
    for (std::size_t i = 0; i < meta.trees.size(); ++i) {
      const std::byte* tree = &bytes[40 + 48 * i];
      const std::uint64_t pages = number<std::uint64_t>(tree + 8) + number<std::uint64_t>(tree + 16) +
                                  number<std::uint64_t>(tree + 24);  // branches, leaves, overflow
      meta.trees[i] = {number<std::uint16_t>(tree + 6), pages, number<std::uint64_t>(tree + 40)};
    }
    meta.last_page = number<std::uint64_t>(&bytes[136]);
    meta.txn = number<std::uint64_t>(&bytes[144]);
    return meta;
  }

  UniqueFd fd_;
};

struct Step {
  std::uint64_t page = 0;
  bool is_of_free_tree = false;  // its keys are numbers of transactions
  unsigned levels_below = 0;
  bool is_overflow = false;
  std::uint32_t pages = 1;  // of an overflow
};

class Walk {
 public:
  Walk(const File& file, const Meta& meta, StoreLook look)
      : file_(file), meta_(meta), most_pages_(most_pages(meta, look)), page_(meta.page_size) {}

  std::expected<std::optional<std::string>, int> run() {
    // Asked after the header was read: the pages of a tree are in the file before the header names it.
    TOWPATH_TRY(file_size_, file_.size());
    for (const Tree& tree : meta_.trees) {
      const bool is_free_tree = &tree == meta_.trees.data();
      if (tree.root == kNoPage) continue;
      if (tree.depth == 0 || tree.depth > kMaxDepth) return "its header contradicts itself";
      const Step root{tree.root, is_free_tree, tree.depth - 1U};
      if (auto wrong = find_place(root)) return wrong;
      steps_.push_back(root);
    }
    // Branches before what is below them: what is below those looked at is known to be there.
    for (std::uint64_t looked_at = 0; !steps_.empty() && looked_at < most_pages_; ++looked_at) {
      const Step step = steps_.front();
      steps_.pop_front();
      const std::uint64_t offset = step.page * meta_.page_size;
      TOWPATH_TRY(const std::size_t size, file_.read(offset, page_.data(), page_.size()));
      if (size < page_.size()) return fmt::format("it ends before page {}", step.page);
      if (auto wrong = look(step)) return wrong;
    }
    return std::nullopt;
  }

 private:
  // Garbage can lead to the same pages again and again, but not to more than there are.
  static std::uint64_t most_pages(const Meta& meta, StoreLook look) {
    const bool is_small = meta.trees[0].pages + meta.trees[1].pages <= kSmallStore;
    return look == StoreLook::kWhole || is_small ? meta.last_page + 1 : kNearRoot;
  }

  std::optional<std::string> find_place(const Step& step) const {
    if (step.page < 2 || step.page > meta_.last_page || step.pages > meta_.last_page - step.page + 1) {
      return fmt::format("page {} is not one of it", step.page);
    }
    if ((step.page + step.pages) * meta_.page_size > file_size_)
      return fmt::format("it ends before page {}", step.page);
    return std::nullopt;
  }

  std::optional<std::string> reach(const Step& step) {
    if (auto wrong = find_place(step)) return wrong;
    if (steps_.size() < most_pages_) steps_.push_back(step);  // others would never be looked at
    return std::nullopt;
  }

  std::optional<std::string> look(const Step& step) {
    const auto garbage = [&] { return fmt::format("page {} is garbage", step.page); };
    const std::byte* page = page_.data();
    const auto kind = static_cast<std::uint16_t>(number<std::uint16_t>(page + 10) & kKindMask);
    if (number<std::uint64_t>(page) != step.page) return garbage();
    if (step.is_overflow) {
      if (kind != kOverflow || number<std::uint32_t>(page + 12) < step.pages) return garbage();
      return std::nullopt;
    }
    const bool is_leaf = step.levels_below == 0;
    const auto lower = number<std::uint16_t>(page + 12);
    const auto upper = number<std::uint16_t>(page + 14);
    if (kind != (is_leaf ? kLeaf : kBranch) || lower < kPageHeader || lower % 2 != 0 || lower > upper ||
        upper > page_.size()) {
      return garbage();
    }
    std::span<const std::byte> key_before;
    for (std::size_t at = kPageHeader; at < lower; at += 2) {
      const auto offset = number<std::uint16_t>(page + at);
      if (offset < upper || offset + kNodeHeader > page_.size()) return garbage();
      const auto node = std::span<const std::byte>(page_).subspan(offset);
      const std::size_t key_size = number<std::uint16_t>(&node[6]);
      if (kNodeHeader + key_size > node.size()) return garbage();
      const auto key = node.subspan(kNodeHeader, key_size);
      // The first key of a branch is never read.
      if (is_leaf || at != kPageHeader) {
        if (!is_before(step, key_before, key)) return garbage();
        key_before = key;
      }
      if (auto wrong = follow(step, node, key_size)) return wrong;
    }
    return std::nullopt;
  }

  // Keys grow; the empty one is before all others, and none of them.
  static bool is_before(const Step& step, std::span<const std::byte> one, std::span<const std::byte> other) {
    if (!step.is_of_free_tree) return std::ranges::lexicographical_compare(one, other);
    if (other.size() != sizeof(std::uint64_t)) return false;
    return one.empty() || number<std::uint64_t>(one.data()) < number<std::uint64_t>(other.data());
  }

  // To what is below a branch, or to the pages of a value that is too big for its leaf.
  std::optional<std::string> follow(const Step& step, std::span<const std::byte> node, std::size_t key_size) {
    const std::uint64_t low = number<std::uint16_t>(node.data());
    const std::uint64_t high = number<std::uint16_t>(&node[2]);
    const std::uint64_t flags = number<std::uint16_t>(&node[4]);
    if (step.levels_below != 0)
      return reach({low | high << 16U | flags << 32U, step.is_of_free_tree, step.levels_below - 1});
    const bool is_big = (flags & kBigData) != 0;
    const std::uint64_t value_size = low | high << 16U;
    const auto value = node.subspan(kNodeHeader + key_size);
    if ((is_big ? sizeof(std::uint64_t) : value_size) > value.size())
      return fmt::format("page {} is garbage", step.page);
    if (!is_big) return std::nullopt;
    const std::uint64_t pages = (kPageHeader + value_size + meta_.page_size - 1) / meta_.page_size;
    return reach({.page = number<std::uint64_t>(value.data()),
                  .is_overflow = true,
                  .pages = static_cast<std::uint32_t>(pages)});
  }

  const File& file_;
  const Meta& meta_;
  std::uint64_t most_pages_;
  std::uint64_t file_size_ = 0;
  std::vector<std::byte> page_;
  std::deque<Step> steps_;
};

std::expected<std::optional<std::string>, int> look(const File& file, StoreLook how) {
  TOWPATH_TRY(std::optional<Meta> meta, file.meta());
  for (int round = 0; meta && round < kRounds; ++round) {
    const std::uint32_t size = meta->page_size;
    if (size < 256 || size > 65536 || (size & (size - 1)) != 0) return "its header contradicts itself";
    TOWPATH_TRY(auto damage, Walk(file, *meta, how).run());
    if (!damage) break;
    // A writer reuses the pages of a tree no sooner than a newer one is in the header. So what was seen is
    // damage if this tree is the newest still.
    TOWPATH_TRY(auto now, file.meta());
    if (now == meta) return damage;
    meta = now;
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<std::string>> find_damage(const std::string& data_path, StoreLook how) {
  UniqueFd fd(::open(data_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  const auto unreadable = [&](int error) {
    return fail_errno(error, fmt::format("state store {}", data_path));
  };
  if (!fd) return unreadable(errno);
  auto found = look(File(std::move(fd)), how);
  if (!found) return unreadable(found.error());
  return *std::move(found);
}

}  // namespace towpath::ipam
