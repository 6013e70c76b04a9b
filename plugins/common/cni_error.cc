#include "plugins/common/cni_error.h"

namespace towpath::cni {

CniError to_cni_error(Error error) {
  CniCode code = CniCode::kIo;
  switch (error.kind) {
    case ErrorKind::kExhausted:
    case ErrorKind::kUnavailable:
    case ErrorKind::kNotFound: code = CniCode::kTryAgainLater; break;
    case ErrorKind::kInvalid:
    case ErrorKind::kConflict:
    case ErrorKind::kUnsupported: code = CniCode::kInvalidConfig; break;
    case ErrorKind::kExists: code = CniCode::kInvalidEnvironment; break;
    case ErrorKind::kCorrupt:
    case ErrorKind::kSystem: break;
  }
  // A system call that failed is an I/O failure whatever its errno is called, unless trying again may help.
  if (error.sys_errno != 0 && error.kind != ErrorKind::kUnavailable && error.kind != ErrorKind::kExhausted) {
    code = CniCode::kIo;
  }
  return {code, std::move(error.message), {}};
}

}  // namespace towpath::cni
