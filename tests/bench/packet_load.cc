// Traffic for ./dev bench policy: a server that counts, and three clients that ask how fast the way to it is.
//
// usage: packet_load serve PORT SECONDS
//        packet_load tcp ADDRESS PORT MILLISECONDS     prints bytes a second, as received
//        packet_load udp ADDRESS PORT MILLISECONDS     prints packets a second, as received; 64-byte frames
//        packet_load rtt ADDRESS PORT COUNT            prints the median and the p99 round trip, ns
//
// PORT takes streams and datagrams, PORT + 1 sends datagrams back. Each end of a stream of nothing is told
// how many datagrams have come since the last one.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// A frame of 64 bytes less the headers of Ethernet, IPv4 and UDP.
constexpr std::size_t kPayload = 64 - 14 - 20 - 8;
constexpr std::size_t kBatch = 64;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int check(int result, const char* what) {
  if (result < 0) fail(what);
  return result;
}

// Of both families.
int bound_socket(int type, std::uint16_t port) {
  const int fd = check(::socket(AF_INET6, type, 0), "socket");
  const int on = 1;
  const int off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  const int buffer = 64 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  sockaddr_in6 at{};
  at.sin6_family = AF_INET6;
  at.sin6_port = htons(port);
  check(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), "bind");
  return fd;
}

int connect_to(const char* address, std::uint16_t port, int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address, std::to_string(port).c_str(), &hints, &found) != 0) fail("address");
  const int fd = check(::socket(found->ai_family, type, 0), "socket");
  check(::connect(fd, found->ai_addr, found->ai_addrlen), "connect");
  ::freeaddrinfo(found);
  return fd;
}

// --- server ---

std::atomic<std::uint64_t> datagrams;

void count_datagrams(int fd) {
  std::array<std::array<char, 2048>, kBatch> room;
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts[i] = {room[i].data(), room[i].size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (;;) {
    const int got = ::recvmmsg(fd, messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (got > 0) datagrams += static_cast<std::uint64_t>(got);
  }
}

void echo(int fd) {
  std::array<char, 2048> room;
  for (;;) {
    sockaddr_in6 from{};
    socklen_t size = sizeof from;
    const ssize_t got =
        ::recvfrom(fd, room.data(), room.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got > 0)
      ::sendto(fd, room.data(), static_cast<std::size_t>(got), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
}

void serve_stream(int fd) {
  std::vector<char> room(1 << 20);
  std::uint64_t bytes = 0;
  for (;;) {
    const ssize_t got = ::read(fd, room.data(), room.size());
    if (got <= 0) break;
    bytes += static_cast<std::uint64_t>(got);
  }
  const std::uint64_t answer = bytes != 0 ? bytes : datagrams.exchange(0);
  if (::write(fd, &answer, sizeof answer) < 0) std::perror("answer");
  ::close(fd);
}

void accept_streams(int fd) {
  for (;;) {
    const int client = ::accept(fd, nullptr, nullptr);
    if (client >= 0) std::thread(serve_stream, client).detach();
  }
}

int serve(std::uint16_t port, int seconds) {
  const int streams = bound_socket(SOCK_STREAM, port);
  check(::listen(streams, 16), "listen");
  std::thread(accept_streams, streams).detach();
  std::thread(count_datagrams, bound_socket(SOCK_DGRAM, port)).detach();
  std::thread(echo, bound_socket(SOCK_DGRAM, static_cast<std::uint16_t>(port + 1))).detach();
  std::puts("ready");
  std::fflush(stdout);
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  std::_Exit(0);
}

// --- clients ---

// Ends the stream, and reads the server's number.
std::uint64_t end_stream(int fd) {
  ::shutdown(fd, SHUT_WR);
  std::uint64_t answer = 0;
  if (::recv(fd, &answer, sizeof answer, MSG_WAITALL) != sizeof answer) fail("answer");
  ::close(fd);
  return answer;
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void stream(const char* address, std::uint16_t port, std::chrono::milliseconds time) {
  const int fd = connect_to(address, port, SOCK_STREAM);
  const std::vector<char> data(1 << 18, 'x');
  const auto begin = Clock::now();
  while (Clock::now() - begin < time) check(static_cast<int>(::write(fd, data.data(), data.size())), "write");
  const std::uint64_t bytes = end_stream(fd);
  std::printf("%.0f\n", static_cast<double>(bytes) / seconds_since(begin));
}

void flood(const char* address, std::uint16_t port, std::chrono::milliseconds time) {
  end_stream(connect_to(address, port, SOCK_STREAM));
  const int fd = connect_to(address, port, SOCK_DGRAM);
  std::array<char, kPayload> data{};
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts[i] = {data.data(), data.size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const auto begin = Clock::now();
  while (Clock::now() - begin < time) ::sendmmsg(fd, messages.data(), kBatch, 0);
  const double seconds = seconds_since(begin);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // what is in the server's buffer
  std::printf("%.0f\n", static_cast<double>(end_stream(connect_to(address, port, SOCK_STREAM))) / seconds);
}

void bounce(const char* address, std::uint16_t port, int count) {
  const int fd = connect_to(address, static_cast<std::uint16_t>(port + 1), SOCK_DGRAM);
  std::array<char, kPayload> data{};
  std::vector<std::int64_t> times;
  for (int i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    check(static_cast<int>(::send(fd, data.data(), data.size(), 0)), "send");
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, 1000) != 1) fail("no answer");
    check(static_cast<int>(::recv(fd, data.data(), data.size(), 0)), "recv");
    times.push_back(std::chrono::nanoseconds(Clock::now() - begin).count());
  }
  std::ranges::sort(times);
  std::printf("%lld %lld\n", static_cast<long long>(times[times.size() / 2]),
              static_cast<long long>(times[times.size() * 99 / 100]));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const auto port = [&](int at) { return static_cast<std::uint16_t>(std::atoi(argv[at])); };
  if (what == "serve" && argc == 4) return serve(port(2), std::atoi(argv[3]));
  if (argc != 5) {
    std::fputs("usage: packet_load serve PORT SECONDS | tcp|udp|rtt ADDRESS PORT MILLISECONDS|COUNT\n",
               stderr);
    return 2;
  }
  const int number = std::atoi(argv[4]);
  if (what == "tcp") stream(argv[2], port(3), std::chrono::milliseconds(number));
  if (what == "udp") flood(argv[2], port(3), std::chrono::milliseconds(number));
  if (what == "rtt") bounce(argv[2], port(3), number);
  return 0;
}
