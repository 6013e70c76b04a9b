// The versions of the CNI specification that the plugins speak, and what differs between them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace towpath::cni {

struct CniVersion {
  std::uint8_t major = 0;
  std::uint8_t minor = 0;
  std::uint8_t patch = 0;
  std::string to_string() const;
  friend constexpr auto operator<=>(const CniVersion&, const CniVersion&) = default;
};

inline constexpr std::array kSupportedVersions{
    CniVersion{0, 3, 0}, CniVersion{0, 3, 1}, CniVersion{0, 4, 0}, CniVersion{1, 0, 0}, CniVersion{1, 1, 0},
};
inline constexpr CniVersion kNewestVersion = kSupportedVersions.back();
inline constexpr CniVersion kFirstWithCheck{0, 4, 0};
inline constexpr CniVersion kFirstWithGc{1, 1, 0};            // and STATUS
inline constexpr CniVersion kFirstWithoutIpVersion{1, 0, 0};  // before it ips[] has `version`
inline constexpr CniVersion kFirstWithMtu{1, 1, 0};  // and with the further keys of interfaces and routes

// One of kSupportedVersions, or nothing.
std::optional<CniVersion> find_supported_version(std::string_view text);
// "0.3.0, 0.3.1, …", for messages.
std::string supported_versions_text();

}  // namespace towpath::cni
