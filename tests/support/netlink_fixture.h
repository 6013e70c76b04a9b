// A fresh namespace with a socket, and interfaces that run.
#pragma once

#include <optional>
#include <string>

#include "tests/support/network_namespace.h"
#include "towpath/netlink/batch.h"

namespace towpath::test {

class NetlinkTest : public NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped()) return;
    socket_.emplace(*netlink::NetlinkSocket::open());
    other_.emplace();
  }

  // One end of a pair whose other end has the same name in other_. Up and running.
  IfIndex make_interface(const std::string& name, std::uint32_t mtu = 1500) {
    const auto pair = netlink::create_veth(*socket_, {.host_name = name,
                                                      .host_mac = MacAddress::random(),
                                                      .sandbox_name = name,
                                                      .sandbox_mac = MacAddress::random(),
                                                      .sandbox_fd = other_->fd(),
                                                      .mtu = mtu});
    EXPECT_TRUE(pair) << pair.error().message;
    other_->run([&] {
      auto inside = netlink::NetlinkSocket::open();
      set_up(*inside, pair->sandbox);
    });
    set_up(*socket_, pair->host);
    EXPECT_TRUE(eventually([&] { return netlink::find_link(*socket_, pair->host)->running; }));
    return pair->host;
  }

  static void set_up(netlink::NetlinkSocket& socket, IfIndex device) {
    netlink::Batch batch(socket);
    batch.set_link(device, {.up = true});
    const auto status = batch.execute();
    EXPECT_TRUE(status) << status.error().message;
  }

  std::optional<netlink::NetlinkSocket> socket_;
  std::optional<NetworkNamespace> other_;
};

}  // namespace towpath::test
