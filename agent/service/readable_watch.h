// Calls a function each time that a file descriptor has something to read.
//
// Ownership: watches a duplicate of the descriptor, since Asio closes what it is given; who reads keeps the
// original. Threading: the loop. Failure: start() says why it cannot watch.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>

#include "towpath/base/error.h"

namespace towpath::agent {

class ReadableWatch {
 public:
  explicit ReadableWatch(boost::asio::io_context& loop) : descriptor_(loop) {}
  ReadableWatch(const ReadableWatch&) = delete;
  ReadableWatch& operator=(const ReadableWatch&) = delete;

  // `on_readable` may call stop(). Not while it is watching already.
  Status start(int fd, std::function<void()> on_readable);
  // No call comes after it. Idempotent; may be followed by another start().
  void stop();

 private:
  void wait();

  boost::asio::posix::stream_descriptor descriptor_;
  std::function<void()> on_readable_;
};

}  // namespace towpath::agent
