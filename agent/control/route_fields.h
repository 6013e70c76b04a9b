// The fields of a row that say what attributes a route has: one look for all commands.
#pragma once

#include "agent/json/json_writer.h"
#include "towpath/bgp/path_attributes.h"

namespace towpath::agent {

// Inside an object. `own`: originated here and not as sent, so there is no next hop; its packets end here.
void write_attributes(JsonWriter& json, const bgp::PathAttributes& attributes, bool own);

}  // namespace towpath::agent
