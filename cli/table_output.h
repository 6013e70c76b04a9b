// Rows as a table with a heading.
//
// Model
//   Widths come from the first kSample rows and stay, so that a long dump streams; a later cell that does not
//   fit pushes its own line out of step and loses nothing. On a terminal the table is made to fit: first the
//   columns that may shrink do, down to their least width, then those of least weight are left out; what is
//   cut ends in '~'. Elsewhere (pipe, file) nothing is cut.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"

namespace towpath::cli {

struct Column {
  const char* title;
  std::string (*cell)(const nlohmann::json& row);
  bool right = false;      // numbers
  std::size_t shrink = 0;  // least width on a narrow terminal; 0: never shrinks
  int weight = 9;          // the lightest columns are left out first; 9: never
};
using Columns = std::vector<Column>;

class TableOutput final : public Output {
 public:
  static constexpr std::size_t kSample = 256;

  // `terminal_width` 0: as wide as it gets. `columns` is copied. `when_empty` is printed in place of an empty
  // table.
  TableOutput(std::FILE* stream, Columns columns, std::size_t terminal_width, std::string when_empty);
  bool row(std::string_view json) override;
  void end() override;

 private:
  using Cells = std::vector<std::string>;
  void choose_widths();
  bool print(const Cells& cells);
  bool flush_sample();

  std::FILE* stream_;
  Columns columns_;
  std::size_t terminal_width_;
  std::string when_empty_;
  std::vector<std::size_t> widths_;  // empty until chosen; 0: left out
  std::vector<Cells> sample_;
};

// Columns that a terminal on `stream` has; 0 where it is none.
std::size_t terminal_width(std::FILE* stream);

}  // namespace towpath::cli
