// A FILE that keeps what is written to it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace towpath::cli {

class CapturedStream {
 public:
  CapturedStream() : stream_(::open_memstream(&buffer_, &size_)) {}
  ~CapturedStream() {
    std::fclose(stream_);
    std::free(buffer_);
  }
  CapturedStream(const CapturedStream&) = delete;
  CapturedStream& operator=(const CapturedStream&) = delete;

  std::FILE* get() const { return stream_; }
  std::string text() const {
    std::fflush(stream_);
    return {buffer_, size_};
  }

 private:
  char* buffer_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* stream_;
};

}  // namespace towpath::cli
