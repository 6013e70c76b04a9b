// A host (the test's own fresh namespace) with an uplink, sandboxes, and the towpath plugin called inside the
// test's process.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/towpath/endpoint_link.h"
#include "plugins/towpath/towpath_plugin.h"
#include "tests/support/netlink_fixture.h"
#include "tests/support/plugin_call.h"
#include "tests/support/temporary_directory.h"
#include "towpath/ipam/state_store.h"
#include "towpath/netlink/interface_state.h"

namespace towpath::test {

using cni::Json;

class PluginTest : public NetlinkTest {
 protected:
  static constexpr std::uint32_t kUplinkMtu = 1430;

  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    signal(SIGPIPE, SIG_IGN);  // as plugin_main() does
    uplink_ = make_interface("up0", kUplinkMtu);
    netlink::Batch batch(*socket_);
    batch.add_address(uplink_, *InterfaceAddress::parse("192.0.2.1/24"));
    batch.add_address(uplink_, *InterfaceAddress::parse("2001:db8::1/64"));
    ASSERT_TRUE(batch.execute());
  }

  std::string state_dir() const { return directory_.path() + "/state"; }

  Json config(const std::string& extra = "{}") const {
    Json keys = Json::parse(R"({"cniVersion":"1.1.0","name":"net","type":"towpath",
                                "ipam":{"type":"towpath-ipam","blocks":["10.9.0.0/24","fd00:9::/120"]}})");
    keys["stateDir"] = state_dir();
    keys.update(Json::parse(extra));
    return keys;
  }

  std::map<std::string, std::string> variables(const std::string& verb, const std::string& container,
                                               const std::string& netns) const {
    return {{"CNI_COMMAND", verb},
            {"CNI_CONTAINERID", container},
            {"CNI_IFNAME", "eth0"},
            {"CNI_NETNS", netns},
            {"CNI_PATH", directory_.path() + ":/usr/lib/cni"}};
  }

  // `extra`: JSON object whose keys replace those of the configuration.
  PluginAnswer call(const std::string& verb, const std::string& container, const std::string& netns,
                    const std::string& extra = "{}") {
    return call_plugin(cni::towpath_plugin(), variables(verb, container, netns), config(extra).dump());
  }
  PluginAnswer add(const std::string& container, const NetworkNamespace& sandbox,
                   const std::string& extra = "{}") {
    return call("ADD", container, sandbox.path(), extra);
  }
  PluginAnswer check(const std::string& container, const NetworkNamespace& sandbox,
                     const PluginAnswer& added) {
    return call("CHECK", container, sandbox.path(), R"({"prevResult":)" + added.text + "}");
  }

  std::vector<ipam::EndpointRecord> records() const {
    auto store = ipam::StateStore::open(state_dir(), ipam::StateStore::OpenMode::kExisting);
    if (!store) return {};
    auto found = store->endpoints();
    EXPECT_TRUE(found) << found.error().message;
    return found ? *std::move(found) : std::vector<ipam::EndpointRecord>();
  }
  std::uint64_t addresses_in_use() const {
    auto store = ipam::StateStore::open(state_dir(), ipam::StateStore::OpenMode::kExisting);
    if (!store) return 0;
    std::uint64_t used = 0;
    const auto blocks = *store->blocks();
    for (const ipam::Block& block : blocks) used += block.used;
    return used;
  }
  std::vector<std::string> host_links() {
    std::vector<std::string> names;
    const auto links = *netlink::dump_links(*socket_);
    for (const netlink::Link& link : links) {
      if (link.name.starts_with("tp")) names.push_back(link.name);
    }
    return names;
  }
  // Routes to single containers.
  std::size_t host_routes() {
    std::size_t count = 0;
    for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
      const auto routes = *netlink::dump_routes(*socket_, family,
                                                {.table = netlink::kMainTable, .protocol = {}, .device = {}});
      for (const netlink::Route& route : routes) {
        const std::string text = route.key.destination.to_string();
        if (text.starts_with("10.9.") || text.starts_with("fd00:9:")) ++count;
      }
    }
    return count;
  }
  void expect_nothing_left() {
    EXPECT_TRUE(records().empty());
    EXPECT_EQ(addresses_in_use(), 0U);
    EXPECT_TRUE(host_links().empty());
    EXPECT_EQ(host_routes(), 0U);
  }
  static bool has_link(const NetworkNamespace& sandbox, const std::string& name) {
    bool found = false;
    sandbox.run([&] {
      auto socket = netlink::NetlinkSocket::open();
      found = netlink::find_link(*socket, name).has_value();
    });
    return found;
  }
  // The namespace of the calling thread reaches the address. Other tests share this machine's receive queues,
  // so a single packet proves nothing when it is lost.
  static bool ping(const std::string& address) {
    const std::string command = "ping -n -q -c 1 -W 1 " + address + " >/dev/null 2>&1";
    for (int attempt = 0; attempt < 5; ++attempt) {
      if (std::system(command.c_str()) == 0) return true;
    }
    return false;
  }
  static bool ping_from(const NetworkNamespace& sandbox, const std::string& address) {
    bool reached = false;
    sandbox.run([&] { reached = ping(address); });
    return reached;
  }
  static std::string address_of(const PluginAnswer& added, std::size_t index) {
    const std::string text = added.document["ips"][index]["address"];
    return text.substr(0, text.find('/'));
  }

  TemporaryDirectory directory_;
  IfIndex uplink_;
};

}  // namespace towpath::test
