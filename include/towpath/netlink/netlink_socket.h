// A netlink socket: it stays in the network namespace in which it was opened, whatever the thread does later.
//
// Model
//   The kernel answers a request before send() returns, so nothing here ever waits: an answer that is not
//   there will not come (the kernel refuses a batch of nf_tables as a whole, for one). Strict checking
//   is on (a filter the kernel does not know is refused, not ignored), extended acknowledgements are on (a
//   refusal says why), and the refused request is not sent back.
//
// Ownership: one thread at a time. Failure: Error with errno; from the kernel's answers also its extended
// text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"

namespace towpath::netlink {

struct MessageView;

class NetlinkSocket {
 public:
  // In the network namespace of the calling thread, for rtnetlink or, with NETLINK_NETFILTER, for nf_tables.
  // `receive_buffer` is how many bytes of answers and notifications the kernel may queue.
  static Result<NetlinkSocket> open(int protocol = 0 /* NETLINK_ROUTE */, int receive_buffer = 1 << 20);

  int fd() const { return fd_.get(); }
  std::uint32_t next_sequence() { return ++sequence_; }

  // For what is larger than a batch of Batch: the kernel refuses what does not fit the send buffer.
  Status make_room_to_send(std::size_t bytes);
  // Whole messages, in one system call.
  Status send(std::span<const std::byte> messages);
  // One datagram; the span is valid until the next call. kUnavailable with ENOBUFS: the kernel dropped
  // answers or notifications. kUnavailable with EAGAIN: nothing there.
  Result<std::span<const std::byte>> receive();
  // The same for who has sent a request and knows that not all of its answer has come: kSystem if there is
  // nothing.
  Result<std::span<const std::byte>> receive_answer();

  // Sends a dump request (its sequence number is in it) and calls `visit` for each object. When the kernel
  // says that objects changed during the dump, calls `restart` and begins again; kUnavailable when that does
  // not end. `what` names the dump in errors: "dump links".
  Status dump(std::span<std::byte> request, const char* what, const std::function<void()>& restart,
              const std::function<void(const MessageView&)>& visit);

  // The address the kernel gave this socket; notifications carry it when this socket caused them.
  Result<std::uint32_t> port_id() const;
  // Subscribes to a multicast group (RTNLGRP_*).
  Status join(std::uint32_t group);
  // Notifications of its groups then come from every namespace that has an id in this one, too. The sender's
  // namespace must grant CAP_NET_BROADCAST.
  Status listen_to_all_namespaces();
  // Where the datagram received last comes from: the id of another namespace, or nothing for this one.
  std::optional<std::int32_t> origin() const { return origin_; }

 private:
  explicit NetlinkSocket(UniqueFd fd);
  enum class DumpEnd { kComplete, kInterrupted };
  Result<DumpEnd> dump_once(std::span<const std::byte> request, const char* what,
                            const std::function<void(const MessageView&)>& visit);

  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
  std::unique_ptr<std::byte[]> buffer_;
  std::optional<std::int32_t> origin_;
};

}  // namespace towpath::netlink
