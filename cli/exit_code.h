// What a script can trust.
#pragma once

namespace towpath::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitFindings = 1;  // of `ipam check`; standard error stays empty
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNoAgent = 3;

}  // namespace towpath::cli
