// Which boot of the host this is: what lies in the state directory may be of an earlier one.
#pragma once

#include <string>

#include "towpath/base/error.h"

namespace towpath::agent {

// The kernel's own word for it.
Result<std::string> current_boot_id();

}  // namespace towpath::agent
