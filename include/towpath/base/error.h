// What went wrong, as a value.
//
// Result<T> carries what untrusted input or the environment is likely to do: a malformed prefix, a kernel
// that refuses, a store that is full. Broken invariants are not results: they end the process (check.h).
// Library code returns errors and never logs; the caller that decides what to do also logs, once.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace towpath {

// What a caller may decide on. The text is for people only.
enum class ErrorKind {
  kInvalid,      // the input is wrong and will stay wrong
  kNotFound,     // the object is not there
  kExists,       // the object is already there
  kExhausted,    // no address, no space, no slot left
  kConflict,     // someone else holds it
  kUnavailable,  // try again later: a daemon is down, a lock is held
  kCorrupt,      // stored data does not parse, or breaks its own rules
  kUnsupported,  // well-formed, but this program or kernel cannot do it
  kSystem,       // the kernel refused for another reason; see sys_errno
};

struct Error {
  ErrorKind kind = ErrorKind::kInvalid;
  int sys_errno = 0;    // errno, or 0 where no system call is behind it
  std::string message;  // one line, no newline at its end; names the key and the value

  // `operation` is what was tried, with its object: "open /run/netns/x". The kind follows from the errno.
  static Error from_errno(int sys_errno, std::string_view operation);

  // The same error with "context: " put before its message.
  [[nodiscard]] Error with_context(std::string_view context) &&;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error{kind, 0, std::move(message)});
}
inline std::unexpected<Error> fail_errno(int sys_errno, std::string_view operation) {
  return std::unexpected(Error::from_errno(sys_errno, operation));
}

}  // namespace towpath

#define TOWPATH_CONCAT_INNER(a, b) a##b
#define TOWPATH_CONCAT(a, b) TOWPATH_CONCAT_INNER(a, b)

// TOWPATH_TRY(auto prefix, Prefix::parse(text));  returns the error from the enclosing function, or binds the
// value. A declaration, so it needs its own line and a block of its own under an `if`. Not for coroutines.
#define TOWPATH_TRY(declaration, ...)                                                  \
  auto TOWPATH_CONCAT(towpath_try_, __LINE__) = (__VA_ARGS__);                         \
  if (!TOWPATH_CONCAT(towpath_try_, __LINE__))                                         \
    return std::unexpected(std::move(TOWPATH_CONCAT(towpath_try_, __LINE__)).error()); \
  declaration = *std::move(TOWPATH_CONCAT(towpath_try_, __LINE__))

// The same for a Status, whose value does not matter.
#define TOWPATH_TRY_STATUS(...)                                       \
  do {                                                                \
    if (auto towpath_try_status = (__VA_ARGS__); !towpath_try_status) \
      return std::unexpected(std::move(towpath_try_status).error());  \
  } while (false)
