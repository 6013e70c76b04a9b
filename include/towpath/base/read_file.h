// The text of a file that an operator has written.
#pragma once

#include <cstddef>
#include <string>

#include "towpath/base/error.h"

namespace towpath {

// kInvalid: not a regular file. kExhausted: it has more than `most` bytes. Else what open() or read() said.
Result<std::string> read_file(const std::string& path, std::size_t most);

}  // namespace towpath
