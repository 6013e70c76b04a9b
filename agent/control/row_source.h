// What the control server sends: rows, slice by slice, made only as fast as the client reads.
//
// Model
//   For each request the server opens one RowSource and asks it for a slice; it asks again when the slice is
//   written. A source keeps a key as its cursor, never an iterator: between two slices the tables change.
//
// Ownership: the server owns the source; a source must not outlive what it reads from.
// Threading: the loop. A slice is at most a few milliseconds of work.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/control/parse_request.h"
#include "agent/json/json_writer.h"
#include "towpath/control/protocol.h"

namespace towpath::agent {

// How many table entries a source looks at for one slice, whether they become rows or not.
inline constexpr std::size_t kSliceEntries = 512;

// Gathers the reply lines of one slice.
class RowWriter {
 public:
  // One row: `fill` writes the fields of its object.
  template <class Fill>
  void row(Fill fill) {
    JsonWriter json(text_);
    json.begin_object().field("code", static_cast<int>(control::Code::kRow)).key("row").begin_object();
    fill(json);
    json.end_object().end_object();
    text_ += '\n';
    ++rows_;
  }
  std::size_t rows() const { return rows_; }  // since the start of the reply
  std::string& text() { return text_; }

 private:
  std::string text_;
  std::size_t rows_ = 0;
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  // Adds the next slice's rows, perhaps none. False when there is no further slice.
  virtual bool next_slice(RowWriter& rows) = 0;
  // Asked once, before the first slice. False: what the reply is about takes a while; `wake` is then called
  // on the loop when it is done, later and not within this call.
  virtual bool ready(const std::function<void()>& /*wake*/) { return true; }
  // Asked after the last slice: what the reply ends with in place of its end line.
  virtual std::optional<ControlFailure> failure() const { return std::nullopt; }
};

// The agent, as the control server sees it.
class ControlBackend {
 public:
  virtual ~ControlBackend() = default;
  virtual std::expected<std::unique_ptr<RowSource>, ControlFailure> open(const control::Request& request) = 0;
};

}  // namespace towpath::agent
