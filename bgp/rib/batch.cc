#include "bgp/rib/batch.h"

#include <algorithm>
#include <tuple>

#include "bgp/rib/export.h"

namespace towpath::bgp {
namespace {

void close_segment(Batch& batch, std::size_t begin, Audience audience) {
  if (batch.bytes.size() == begin) return;
  if (!batch.segments.empty() && batch.segments.back().audience == audience &&
      !batch.segments.back().end_of_rib) {
    batch.segments.back().end = batch.bytes.size();
    return;
  }
  batch.segments.push_back({begin, batch.bytes.size(), audience});
}

}  // namespace

// What is for one peer alone goes last, so that it leaves one gap only in the view of the others; withdrawals
// go before announcements, which frees room in the receiver's tables first.
bool BatchBuilder::in_order(const Run& a, const Run& b) {
  const auto key = [](const Run& r) {
    return std::tuple(r.kind.audience.kind, static_cast<bool>(r.kind.attributes), r.kind.family,
                      r.kind.audience.peer, r.kind.attributes, r.kind.source, r.begin);
  };
  return key(a) < key(b);
}

void BatchBuilder::format_marks(std::vector<Family>& families, RouteRefreshSubtype subtype, Batch& out) {
  for (const Family family : families) {
    const std::size_t begin = out.bytes.size();
    encode_route_refresh({static_cast<std::uint16_t>(afi(family)), static_cast<std::uint8_t>(safi(family)),
                          static_cast<std::uint8_t>(subtype)},
                         out.bytes);
    close_segment(out, begin, {});
  }
  families.clear();
}

Batch BatchBuilder::finish(std::vector<Route>& refused) {
  Batch batch;
  format_marks(begin_refresh_, RouteRefreshSubtype::kBegin, batch);
  if (!std::ranges::is_sorted(runs_, in_order)) std::ranges::sort(runs_, in_order);
  for (std::size_t begin = 0; begin < runs_.size();) {
    std::size_t end = begin + 1;
    while (end < runs_.size() && runs_[begin].kind == runs_[end].kind) ++end;
    format(std::span(runs_).subspan(begin, end - begin), batch, refused);
    begin = end;
  }
  for (const Family family : end_of_rib_) {
    const std::size_t begin = batch.bytes.size();
    encode_end_of_rib(family, batch.bytes);
    batch.end_of_rib[index(family)] = true;
    batch.segments.push_back({begin, batch.bytes.size(), {}, family});
  }
  format_marks(end_refresh_, RouteRefreshSubtype::kEnd, batch);
  routes_.clear();
  runs_.clear();
  end_of_rib_.clear();
  batch.bytes.shrink_to_fit();
  return batch;
}

void BatchBuilder::format(std::span<const Run> runs, Batch& out, std::vector<Route>& refused) {
  const std::size_t begin = out.bytes.size();
  if (!runs.front().kind.attributes) {
    format_withdrawals(runs, out.bytes);
  } else if (!format_announcements(runs, out.bytes)) {
    format_withdrawals(runs, out.bytes);
    for (const Run& run : runs) refused.insert(refused.end(), routes(run).begin(), routes(run).end());
  }
  close_segment(out, begin, runs.front().kind.audience);
}

bool BatchBuilder::format_announcements(std::span<const Run> runs, std::vector<std::byte>& out) {
  const Kind& kind = runs.front().kind;
  const PathAttributes attributes =
      as_sent(tables_.attributes.get(kind.attributes), tables_.peers[kind.source.value].peer, kind.family,
              target_, tables_.identity);
  encode_attributes(attributes, target_.session, encoded_);
  AnnouncePacker packer(encoded_, kind.family, attributes.next_hop, target_.session, out);
  if (!packer.fits()) return false;
  pack(runs, packer);
  return true;
}

void BatchBuilder::format_withdrawals(std::span<const Run> runs, std::vector<std::byte>& out) {
  WithdrawPacker packer(runs.front().kind.family, target_.session, out);
  pack(runs, packer);
}

template <class Packer>
void BatchBuilder::pack(std::span<const Run> runs, Packer& packer) {
  for (const Run& run : runs) {
    for (const Route& route : routes(run)) packer.add(tables_.prefix(route.prefix), route.path_id);
  }
  packer.finish();
}

}  // namespace towpath::bgp
