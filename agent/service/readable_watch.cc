#include "agent/service/readable_watch.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "towpath/base/unique_fd.h"

namespace towpath::agent {

Status ReadableWatch::start(int fd, std::function<void()> on_readable) {
  UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return fail_errno(errno, "dup");
  boost::system::error_code ec;
  descriptor_.assign(own.get(), ec);
  if (ec) return fail(ErrorKind::kSystem, ec.message());
  own.release();
  on_readable_ = std::move(on_readable);
  wait();
  return {};
}

void ReadableWatch::wait() {
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this](boost::system::error_code ec) {
                           if (ec) return;  // stop(), or this is gone
                           on_readable_();
                           if (descriptor_.is_open()) wait();
                         });
}

void ReadableWatch::stop() {
  boost::system::error_code ignored;  // closing is best effort
  descriptor_.close(ignored);
}

}  // namespace towpath::agent
