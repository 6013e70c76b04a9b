// CniResult: what ADD prints, and what comes back as prevResult or from an IPAM plugin.
//
// Holds what version 1.1.0 can say; to_json() writes it for an older version, leaving out what that version
// has no key for. Without interfaces it is the abbreviated form of IPAM plugins.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugins/common/cni_error.h"
#include "plugins/common/cni_version.h"
#include "plugins/common/json_object.h"
#include "towpath/base/prefix.h"

namespace towpath::cni {

struct CniInterface {
  std::string name{};
  std::string mac{};      // empty: not said
  std::uint32_t mtu = 0;  // 0: not said
  std::string sandbox{};  // empty: on the host
  std::string socket_path{};
  std::string pci_id{};
  friend bool operator==(const CniInterface&, const CniInterface&) = default;
};

struct CniIp {
  InterfaceAddress address;
  std::optional<IpAddress> gateway{};
  std::optional<std::uint32_t> interface{};  // index in CniResult::interfaces; 0 is an index, absent is not
  friend bool operator==(const CniIp&, const CniIp&) = default;
};

struct CniRoute {
  Prefix destination;
  std::optional<IpAddress> gateway{};
  std::optional<std::uint32_t> mtu{};
  std::optional<std::uint32_t> advmss{};
  std::optional<std::uint32_t> priority{};
  std::optional<std::uint32_t> table{};
  std::optional<std::uint32_t> scope{};
  friend bool operator==(const CniRoute&, const CniRoute&) = default;
};

struct CniResult {
  std::vector<CniInterface> interfaces;
  std::vector<CniIp> ips;
  std::vector<CniRoute> routes;
  Json dns;  // an object, or null

  // `path` is where it stands in the document, for messages: "prevResult". kInvalidConfig names key and
  // value.
  static CniExpected<CniResult> parse(const Json& value, const std::string& path);
  Json to_json(CniVersion version) const;
};

// One element of `routes`, which network configurations have in `ipam` too.
CniExpected<CniRoute> parse_route(const Json& value, const std::string& path);

}  // namespace towpath::cni
