// Packets: section 2 "Overview" wants connectivity. The host answers on an address of its own, as a host's
// services do.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "conformance/trial.h"
#include "towpath/base/prefix.h"
#include "towpath/base/unique_fd.h"

namespace towpath::conformance {
namespace {

constexpr const char* kHostV4 = "192.0.2.1";
constexpr const char* kHostV6 = "2001:db8::1";
// Duplicate address detection and the like may hold the first packets back.
constexpr auto kPatience = std::chrono::seconds(5);

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Endpoint endpoint(const IpAddress& address, std::uint16_t port) {
  Endpoint e;
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&e.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address.octets().data(), 4);
    e.size = sizeof(sockaddr_in);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&e.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, address.octets().data(), 16);
    e.size = sizeof(sockaddr_in6);
  }
  return e;
}

UniqueFd stream_socket(const std::string& netns, bool v6) {
  UniqueFd fd;
  const auto make = [&] {
    fd = UniqueFd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  };
  if (netns.empty()) {
    make();
  } else {
    (void)inside_namespace(netns, make);
  }
  return fd;
}

// One attempt to connect, at most half a second.
bool connects(const std::string& netns, const Endpoint& to, bool v6) {
  const UniqueFd socket = stream_socket(netns, v6);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to.storage), to.size) == 0) return true;
  if (errno != EINPROGRESS) return false;
  pollfd waiting{socket.get(), POLLOUT, 0};
  if (::poll(&waiting, 1, 500) <= 0) return false;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0;
}

// A TCP connection from one namespace to `address` in another ("" is the host).
Outcome reaches(const std::string& from, const std::string& to, const std::string& address) {
  const auto parsed = IpAddress::parse(address);
  if (!parsed) return broken("not an address: " + address);
  constexpr std::uint16_t kPort = 7;
  const UniqueFd listener = stream_socket(to, parsed->is_v6());
  const Endpoint target = endpoint(*parsed, kPort);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  bool listening = false;
  while (std::chrono::steady_clock::now() < deadline) {
    // An IPv6 address cannot be bound before duplicate address detection is over.
    listening = listening || (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&target.storage),
                                     target.size) == 0 &&
                              ::listen(listener.get(), 16) == 0);
    if (listening && connects(from, target, parsed->is_v6())) return "TCP to " + address;
    ::usleep(20000);
  }
  return broken(fmt::format("no TCP connection to {} within {} s", address, kPatience.count()));
}

std::string address_of(const Attachment& a, bool v6) {
  for (const auto& each : addresses_of(a.result)) {
    const auto parsed = InterfaceAddress::parse(each);
    if (parsed && parsed->address.is_v6() == v6) return parsed->address.to_string();
  }
  return {};
}

Checked<void> give_host_addresses(Trial& trial) {
  TOWPATH_TRY_STATUS(trial.ip("", {"address", "add", std::string(kHostV4) + "/32", "dev", "lo"}));
  return trial.ip("", {"address", "add", std::string(kHostV6) + "/128", "dev", "lo", "nodad"});
}

Outcome host_to_container(Trial& trial, bool v6) {
  TOWPATH_TRY_STATUS(give_host_addresses(trial));
  TOWPATH_TRY(auto a, trial.added());
  const std::string address = address_of(a, v6);
  if (address.empty()) return skipped("the container has no such address");
  return reaches("", a.netns, address);
}

Outcome container_to_host(Trial& trial, bool v6) {
  TOWPATH_TRY_STATUS(give_host_addresses(trial));
  TOWPATH_TRY(auto a, trial.added());
  const std::string everything = v6 ? "::/0" : "0.0.0.0/0";
  bool has_default = false;
  const KernelView inside = trial.inside(a);
  for (const auto& route : inside.routes()) has_default = has_default || route.destination == everything;
  if (address_of(a, v6).empty() || !has_default)
    return skipped("the container has no default route of that family");
  return reaches(a.netns, "", v6 ? kHostV6 : kHostV4);
}

Outcome container_to_container(Trial& trial, bool v6) {
  TOWPATH_TRY(auto a, trial.added());
  TOWPATH_TRY(auto b, trial.added());
  const std::string address = address_of(b, v6);
  if (address.empty()) return skipped("the container has no such address");
  return reaches(a.netns, b.netns, address);
}

Outcome in_v4(Trial& t) {
  return host_to_container(t, false);
}
Outcome in_v6(Trial& t) {
  return host_to_container(t, true);
}
Outcome out_v4(Trial& t) {
  return container_to_host(t, false);
}
Outcome out_v6(Trial& t) {
  return container_to_host(t, true);
}
Outcome across_v4(Trial& t) {
  return container_to_container(t, false);
}
Outcome across_v6(Trial& t) {
  return container_to_container(t, true);
}

}  // namespace

std::vector<Requirement> traffic_requirements() {
  const auto row = [](std::string_view id, std::string_view text, Outcome (*check)(Trial&)) {
    return Requirement{id, "ADD", "2 Overview", Level::kShould, kMain, "", Pool::kAny, text, check};
  };
  return {
      row("TRAFFIC-01", "the host reaches the container over IPv4", in_v4),
      row("TRAFFIC-02", "the host reaches the container over IPv6", in_v6),
      row("TRAFFIC-03", "the container reaches the host over IPv4", out_v4),
      row("TRAFFIC-04", "the container reaches the host over IPv6", out_v6),
      row("TRAFFIC-05", "two containers of a host reach each other over IPv4", across_v4),
      row("TRAFFIC-06", "two containers of a host reach each other over IPv6", across_v6),
  };
}

}  // namespace towpath::conformance
