// A reply of one row.
#pragma once

#include <functional>
#include <utility>

#include "agent/control/row_source.h"

namespace towpath::agent {

// `fill` writes its fields, once, when the server asks.
class SingleRow final : public RowSource {
 public:
  explicit SingleRow(std::function<void(JsonWriter&)> fill) : fill_(std::move(fill)) {}
  bool next_slice(RowWriter& rows) override {
    rows.row(fill_);
    return false;
  }

 private:
  std::function<void(JsonWriter&)> fill_;
};

}  // namespace towpath::agent
