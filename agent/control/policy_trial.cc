#include "agent/control/policy_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/control/route_fields.h"
#include "agent/control/single_row.h"
#include "towpath/bgp/community_pattern.h"

namespace towpath::agent {
namespace {

using control::Code;
using control::Direction;
using control::PolicyTest;

constexpr std::array<std::pair<std::string_view, bgp::Origin>, 3> kOrigins{
    {{"igp", bgp::Origin::kIgp}, {"egp", bgp::Origin::kEgp}, {"incomplete", bgp::Origin::kIncomplete}}};

ControlFailure bad(std::string_view key, std::string_view value, std::string_view reason) {
  return {Code::kBadArgument, fmt::format("{}: value '{}': {}", key, value, reason)};
}

std::expected<bgp::PathAttributes, ControlFailure> attributes_of(const PolicyTest& test,
                                                                 const bgp::PeerStatus& peer) {
  bgp::PathAttributes attributes;
  if (test.origin) {
    const auto origin = control::value_for(kOrigins, *test.origin);
    if (!origin) return std::unexpected(bad("origin", *test.origin, "must be one of igp, egp, incomplete"));
    attributes.origin = *origin;
  }
  if (test.as_path) {
    auto path = parse_as_path(*test.as_path);
    if (!path) return std::unexpected(bad("as_path", *test.as_path, path.error().message));
    attributes.as_path = *std::move(path);
  }
  for (const std::string& text : test.communities) {
    const auto community = bgp::CommunityPattern::parse_exact(text);
    if (!community) return std::unexpected(bad("communities", text, community.error().message));
    bgp::add_community(attributes, *community);
  }
  attributes.med = test.med;
  attributes.local_pref = test.local_pref;
  attributes.next_hop.address = test.next_hop.value_or(peer.address);
  if (attributes.next_hop.address.family() == test.prefix.family()) return attributes;
  // An IPv4 route can have an IPv6 next hop (RFC 8950), but not the reverse.
  if (test.prefix.family() == AddressFamily::kIpv4) return attributes;
  if (test.next_hop) {
    return std::unexpected(bad("next_hop", test.next_hop->to_string(), "an IPv6 route has an IPv6 next hop"));
  }
  return std::unexpected(
      ControlFailure{Code::kBadArgument, fmt::format("next_hop: is missing; {} has an IPv4 session, which "
                                                     "does not say it for an IPv6 route",
                                                     peer.name)});
}

void write_rules(JsonWriter& json, const std::vector<bgp::RuleReport>& rules) {
  json.key("rules").begin_array();
  for (const bgp::RuleReport& report : rules) {
    json.begin_object()
        .field("rule", report.rule)
        .field("matched", report.matched)
        .field(report.matched ? "does" : "mismatch", report.text)
        .end_object();
  }
  json.end_array();
}

void write_route(JsonWriter& json, std::string_view key, const bgp::PathAttributes& attributes, bool own) {
  json.key(key).begin_object();
  write_attributes(json, attributes, own);
  json.end_object();
}

std::string why(const bgp::ImportTrial& trial) {
  if (trial.exclusion == bgp::PathExclusion::kNone) return "";
  // RFC 8212: what nobody named is not taken.
  if (trial.exclusion == bgp::PathExclusion::kImportRules && trial.decided_by.empty()) {
    return "no import rule accepts it, and it lies in none of the pools";
  }
  return std::string(format(trial.exclusion));
}

void write_import(JsonWriter& json, const bgp::ImportTrial& trial) {
  const bool taken = trial.exclusion == bgp::PathExclusion::kNone;
  json.field("outcome", !taken               ? "reject"
                        : trial.used.discard ? "blackhole"
                                             : "accept")
      .field("rule", trial.decided_by)
      .field("reason", why(trial));
  write_rules(json, trial.rules);
  write_route(json, "route", trial.received, false);
  if (taken) write_route(json, "result", trial.used, false);
}

void write_export(JsonWriter& json, const bgp::ExportTrial& trial, const bgp::Speaker& speaker) {
  const bool told = trial.refusal == bgp::ExportRefusal::kNone;
  json.field("outcome", told ? "accept" : "reject")
      .field("rule", trial.decided_by)
      .field("reason", told ? std::string_view() : format(trial.refusal));
  write_rules(json, trial.rules);
  if (!trial.source) return;
  json.field("source", speaker.peer_name(*trial.source));
  write_route(json, "route", trial.held, *trial.source == bgp::kLocalPeer);
  // Without a session nobody knows yet which address of ours it will be.
  const bool unknown = trial.sent.next_hop.address.is_unspecified();
  if (told) write_route(json, "result", trial.sent, unknown);
}

}  // namespace

Result<bgp::AsPath> parse_as_path(std::string_view text) {
  using bgp::SegmentType;
  constexpr std::size_t kLongestSegment = 255;  // RFC 4271 section 4.3
  bgp::AsPath path;
  bool in_set = false;
  std::string word;
  const auto end_word = [&]() -> Status {
    if (word.empty()) return {};
    TOWPATH_TRY(const AsNumber as, AsNumber::parse(std::exchange(word, {})));
    const auto type = in_set ? SegmentType::kSet : SegmentType::kSequence;
    const bool fresh = path.segments.empty() || (!in_set && path.segments.back().type != type) ||
                       path.segments.back().numbers.size() == kLongestSegment;
    if (fresh) path.segments.push_back({type, {}});
    path.segments.back().numbers.push_back(as);
    return {};
  };
  for (const char c : text) {
    const bool brace = c == '{' || c == '}';
    if (c != ' ' && !brace) {
      word += c;
      continue;
    }
    TOWPATH_TRY_STATUS(end_word());
    if (!brace) continue;
    const bool empty_set = in_set && path.segments.back().numbers.empty();
    if ((c == '{') == in_set || empty_set) {
      return fail(ErrorKind::kInvalid, "sets stand in braces, are not empty and not nested");
    }
    in_set = c == '{';
    if (in_set) path.segments.push_back({SegmentType::kSet, {}});
  }
  TOWPATH_TRY_STATUS(end_word());
  if (in_set) return fail(ErrorKind::kInvalid, "a brace is not closed");
  return path;
}

std::expected<std::unique_ptr<RowSource>, ControlFailure> open_policy_trial(const bgp::Speaker& speaker,
                                                                            const PolicyTest& test) {
  const auto peers = speaker.peers();
  const auto peer = std::ranges::find(peers, test.peer, &bgp::PeerStatus::name);
  const auto id = speaker.find_peer(test.peer);
  if (peer == peers.end() || !id) {
    return std::unexpected(
        ControlFailure{Code::kNotFound, fmt::format("peer: value '{}': no such peer", test.peer)});
  }
  std::function<void(JsonWriter&)> write;
  if (test.direction == Direction::kImport) {
    const auto attributes = attributes_of(test, *peer);
    if (!attributes) return std::unexpected(attributes.error());
    write = [trial = speaker.try_import(*id, test.prefix, *attributes)](JsonWriter& json) {
      write_import(json, trial);
    };
  } else {
    write = [trial = speaker.try_export(*id, test.prefix), &speaker](JsonWriter& json) {
      write_export(json, trial, speaker);
    };
  }
  const bool up = peer->state == bgp::SessionState::kEstablished;
  return std::make_unique<SingleRow>([test, up, write](JsonWriter& json) {
    json.field("direction", word_for(control::kDirections, test.direction))
        .field("peer", test.peer)
        .field("session", up)
        .field("prefix", test.prefix.to_string());
    write(json);
  });
}

}  // namespace towpath::agent
