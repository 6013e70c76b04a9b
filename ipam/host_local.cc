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
  if (!is_cni_identifier(id)) return fail(ErrorKind::kInvalid, "its first line is no container id");
  if (!is_interface_name(ifname)) return fail(ErrorKind::kInvalid, "its second line is no interface name");
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
