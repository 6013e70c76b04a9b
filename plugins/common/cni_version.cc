#include "plugins/common/cni_version.h"

#include <fmt/format.h>

namespace towpath::cni {

std::string CniVersion::to_string() const {
  return fmt::format("{}.{}.{}", major, minor, patch);
}

std::optional<CniVersion> find_supported_version(std::string_view text) {
  for (const CniVersion& version : kSupportedVersions) {
    if (version.to_string() == text) return version;
  }
  return std::nullopt;
}

std::string supported_versions_text() {
  std::string text;
  for (const CniVersion& version : kSupportedVersions) {
    if (!text.empty()) text += ", ";
    text += version.to_string();
  }
  return text;
}

}  // namespace towpath::cni
