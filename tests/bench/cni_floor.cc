// The floor that no plugin can beat: the kernel work of one ADD, DEL or CHECK in the fewest netlink messages,
// and nothing else. No JSON, no store, no comparison, no error but the exit status.
//
// usage: cni_floor add NETNS HOST_IFNAME SANDBOX_IFNAME IPV4 [IPV6]
//        cni_floor del HOST_IFNAME
//        cni_floor check NETNS HOST_IFNAME IPV4 [IPV6]
//        cni_floor nothing
//
// add: the objects that the towpath plugin makes, with the same settings: a veth pair of one queue with its
// peer made inside the sandbox; on each end MAC, MTU, up; addresses, next hop, permanent neighbours and
// default routes in the sandbox; alias, IPv4 settings, neighbours and routes on the host. One socket and one
// send for each of pair, sandbox and host; the kernel acknowledges only the last message of a batch, errors
// come by themselves. check: asks the kernel for these objects, one by one, with a send for each of the two
// ends, and throws the answers away. nothing: what it costs to start a static program and to end it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

[[noreturn]] void fail(const char* what) {
  [[maybe_unused]] const ssize_t ignored = write(2, what, std::strlen(what));
  std::exit(1);
}

constexpr unsigned char kHostMac[6] = {0x02, 0x74, 0x70, 0, 0, 1};
constexpr unsigned char kSandboxMac[6] = {0x02, 0x74, 0x70, 0, 0, 2};
constexpr std::uint32_t kMtu = 1500;
constexpr int kSandboxIndex = 2;

// Messages one after another in one buffer.
class Batch {
 public:
  template <class Header>
  void begin(std::uint16_t type, std::uint16_t flags, const Header& header) {
    message_ = used_;
    nlmsghdr start{};
    start.nlmsg_type = type;
    start.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    put(&start, sizeof start);
    put(&header, sizeof header);
  }

  void attribute(std::uint16_t type, const void* data, std::size_t size) {
    const rtattr head{static_cast<std::uint16_t>(sizeof(rtattr) + size), type};
    put(&head, sizeof head);
    put(data, size);
  }
  void attribute(std::uint16_t type, std::string_view text) { attribute(type, text.data(), text.size() + 1); }
  void attribute(std::uint16_t type, std::uint32_t value) { attribute(type, &value, sizeof value); }

  std::size_t nest(std::uint16_t type) {
    const std::size_t at = used_;
    attribute(type, nullptr, 0);
    return at;
  }
  void end_nest(std::size_t at) {
    const auto size = static_cast<std::uint16_t>(used_ - at);
    std::memcpy(buffer_ + at, &size, sizeof size);
  }
  template <class Value>
  void raw(const Value& value) {
    put(&value, sizeof value);
  }

  void end() {
    const auto size = static_cast<std::uint32_t>(used_ - message_);
    std::memcpy(buffer_ + message_, &size, sizeof size);
  }

  // Sends all and waits for the answer to the last; true if nothing failed.
  bool send(int socket) {
    nlmsghdr last;
    std::memcpy(&last, buffer_ + message_, sizeof last);
    last.nlmsg_flags |= NLM_F_ACK;
    last.nlmsg_seq = kLastSequence;
    std::memcpy(buffer_ + message_, &last, sizeof last);
    if (::send(socket, buffer_, used_, 0) != static_cast<ssize_t>(used_)) return false;
    for (;;) {
      char answer[8192];
      const ssize_t got = recv(socket, answer, sizeof answer, 0);
      if (got < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr))) return false;
      nlmsghdr header;
      int error = 0;
      std::memcpy(&header, answer, sizeof header);
      if (header.nlmsg_type != NLMSG_ERROR) continue;  // what was asked for
      std::memcpy(&error, answer + sizeof header, sizeof error);
      if (error != 0) return false;
      if (header.nlmsg_seq == kLastSequence) return true;
    }
  }

 private:
  static constexpr std::uint32_t kLastSequence = 7;

  void put(const void* data, std::size_t size) {
    if (used_ + size + 4 > sizeof buffer_) std::abort();
    if (size != 0) std::memcpy(buffer_ + used_, data, size);
    used_ = (used_ + size + 3) & ~std::size_t{3};
  }

  char buffer_[4096] = {};
  std::size_t used_ = 0;
  std::size_t message_ = 0;
};

struct Address {
  unsigned char family;
  unsigned char bytes[16];
  std::uint32_t size() const { return family == AF_INET ? 4 : 16; }
};

Address parse(const char* text) {
  Address address{};
  address.family = std::strchr(text, ':') != nullptr ? AF_INET6 : AF_INET;
  if (inet_pton(address.family, text, address.bytes) != 1) fail("bad address\n");
  return address;
}

int open_socket() {
  const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (socket < 0) fail("socket\n");
  return socket;
}

void add_neighbour(Batch& batch, int index, const Address& address, const unsigned char (&mac)[6]) {
  ndmsg header{};
  header.ndm_family = address.family;
  header.ndm_ifindex = index;
  header.ndm_state = NUD_PERMANENT;
  batch.begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header);
  batch.attribute(NDA_DST, address.bytes, address.size());
  batch.attribute(NDA_LLADDR, mac, sizeof mac);
  batch.end();
}

// destination nullptr: the default route. via nullptr: on the link.
void add_route(Batch& batch, int index, unsigned char family, const Address* destination,
               const Address* via) {
  rtmsg header{};
  header.rtm_family = family;
  header.rtm_dst_len = destination == nullptr ? 0 : static_cast<unsigned char>(8 * destination->size());
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = via == nullptr && family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  header.rtm_flags = via == nullptr ? 0 : RTNH_F_ONLINK;
  batch.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, header);
  if (destination != nullptr) batch.attribute(RTA_DST, destination->bytes, destination->size());
  if (via != nullptr) batch.attribute(RTA_GATEWAY, via->bytes, via->size());
  batch.attribute(RTA_OIF, static_cast<std::uint32_t>(index));
  batch.end();
}

void set_up(Batch& batch, int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  batch.begin(RTM_NEWLINK, 0, header);
  batch.end();
}

// Before the interface comes up, in a request of their own: within one, the kernel sets the flags first.
void set_host_end(Batch& batch, int index, bool no_ipv6_link_local) {
  ifinfomsg header{};
  header.ifi_index = index;
  batch.begin(RTM_NEWLINK, 0, header);
  batch.attribute(IFLA_IFALIAS, "container/eth0");
  const std::size_t families = batch.nest(IFLA_AF_SPEC);
  const std::size_t inet = batch.nest(AF_INET);
  const std::size_t conf = batch.nest(IFLA_INET_CONF | NLA_F_NESTED);
  batch.attribute(IPV4_DEVCONF_FORWARDING, std::uint32_t{1});
  batch.attribute(IPV4_DEVCONF_RP_FILTER, std::uint32_t{1});
  batch.attribute(IPV4_DEVCONF_ACCEPT_REDIRECTS, std::uint32_t{0});
  batch.attribute(IPV4_DEVCONF_SEND_REDIRECTS, std::uint32_t{0});
  batch.end_nest(conf);
  batch.end_nest(inet);
  if (no_ipv6_link_local) {
    const std::size_t inet6 = batch.nest(AF_INET6);
    const unsigned char none = IN6_ADDR_GEN_MODE_NONE;
    batch.attribute(IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
    batch.end_nest(inet6);
  }
  batch.end_nest(families);
  batch.end();
}

void describe_end(Batch& batch, const char* name, const unsigned char (&mac)[6]) {
  batch.attribute(IFLA_IFNAME, name);
  batch.attribute(IFLA_ADDRESS, mac, sizeof mac);
  batch.attribute(IFLA_MTU, kMtu);
  batch.attribute(IFLA_NUM_TX_QUEUES, std::uint32_t{1});
  batch.attribute(IFLA_NUM_RX_QUEUES, std::uint32_t{1});
}

// A socket in the namespace of `sandbox`; this process stays where it is.
int open_socket_in(int sandbox) {
  const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0 || setns(sandbox, CLONE_NEWNET) != 0) fail("setns\n");
  const int inner = open_socket();
  if (setns(home, CLONE_NEWNET) != 0) fail("setns\n");
  return inner;
}

Address next_hop_of(const Address& address) {
  return parse(address.family == AF_INET ? "169.254.1.1" : "fe80::1");
}

int add(int count, char** words) {
  const int host = open_socket();
  const int sandbox = open(words[0], O_RDONLY | O_CLOEXEC);
  if (sandbox < 0) fail("open\n");

  Batch pair;
  ifinfomsg link{};
  pair.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link);
  describe_end(pair, words[1], kHostMac);
  const std::size_t info = pair.nest(IFLA_LINKINFO);
  pair.attribute(IFLA_INFO_KIND, "veth");
  const std::size_t data = pair.nest(IFLA_INFO_DATA);
  const std::size_t peer = pair.nest(VETH_INFO_PEER);
  link.ifi_index = kSandboxIndex;
  pair.raw(link);
  describe_end(pair, words[2], kSandboxMac);
  pair.attribute(IFLA_NET_NS_FD, static_cast<std::uint32_t>(sandbox));
  pair.end_nest(peer);
  pair.end_nest(data);
  pair.end_nest(info);
  pair.end();
  if (!pair.send(host)) fail("veth\n");
  const int index = static_cast<int>(if_nametoindex(words[1]));
  const int inner = open_socket_in(sandbox);

  Batch in_sandbox;
  Batch on_host;
  set_up(in_sandbox, kSandboxIndex);
  set_host_end(on_host, index, count == 5);
  set_up(on_host, index);
  for (int i = 3; i < count; ++i) {
    const Address address = parse(words[i]);
    const Address next_hop = next_hop_of(address);
    ifaddrmsg header{};
    header.ifa_family = address.family;
    header.ifa_prefixlen = static_cast<unsigned char>(8 * address.size());
    header.ifa_flags = IFA_F_NODAD;
    header.ifa_index = kSandboxIndex;
    in_sandbox.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, header);
    in_sandbox.attribute(IFA_LOCAL, address.bytes, address.size());
    in_sandbox.attribute(IFA_ADDRESS, address.bytes, address.size());
    in_sandbox.end();
    add_neighbour(in_sandbox, kSandboxIndex, next_hop, kHostMac);
    if (address.family == AF_INET) add_route(in_sandbox, kSandboxIndex, address.family, &next_hop, nullptr);
    add_route(in_sandbox, kSandboxIndex, address.family, nullptr, &next_hop);
    add_neighbour(on_host, index, address, kSandboxMac);
    add_route(on_host, index, address.family, &address, nullptr);
  }
  if (!in_sandbox.send(inner)) fail("sandbox\n");
  if (!on_host.send(host)) fail("host\n");
  return 0;
}

void ask_for_link(Batch& batch, int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  batch.begin(RTM_GETLINK, 0, header);
  batch.attribute(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
  batch.end();
}

void ask_for_neighbour(Batch& batch, int index, const Address& address) {
  ndmsg header{};
  header.ndm_family = address.family;
  header.ndm_ifindex = index;
  batch.begin(RTM_GETNEIGH, 0, header);
  batch.attribute(NDA_DST, address.bytes, address.size());
  batch.end();
}

void ask_for_route(Batch& batch, const Address& address) {
  rtmsg header{};
  header.rtm_family = address.family;
  header.rtm_dst_len = static_cast<unsigned char>(8 * address.size());
  header.rtm_flags = RTM_F_FIB_MATCH;
  batch.begin(RTM_GETROUTE, 0, header);
  batch.attribute(RTA_DST, address.bytes, address.size());
  batch.end();
}

int check(int count, char** words) {
  const int host = open_socket();
  const int sandbox = open(words[0], O_RDONLY | O_CLOEXEC);
  const int index = static_cast<int>(if_nametoindex(words[1]));
  if (sandbox < 0 || index == 0) fail("open\n");
  const int inner = open_socket_in(sandbox);
  Batch in_sandbox;
  Batch on_host;
  ask_for_link(in_sandbox, kSandboxIndex);
  ask_for_link(on_host, index);
  for (int i = 2; i < count; ++i) {
    const Address address = parse(words[i]);
    ask_for_neighbour(on_host, index, address);
    ask_for_route(on_host, address);
    ask_for_neighbour(in_sandbox, kSandboxIndex, next_hop_of(address));
    ask_for_route(in_sandbox, address);  // leads to itself if the interface has it
    ask_for_route(in_sandbox, parse(address.family == AF_INET ? "192.0.2.1" : "2001:db8::1"));
  }
  return in_sandbox.send(inner) && on_host.send(host) ? 0 : 1;
}

int del(char** words) {
  Batch batch;
  batch.begin(RTM_DELLINK, 0, ifinfomsg{});
  batch.attribute(IFLA_IFNAME, words[0]);
  batch.end();
  return batch.send(open_socket()) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "add" && (argc == 6 || argc == 7)) return add(argc - 2, argv + 2);
  if (verb == "del" && argc == 3) return del(argv + 2);
  if (verb == "check" && (argc == 5 || argc == 6)) return check(argc - 2, argv + 2);
  if (verb == "nothing" && argc == 2) return 0;
  fail(
      "usage: cni_floor add NETNS HOST_IFNAME SANDBOX_IFNAME IPV4 [IPV6] | del HOST_IFNAME\n"
      "     | check NETNS HOST_IFNAME IPV4 [IPV6] | nothing\n");
}
