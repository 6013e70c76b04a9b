// Tells systemd how we are (sd_notify). Without systemd every call does nothing.
//
// Failure: none that matters; the agent works the same whether anybody listens or not.
#pragma once

#include <string>

namespace towpath::agent {

class Notifier {
 public:
  void ready(const std::string& status);
  // Answered by ready() when the reload is over. systemd compares the time with that of its own request.
  void reloading();
  void stopping();
  // One line that `systemctl status` shows.
  void status(const std::string& text);

 private:
  std::string last_status_;  // so that an unchanged line is not sent again
};

}  // namespace towpath::agent
