// Storage addressed by small numbers instead of pointers: half the size in every place that refers to an
// element, and no allocator header per element. Memory is taken in chunks and kept for reuse.
//
// Threading: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

namespace towpath::bgp {

inline constexpr std::uint32_t kNoIndex = 0xFFFFFFFF;  // no element

// An array that has the value T{} wherever nothing was written. Chunks that were never written take no
// memory.
template <class T>
class SparseArray {
 public:
  // Null where the whole chunk was never written, which reads as T{}.
  T* find(std::uint32_t i) const {
    const std::size_t chunk = i >> kShift;
    if (chunk >= chunks_.size() || chunks_[chunk] == nullptr) return nullptr;
    return &chunks_[chunk][i & kMask];
  }
  // Only for what was written before.
  T& operator[](std::uint32_t i) const { return chunks_[i >> kShift][i & kMask]; }
  T& at(std::uint32_t i) {
    const std::size_t chunk = i >> kShift;
    if (chunk >= chunks_.size()) chunks_.resize(chunk + 1);
    if (chunks_[chunk] == nullptr) chunks_[chunk] = std::make_unique<T[]>(kMask + 1);
    return chunks_[chunk][i & kMask];
  }
  template <class F>
  void for_each(F&& f) const {
    for (const auto& chunk : chunks_) {
      if (chunk == nullptr) continue;
      for (std::size_t i = 0; i <= kMask; ++i) f(chunk[i]);
    }
  }

 private:
  static constexpr unsigned kShift = 12;
  static constexpr std::uint32_t kMask = (1U << kShift) - 1;
  std::vector<std::unique_ptr<T[]>> chunks_;
};

// Elements that come and go. A free element holds the number of the next free one in its own bytes.
template <class T>
class Pool {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) >= sizeof(std::uint32_t));

 public:
  std::uint32_t allocate(const T& value) {
    ++used_;
    if (free_ == kNoIndex) {
      array_.at(end_) = value;
      return end_++;
    }
    const std::uint32_t i = free_;
    std::memcpy(&free_, static_cast<const void*>(&array_[i]), sizeof free_);
    array_[i] = value;
    return i;
  }
  void release(std::uint32_t i) {
    --used_;
    std::memcpy(static_cast<void*>(&array_[i]), &free_, sizeof free_);
    free_ = i;
  }
  T& operator[](std::uint32_t i) const { return array_[i]; }
  std::size_t size() const { return used_; }

 private:
  SparseArray<T> array_;
  std::uint32_t end_ = 0;
  std::uint32_t free_ = kNoIndex;
  std::size_t used_ = 0;
};

}  // namespace towpath::bgp
