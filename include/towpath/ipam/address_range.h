// AddressRange: addresses of one family from a first to a last one, both of them in it. Unlike a prefix it
// may begin and end anywhere.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "towpath/base/address.h"
#include "towpath/base/error.h"
#include "towpath/base/prefix.h"

namespace towpath::ipam {

struct AddressRange {
  IpAddress first;
  IpAddress last;

  static AddressRange of(const Prefix& prefix) { return {prefix.first(), prefix.last()}; }
  // "10.64.1.7", "10.64.1.8/29" or "10.64.1.10-10.64.1.20".
  static Result<AddressRange> parse(std::string_view text);

  bool contains(const IpAddress& address) const {
    return address.family() == first.family() && first <= address && address <= last;
  }
  std::string to_string() const;

  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

bool any_contains(std::span<const AddressRange> ranges, const IpAddress& address);

}  // namespace towpath::ipam
