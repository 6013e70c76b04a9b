#include "agent/control/route_fields.h"

#include <string>
#include <string_view>

namespace towpath::agent {
namespace {

std::string_view format_origin(bgp::Origin origin) {
  switch (origin) {
    case bgp::Origin::kIgp: return "igp";
    case bgp::Origin::kEgp: return "egp";
    case bgp::Origin::kIncomplete: return "incomplete";
  }
  return "";
}

template <class Values>
void write_texts(JsonWriter& json, const Values& values) {
  for (const auto& value : values) json.value(value.to_string());
}

}  // namespace

void write_attributes(JsonWriter& json, const bgp::PathAttributes& attributes, bool own) {
  json.field("next_hop", own ? std::string() : attributes.next_hop.address.to_string());
  if (attributes.next_hop.link_local)
    json.field("next_hop_link_local", attributes.next_hop.link_local->to_string());
  json.field("origin", format_origin(attributes.origin)).field("as_path", attributes.as_path.to_string());
  if (attributes.local_pref) json.field("local_pref", *attributes.local_pref);
  if (attributes.med) json.field("med", *attributes.med);
  json.key("communities").begin_array();
  write_texts(json, attributes.communities);
  write_texts(json, attributes.extended_communities);
  write_texts(json, attributes.large_communities);
  json.end_array();
}

}  // namespace towpath::agent
