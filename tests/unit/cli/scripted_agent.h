// Stands in for towpathd: listens on a socket and answers one connection with a fixed text. Then it closes
// it, or stays until it is destroyed.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "towpath/base/unique_fd.h"

namespace towpath::cli {

class ScriptedAgent {
 public:
  enum class Then { kClose, kStay };
  explicit ScriptedAgent(std::string answer, Then then = Then::kClose)
      : answer_(std::move(answer)), then_(then) {
    char name[] = "/tmp/towpath-cli-XXXXXX";
    directory_ = ::mkdtemp(name);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM, 0));
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_.get(), 1);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedAgent() {
    ::shutdown(listener_.get(), SHUT_RDWR);  // ends an accept() that nobody came for
    thread_.join();
    ::unlink(path().c_str());
    ::rmdir(directory_.c_str());
  }
  std::string path() const { return directory_ + "/s"; }

 private:
  void serve() {
    const UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
    if (!client) return;
    char c = 0;
    while (::read(client.get(), &c, 1) == 1 && c != '\n') {
    }
    for (std::size_t sent = 0; sent < answer_.size();) {
      const ssize_t count = ::send(client.get(), answer_.data() + sent, answer_.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<std::size_t>(count);
    }
    // Until the client goes.
    while (then_ == Then::kStay && ::read(client.get(), &c, 1) > 0) {
    }
  }

  std::string answer_;
  Then then_;
  std::string directory_;
  UniqueFd listener_;
  std::thread thread_;
};

}  // namespace towpath::cli
