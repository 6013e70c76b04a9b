// Tells the agent that somebody else changed the table inet towpath.
//
// Model
//   A netlink socket in the multicast group of nf_tables. What is said about other tables, and what the
//   agent's own sockets did, is passed over; what exactly was changed does not matter, because the answer is
//   to put all of it back. Notifications of one transaction come together, so they cannot be filtered in the
//   kernel by their first.
//
// Ownership: one thread. fd() is readable when read() has something. Failure: read() never waits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/netlink/netlink_socket.h"

namespace towpath::netlink {

struct MessageView;

class RuleMonitor {
 public:
  // In the network namespace of the calling thread. `own_ports` are the port ids of the sockets by which the
  // agent changes the table.
  static Result<RuleMonitor> open(std::vector<std::uint32_t> own_ports, std::string table = "towpath");

  int fd() const { return socket_.fd(); }
  // All that is there now. Somebody changed the table: the port id of the last one who did, which for most
  // programs is their process id; 0 when the kernel could not queue all notifications.
  Result<std::optional<std::uint32_t>> read();

 private:
  RuleMonitor(NetlinkSocket socket, std::vector<std::uint32_t> own_ports, std::string table)
      : socket_(std::move(socket)), own_ports_(std::move(own_ports)), table_(std::move(table)) {}
  bool is_about_our_table(const MessageView& message) const;
  NetlinkSocket socket_;
  std::vector<std::uint32_t> own_ports_;
  std::string table_;  // of family inet
};

}  // namespace towpath::netlink
