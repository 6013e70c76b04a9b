// Where a command's rows go: a table for people, one JSON array for scripts, or the bytes of MRT records.
//
// Model
//   A command hands over rows one by one, each as JSON text; the output writes them to a stream at once, so a
//   dump of any length takes constant memory. Every command is the same code for both formats.
//
// Failure: the stream's. A reader that went away (EPIPE) is not an error: see StreamState.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/error.h"

namespace towpath::cli {

enum class Format { kTable, kJson, kMrt };

class Output {
 public:
  virtual ~Output() = default;
  // `row` is a JSON object. False: the reader went away, there is no use in more rows.
  virtual bool row(std::string_view json) = 0;
  // After the last row, once, if all went well: a reader of half a dump must be able to see that it is half.
  virtual void end() = 0;
};

// "[", rows with commas, "]".
class JsonOutput final : public Output {
 public:
  explicit JsonOutput(std::FILE* stream) : stream_(stream) {}
  bool row(std::string_view json) override;
  void end() override;

 private:
  std::FILE* stream_;
  bool first_ = true;
};

// What is in the rows' `mrt`, hexadecimal there, as bytes.
class MrtOutput final : public Output {
 public:
  explicit MrtOutput(std::FILE* stream) : stream_(stream) {}
  bool row(std::string_view json) override;
  void end() override {}

 private:
  std::FILE* stream_;
};

}  // namespace towpath::cli
