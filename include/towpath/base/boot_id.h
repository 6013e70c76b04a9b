// Which boot of the host this is: what lies in a state directory may be of an earlier one.
#pragma once

#include <string>

#include "towpath/base/error.h"

namespace towpath {

// The kernel's own word for it: a UUID in 36 characters. kSystem: it cannot be read.
Result<std::string> current_boot_id();

}  // namespace towpath
