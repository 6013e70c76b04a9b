#include "bgp/rib/batch.h"

#include <algorithm>
#include <tuple>

#include "bgp/rib/export.h"

namespace towpath::bgp {
namespace {

void close_segment(Batch& batch, std::size_t begin, Audience audience) {
  if (batch.bytes.size() == begin) return;
  if (!batch.segments.empty() && batch.segments.back().audience == audience) {
    batch.segments.back().end = batch.bytes.size();
    return;
  }
  batch.segments.push_back({begin, batch.bytes.size(), audience});
}

}  // namespace

bool BatchBuilder::same_message(const Item& a, const Item& b) {
  return a.audience == b.audience && a.path.attributes == b.path.attributes &&
         a.path.source == b.path.source && a.prefix.family() == b.prefix.family();
}

// What is for one peer alone goes last, so that it leaves one gap only in the view of the others; withdrawals
// go before announcements, which frees room in the receiver's tables first.
bool BatchBuilder::in_order(const Item& a, const Item& b) {
  const auto key = [](const Item& i) {
    return std::tuple(i.audience.kind, static_cast<bool>(i.path.attributes), i.prefix.family(),
                      i.audience.peer, i.path.attributes, i.path.source);
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

Batch BatchBuilder::finish(std::vector<Refused>& refused) {
  Batch batch;
  format_marks(begin_refresh_, RouteRefreshSubtype::kBegin, batch);
  if (!std::ranges::is_sorted(items_, in_order)) std::ranges::sort(items_, in_order);
  for (std::size_t begin = 0; begin < items_.size();) {
    std::size_t end = begin + 1;
    while (end < items_.size() && same_message(items_[begin], items_[end])) ++end;
    format(std::span(items_).subspan(begin, end - begin), batch, refused);
    begin = end;
  }
  for (const Family family : end_of_rib_) {
    const std::size_t begin = batch.bytes.size();
    encode_end_of_rib(family, batch.bytes);
    batch.end_of_rib[index(family)] = true;
    close_segment(batch, begin, {});
  }
  format_marks(end_refresh_, RouteRefreshSubtype::kEnd, batch);
  items_.clear();
  end_of_rib_.clear();
  batch.bytes.shrink_to_fit();
  return batch;
}

void BatchBuilder::format(std::span<const Item> run, Batch& out, std::vector<Refused>& refused) {
  const std::size_t begin = out.bytes.size();
  if (!run.front().path.attributes) {
    format_withdrawals(run, out.bytes);
  } else if (!format_announcements(run, out.bytes)) {
    format_withdrawals(run, out.bytes);
    for (const Item& item : run) refused.push_back({item.prefix, item.path.path_id});
  }
  close_segment(out, begin, run.front().audience);
}

bool BatchBuilder::format_announcements(std::span<const Item> run, std::vector<std::byte>& out) {
  const Item& first = run.front();
  const Family family = first.prefix.family();
  const PathAttributes attributes =
      as_sent(tables_.attributes.get(first.path.attributes), tables_.peers[first.path.source.value].peer,
              family, target_, tables_.identity);
  encode_attributes(attributes, target_.session, encoded_);
  AnnouncePacker packer(encoded_, family, attributes.next_hop, target_.session, out);
  if (!packer.fits()) return false;
  for (const Item& item : run) packer.add(tables_.prefix(item.prefix), item.path.path_id);
  packer.finish();
  return true;
}

void BatchBuilder::format_withdrawals(std::span<const Item> run, std::vector<std::byte>& out) {
  WithdrawPacker packer(run.front().prefix.family(), target_.session, out);
  for (const Item& item : run) packer.add(tables_.prefix(item.prefix), item.path.path_id);
  packer.finish();
}

}  // namespace towpath::bgp
