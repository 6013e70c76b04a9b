// Asks the agent over its control socket.
//
// Blocking; one request at a time. Failure: kUnavailable when there is no agent to talk to, or one that keeps
// silent, with what to do about it; any other kind is the agent's own refusal, or a reply that is none.
#pragma once

#include <chrono>
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
  // `patience` is for the connection, the request, and each line of the reply.
  static Result<ControlClient> connect(const std::string& path,
                                       std::chrono::milliseconds patience = std::chrono::seconds(10));

  // Hands over each row as the JSON text of its object; stops early, with success, when `on_row` returns
  // false.
  Status ask(const control::Request& request, const std::function<bool(std::string_view)>& on_row);

 private:
  ControlClient(UniqueFd fd, std::string path, std::chrono::milliseconds patience)
      : fd_(std::move(fd)), path_(std::move(path)), patience_(patience) {}
  Status send(const std::string& line);
  // Valid until the next call.
  Result<std::string_view> receive_line();

  Error no_answer() const;
  Error is_no_agent(std::string_view line) const;

  UniqueFd fd_;
  std::string path_;
  std::chrono::milliseconds patience_;
  std::string input_;
  std::size_t consumed_ = 0;  // of input_
};

// The request line for a request, its newline included.
std::string format_request(const control::Request& request);

}  // namespace towpath::cli
