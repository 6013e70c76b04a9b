// One request line -> control::Request, or the code and sentence to answer with. Strict and pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "towpath/control/protocol.h"

namespace towpath::agent {

// Why a request is not answered with rows.
struct ControlFailure {
  control::Code code = control::Code::kInternal;
  std::string message;  // one line; names the key and the value
};

// `line` without its newline.
std::expected<control::Request, ControlFailure> parse_request(std::string_view line);

}  // namespace towpath::agent
