// Undoes what was done, in reverse order, unless commit() was called.
//
// Every step that changes the outside world pushes its inverse right after it succeeded. Any early return,
// whichever way, then leaves nothing behind. An inverse must not fail loudly: what it meets ("not there any
// more") counts as undone.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace towpath {

class Rollback {
 public:
  Rollback() = default;
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;
  ~Rollback() { undo(); }

  void push(std::function<void()> inverse) { inverses_.push_back(std::move(inverse)); }
  // What was done stays.
  void commit() { inverses_.clear(); }
  // Runs the inverses now, last first; each at most once.
  void undo() {
    while (!inverses_.empty()) {
      auto inverse = std::move(inverses_.back());
      inverses_.pop_back();
      inverse();
    }
  }
  bool empty() const { return inverses_.empty(); }

 private:
  std::vector<std::function<void()>> inverses_;
};

}  // namespace towpath
