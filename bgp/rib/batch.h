// A run of formatted messages that many peers read, and the builder that formats it.
//
// Model
//   The bytes are whole messages, in segments that each say who reads them. Nearly all are for everyone but
//   the peer that the route came from (split horizon), so one peer's view of a batch is the batch without a
//   few gaps, and neighbouring segments reach the socket as one slice.
//
//   A batch holds each path at most once per peer, so the order inside it is free: routes with equal
//   attributes are put together, which fills the messages.
//
// Threading: none. A finished batch never changes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bgp/rib/adj_rib_out.h"
#include "bgp/rib/output.h"
#include "bgp/rib/tables.h"
#include "bgp/wire/encode.h"

namespace towpath::bgp {

struct Audience {
  enum class Kind : std::uint8_t { kAllBut, kOnly };
  Kind kind = Kind::kAllBut;
  PeerId peer = kLocalPeer;  // all but kLocalPeer: everyone
  bool includes(PeerId reader) const { return (reader == peer) == (kind == Kind::kOnly); }
  friend auto operator<=>(const Audience&, const Audience&) = default;
};

struct Batch {
  struct Segment {
    std::size_t begin = 0;
    std::size_t end = 0;
    Audience audience;
    // It is an End-of-RIB, and for those only that have not had one.
    std::optional<Family> end_of_rib{};
  };
  std::vector<std::byte> bytes;
  std::vector<Segment> segments;
  std::array<bool, kFamilyCount> end_of_rib{};  // those in it, at its end
};

class BatchBuilder {
 public:
  BatchBuilder(const RibTables& tables, const ExportTarget& target) : tables_(tables), target_(target) {}

  bool empty() const {
    return runs_.empty() && end_of_rib_.empty() && begin_refresh_.empty() && end_refresh_.empty();
  }
  void announce(PrefixRef prefix, const ToldPath& path, Audience audience) {
    add({audience, path.attributes, path.source, prefix.family()}, {prefix, path.path_id});
  }
  void withdraw(PrefixRef prefix, std::uint32_t path_id, Audience audience) {
    add({audience, {}, kLocalPeer, prefix.family()}, {prefix, path_id});
  }
  // Behind all routes of the batch.
  void end_of_rib(Family family) { end_of_rib_.push_back(family); }
  // RFC 7313: before and behind all routes of the batch.
  void begin_refresh(Family family) { begin_refresh_.push_back(family); }
  void end_refresh(Family family) { end_refresh_.push_back(family); }

  struct Route {
    PrefixRef prefix;
    std::uint32_t path_id = 0;
  };
  // Formats everything and starts anew. Routes whose attributes do not fit any message of this session are
  // withdrawn instead (RFC 8654 section 4) and appended to `refused`.
  Batch finish(std::vector<Route>& refused);

 private:
  // What may share messages.
  struct Kind {
    Audience audience;
    AttributeId attributes;  // none: withdrawn
    PeerId source;
    Family family{};
    friend bool operator==(const Kind&, const Kind&) = default;
  };
  // Routes of one kind that came in a row, as most do: they are put in order together.
  struct Run {
    Kind kind;
    std::uint32_t begin = 0;  // in routes_
    std::uint32_t end = 0;
  };

  void add(const Kind& kind, Route route) {
    if (runs_.empty() || runs_.back().kind != kind) {
      const auto here = static_cast<std::uint32_t>(routes_.size());
      runs_.push_back({kind, here, here});
    }
    routes_.push_back(route);
    ++runs_.back().end;
  }
  static bool in_order(const Run& a, const Run& b);
  void format(std::span<const Run> runs, Batch& out, std::vector<Route>& refused);
  static void format_marks(std::vector<Family>& families, RouteRefreshSubtype subtype, Batch& out);
  bool format_announcements(std::span<const Run> runs, std::vector<std::byte>& out);
  void format_withdrawals(std::span<const Run> runs, std::vector<std::byte>& out);
  std::span<const Route> routes(const Run& run) const {
    return std::span(routes_).subspan(run.begin, run.end - run.begin);
  }
  template <class Packer>
  void pack(std::span<const Run> runs, Packer& packer);

  const RibTables& tables_;
  const ExportTarget& target_;
  std::vector<Route> routes_;
  std::vector<Run> runs_;
  std::vector<Family> end_of_rib_;
  std::vector<Family> begin_refresh_;
  std::vector<Family> end_refresh_;
  EncodedAttributes encoded_;
};

}  // namespace towpath::bgp
