#include "towpath/ipam/host_local.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

namespace towpath::ipam {
namespace {

constexpr std::string_view kLock = "lock";
constexpr std::string_view kLastReserved = "last_reserved_ip";
constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::size_t kLongestIfname = 15;  // IFNAMSIZ, without the zero at its end

bool is_alphanumeric(char c) {
  return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9');
}

// CNI specification 1.1.0, "Parameters": a container id begins with an alphanumeric character, followed by
// those, underscores, dots and hyphens.
bool is_container_id(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
  });
}

// As the kernel takes one, and libcni.
bool is_ifname(std::string_view text) {
  return !text.empty() && text.size() <= kLongestIfname && text != "." && text != ".." &&
         std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) <= ' ' || c == '/' || c == ':' || c == 0x7F;
         });
}

Result<AttachmentId> parse_content(std::string_view content) {
  content = content.substr(0, content.find_last_not_of(kBlanks) + 1);
  if (content.empty()) {
    return fail(ErrorKind::kInvalid,
                "it is empty, so that nobody knows whose the address is: host-local was killed while it "
                "wrote. Remove the file if no container has the address");
  }
  const std::size_t end = content.find("\r\n");
  if (end == std::string_view::npos) {
    return fail(ErrorKind::kInvalid, "it has no line with the interface name behind the container id");
  }
  const std::string_view id = content.substr(0, end);
  const std::string_view ifname = content.substr(end + 2);
  if (!is_container_id(id)) return fail(ErrorKind::kInvalid, "its first line is no container id");
  if (!is_ifname(ifname)) return fail(ErrorKind::kInvalid, "its second line is no interface name");
  return AttachmentId{std::string(id), std::string(ifname)};
}

}  // namespace

Result<std::vector<HostLocalAttachment>> parse_host_local(const std::string& folder,
                                                          std::span<const HostLocalFile> files) {
  std::map<AttachmentId, std::vector<IpAddress>> attachments;
  for (const HostLocalFile& file : files) {
    if (file.name == kLock || file.name.starts_with(kLastReserved)) continue;
    const auto refuse = [&](std::string_view why) {
      return fail(ErrorKind::kInvalid, fmt::format("{}/{}: {}", folder, file.name, why));
    };
    const auto address = IpAddress::parse(file.name);
    if (!address) return refuse("its name is no address, and host-local makes no such file");
    auto attachment = parse_content(file.content);
    if (!attachment) return refuse(attachment.error().message);
    attachments[*std::move(attachment)].push_back(*address);
  }
  std::vector<HostLocalAttachment> parsed;
  parsed.reserve(attachments.size());
  for (auto& [attachment, addresses] : attachments) parsed.push_back({attachment, std::move(addresses)});
  return parsed;
}

}  // namespace towpath::ipam
