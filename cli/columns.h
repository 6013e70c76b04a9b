// What the table of each command shows: one list of columns each, and nothing else knows about their looks.
#pragma once

#include "cli/table_output.h"
#include "towpath/control/protocol.h"

namespace towpath::cli {

Columns route_columns(control::RouteTable table);
Columns peer_columns();
Columns bfd_columns();
Columns policy_columns();
Columns advertised_columns();
Columns endpoint_columns();
Columns block_columns();
Columns allocation_columns();
Columns resting_columns();
Columns released_columns();
Columns imported_columns();
Columns finding_columns();
// The same, and what is done about each.
Columns repair_columns();
Columns version_columns();
// A status row is printed as a list, one key a line.
std::string status_text(std::string_view json_row);

}  // namespace towpath::cli
