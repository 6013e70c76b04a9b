"""Other plugins of Debian behind ours, where it takes more than one interface or host to see that they do their work."""

import unittest

from lab import CniError, Container, Lab, run, wait_until

VERSION = "1.0.0"  # the newest of Debian's plugins


class Chains(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.host, cls.outside = cls.lab.add_host("host-a"), cls.lab.add_host("host-b")
        cls.host.start_agent()
        for family, block in zip(("-4", "-6"), cls.host.blocks):
            gateway = cls.host.ipv4 if family == "-4" else cls.host.ipv6
            run("ip", "-n", cls.outside.netns, family, "route", "add", block, "via", gateway)

    def test_replies_of_a_second_interface_with_sbr(self):
        """Source addresses are checked: what comes for the second interface is answered over it, or not at all."""
        network = self.host.network
        network.version = VERSION
        container = Container(self.host, "c1")
        self.host.containers["c1"] = container
        network.add(container.id, container.path)
        network.conflist["plugins"].append({"type": "sbr"})
        result = network.add(container.id, container.path, "eth1")
        addresses = [entry["address"].split("/")[0] for entry in result["ips"]]
        for _ in ("right after ADD", "and in the life of it"):
            for address in addresses:
                self.outside.run("ping", "-n", "-q", "-c2", "-W2", address)
            network.check(container.id, container.path, "eth1")
        network.delete(container.id, container.path, "eth1")
        network.conflist["plugins"].pop()
        network.check(container.id, container.path)
        for family in ("-4", "-6"):
            rules = container.run("ip", family, "rule")
            self.assertEqual([address for address in addresses if address in rules], [])
        network.delete(container.id, container.path)
        self.assertEqual(self.host.ctl("endpoints"), [])

    def test_addresses_for_other_main_plugins(self):
        """With `gateway` a block is the subnet of a link that the other plugin makes."""
        network = self.host.network
        ours, version = network.conflist["plugins"], network.version
        gateways = ["10.64.1.1", "fd00:64:0:1::1"]
        network.version = VERSION
        self.addCleanup(setattr, network, "version", version)
        self.addCleanup(network.conflist.__setitem__, "plugins", ours)
        common = {"stateDir": str(self.host.state), "ipam": {"type": "towpath-ipam", "gateway": True,
                                                               "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}}
        for plugin in ({"type": "ptp"}, {"type": "bridge", "bridge": "br-tp", "isGateway": True}):
            network.conflist["plugins"] = [plugin | common]
            first, second = [Container(self.host, f"{plugin['type']}{number}") for number in (1, 2)]
            for container in (first, second):
                container.result = network.add(container.id, container.path)
                container.read_addresses()
                self.assertEqual([entry["gateway"] for entry in container.result["ips"]], gateways)
                self.assertEqual([entry["address"].split("/")[1] for entry in container.result["ips"]], ["26", "122"])
                self.assertNotIn(container.ipv4, gateways)
                self.assertNotIn(container.ipv6, gateways)
                network.check(container.id, container.path)
            for address in (second.ipv4, second.ipv6, self.host.ipv4, self.outside.ipv4, self.outside.ipv6):
                wait_until(lambda address=address: first.pings(address), 10, f"{plugin['type']}: {address} answers")
            for container in (first, second):
                network.delete(container.id, container.path)
            self.assertEqual([row["used"] for row in self.host.ctl("ipam")], [0, 0])

    def test_a_main_plugin_where_one_for_addresses_belongs(self):
        """A slip of the pen that would have the plugin execute itself for ever."""
        network = self.host.network
        container = Container(self.host, "c2")
        right = network.conflist["plugins"][0]["ipam"]
        network.conflist["plugins"][0]["ipam"] = {"type": "towpath"}
        try:
            with self.assertRaises(CniError) as raised:
                network.add(container.id, container.path)
            self.assertEqual(raised.exception.code, 7)
            self.assertIn("the plugin for addresses is towpath-ipam", raised.exception.message)
            network.delete(container.id, container.path)
        finally:
            network.conflist["plugins"][0]["ipam"] = right
        self.assertEqual(self.host.ctl("endpoints"), [])


if __name__ == "__main__":
    unittest.main()
