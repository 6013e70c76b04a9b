#include "towpath/base/error.h"

#include <fmt/format.h>

#include <cstring>

namespace towpath {
namespace {

ErrorKind kind_of(int sys_errno) {
  switch (sys_errno) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO:
    case EADDRNOTAVAIL: return ErrorKind::kNotFound;
    case EEXIST: return ErrorKind::kExists;
    case ENOSPC:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EDQUOT: return ErrorKind::kExhausted;
    case EBUSY:
    case EADDRINUSE: return ErrorKind::kConflict;
    case EAGAIN:
    case EINTR:
    case ENOBUFS:
    case ETIMEDOUT:
    case ECONNREFUSED: return ErrorKind::kUnavailable;
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ENOSYS: return ErrorKind::kUnsupported;
    default: return ErrorKind::kSystem;
  }
}

}  // namespace

Error Error::from_errno(int sys_errno, std::string_view operation) {
  char buffer[128];
  // The GNU form returns the text and may leave the buffer alone.
  const char* text = strerror_r(sys_errno, buffer, sizeof buffer);
  return {kind_of(sys_errno), sys_errno, fmt::format("{}: {}", operation, text)};
}

Error Error::with_context(std::string_view context) && {
  message.insert(0, ": ");
  message.insert(0, context);
  return std::move(*this);
}

}  // namespace towpath
