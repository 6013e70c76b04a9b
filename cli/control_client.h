// Asks the agent over its control socket.
//
// Blocking; one request at a time. Failure: kUnavailable when there is no agent to talk to, with what to do
// about it; any other kind is the agent's own refusal, or a reply that is none.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"
#include "towpath/control/protocol.h"

namespace towpath::cli {

class ControlClient {
 public:
  static Result<ControlClient> connect(const std::string& path);

  // Hands over each row as the JSON text of its object; stops early, with success, when `on_row` returns
  // false.
  Status ask(const control::Request& request, const std::function<bool(std::string_view)>& on_row);

 private:
  ControlClient(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Status send(const std::string& line);
  // Valid until the next call.
  Result<std::string_view> receive_line();

  UniqueFd fd_;
  std::string path_;
  std::string input_;
  std::size_t consumed_ = 0;  // of input_
};

// The request line for a request, its newline included.
std::string format_request(const control::Request& request);

}  // namespace towpath::cli
