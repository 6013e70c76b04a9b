// How towpathd ends. systemd restarts it after each of these but kExitOk.
#pragma once

namespace towpath::agent {

inline constexpr int kExitOk = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitUsage = 2;

}  // namespace towpath::agent
