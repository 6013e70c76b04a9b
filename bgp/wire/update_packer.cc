#include "bgp/wire/update_packer.h"

#include <algorithm>

#include "bgp/wire/message_writer.h"
#include "bgp/wire/nlri.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

// Withdrawn Routes Length and Total Path Attribute Length.
constexpr std::size_t kUpdateFixedSize = kHeaderSize + 2 + 2;

std::size_t largest_nlri(Family family, bool add_path) {
  return nlri_size(Prefix::host(IpAddress::any(address_family(family))), add_path);
}

}  // namespace

void NlriList::begin(std::size_t limit) {
  begin_ = cursor_ = out_.size();
  limit_ = limit;
}

void NlriList::put(const Prefix& prefix, bool add_path, std::uint32_t path_id) {
  // The buffer grows in steps that double, so that a message of one route does not pay for a full one.
  if (out_.size() < cursor_ + kMaxNlriSize) {
    out_.resize(cursor_ + std::max(4 * kMaxNlriSize, cursor_ - begin_));
  }
  cursor_ += put_nlri(out_.data() + cursor_, prefix, add_path, path_id);
}

void NlriList::end() {
  out_.resize(cursor_);
}

AnnouncePacker::AnnouncePacker(const EncodedAttributes& attributes, Family family, const NextHop& next_hop,
                               const SessionParameters& session, std::vector<std::byte>& out)
    : attributes_(attributes),
      family_(family),
      next_hop_(next_hop),
      out_(out),
      nlri_(out),
      in_mp_reach_(family != Family::kIpv4Unicast || next_hop.address.is_v6()),
      add_path_(session.of(family).add_path_send),
      max_length_(session.max_send) {
  const std::size_t next_hop_size = in_mp_reach_ ? mp_reach_head_size(next_hop) : kNextHopAttributeSize;
  const std::size_t smallest =
      kUpdateFixedSize + attributes.bytes.size() + next_hop_size + largest_nlri(family, add_path_);
  fits_ = smallest <= max_length_;
}

void AnnouncePacker::add(const Prefix& prefix, std::uint32_t path_id) {
  if (!open_ || !nlri_.has_room(nlri_size(prefix, add_path_))) {
    close_message();
    open_message();
  }
  nlri_.put(prefix, add_path_, path_id);
}

std::size_t AnnouncePacker::finish() {
  close_message();
  return messages_;
}

void AnnouncePacker::open_message() {
  TOWPATH_CHECK(fits_);
  open_ = true;
  start_ = begin_message(MessageType::kUpdate, out_);
  out_.resize(out_.size() + 4);  // both lengths; the first stays 0
  const auto& bytes = attributes_.bytes;
  const auto next_hop_at = bytes.begin() + static_cast<std::ptrdiff_t>(attributes_.next_hop_at);
  if (in_mp_reach_) {
    begin_mp_reach(family_, next_hop_, out_);
    nlri_.begin(start_ + max_length_ - bytes.size());
  } else {
    out_.insert(out_.end(), bytes.begin(), next_hop_at);
    write_next_hop(next_hop_, out_);
    out_.insert(out_.end(), next_hop_at, bytes.end());
    patch_u16(out_, start_ + kHeaderSize + 2, bytes.size() + kNextHopAttributeSize);
    nlri_.begin(start_ + max_length_);
  }
}

void AnnouncePacker::close_message() {
  if (!open_) return;
  open_ = false;
  nlri_.end();
  if (in_mp_reach_) {
    end_mp(start_ + kUpdateFixedSize, out_);
    out_.insert(out_.end(), attributes_.bytes.begin(), attributes_.bytes.end());
    patch_u16(out_, start_ + kHeaderSize + 2, out_.size() - start_ - kUpdateFixedSize);
  }
  end_message(start_, out_);
  ++messages_;
}

WithdrawPacker::WithdrawPacker(Family family, const SessionParameters& session, std::vector<std::byte>& out)
    : family_(family),
      out_(out),
      nlri_(out),
      add_path_(session.of(family).add_path_send),
      max_length_(session.max_send) {}

void WithdrawPacker::add(const Prefix& prefix, std::uint32_t path_id) {
  if (!open_ || !nlri_.has_room(nlri_size(prefix, add_path_))) {
    close_message();
    open_message();
  }
  nlri_.put(prefix, add_path_, path_id);
}

std::size_t WithdrawPacker::finish() {
  close_message();
  return messages_;
}

void WithdrawPacker::open_message() {
  open_ = true;
  start_ = begin_message(MessageType::kUpdate, out_);
  out_.resize(out_.size() + 2);  // Withdrawn Routes Length
  if (family_ == Family::kIpv4Unicast) {
    nlri_.begin(start_ + max_length_ - 2);
  } else {
    out_.resize(out_.size() + 2);  // Total Path Attribute Length
    begin_mp_unreach(family_, out_);
    nlri_.begin(start_ + max_length_);
  }
}

void WithdrawPacker::close_message() {
  if (!open_) return;
  open_ = false;
  nlri_.end();
  if (family_ == Family::kIpv4Unicast) {
    patch_u16(out_, start_ + kHeaderSize, out_.size() - start_ - kHeaderSize - 2);
    out_.resize(out_.size() + 2);  // no attributes
  } else {
    end_mp(start_ + kUpdateFixedSize, out_);
    patch_u16(out_, start_ + kHeaderSize + 2, out_.size() - start_ - kUpdateFixedSize);
  }
  end_message(start_, out_);
  ++messages_;
}

}  // namespace towpath::bgp
