// CniError: what a plugin tells the runtime when a verb fails (CNI specification 1.1.0, section 5 "Error").
#pragma once

#include <expected>
#include <string>
#include <utility>

#include "towpath/base/error.h"

namespace towpath::cni {

// 0 to 99 belong to the specification.
enum class CniCode : unsigned {
  kIncompatibleVersion = 1,
  kUnsupportedField = 2,    // the message holds key and value
  kInvalidEnvironment = 4,  // the message holds the names of the variables
  kIo = 5,
  kDecode = 6,
  kInvalidConfig = 7,
  kInvalidNetns = 8,  // not in the text of the specification; the runtimes' library has it
  kTryAgainLater = 11,
  kNotAvailable = 50,   // STATUS: ADD cannot be served
  kLimited = 51,        // STATUS: nor may containers that are there reach everything
  kInternal = 999,      // a fault of the plugin itself; the number that the runtimes' library uses
  kCheckFailed = 101,   // CHECK: what ADD made is not there any more, or was changed
  kPortTaken = 102,     // a port of the host leads to another container already
  kAddressTaken = 103,  // an address asked for by name is in use
};

struct CniError {
  CniCode code = CniCode::kIo;
  std::string message;
  std::string details;
};

template <class T>
using CniExpected = std::expected<T, CniError>;
using CniStatus = CniExpected<void>;

inline std::unexpected<CniError> cni_fail(CniCode code, std::string message, std::string details = {}) {
  return std::unexpected(CniError{code, std::move(message), std::move(details)});
}

// A code that fits the kind: what may clear up by itself becomes kTryAgainLater, what an operator must mend
// kInvalidConfig, the rest kIo.
CniError to_cni_error(Error error);

}  // namespace towpath::cni

// TOWPATH_TRY for a Result inside a function that returns a CniExpected.
#define TOWPATH_CNI_TRY(declaration, ...)                                                         \
  auto TOWPATH_CONCAT(towpath_try_, __LINE__) = (__VA_ARGS__);                                    \
  if (!TOWPATH_CONCAT(towpath_try_, __LINE__))                                                    \
    return std::unexpected(                                                                       \
        ::towpath::cni::to_cni_error(std::move(TOWPATH_CONCAT(towpath_try_, __LINE__)).error())); \
  declaration = *std::move(TOWPATH_CONCAT(towpath_try_, __LINE__))

#define TOWPATH_CNI_TRY_STATUS(...)                                                                \
  do {                                                                                             \
    if (auto towpath_try_status = (__VA_ARGS__); !towpath_try_status)                              \
      return std::unexpected(::towpath::cni::to_cni_error(std::move(towpath_try_status).error())); \
  } while (false)
