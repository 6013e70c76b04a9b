"""An address of another host's block: the container that asks for it by name has it, everybody reaches it, and when the
container is gone nobody is told of it any more.
"""

import signal
import unittest

from lab import CniError, Lab, wait_until

# Of host-a's blocks.
ADDRESSES = ("10.64.1.33", "fd00:64:0:1::33")
HOST_ROUTES = {"10.64.1.33/32", "fd00:64:0:1::33/128"}


class Borrowing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.a, cls.b, cls.c = cls.hosts = [cls.lab.add_host(f"host-{letter}") for letter in "abc"]
        cls.lab.full_mesh()
        for host in cls.hosts:
            host.network.conflist["plugins"][0]["capabilities"] = {"ips": True}
            host.network.conflist["plugins"][0]["ipam"]["borrow"] = True
            host.start_agent()
        for host in cls.hosts:
            blocks = {block for other in cls.hosts for block in other.blocks}
            wait_until(lambda: blocks <= set(host.routes()), 20, lambda: f"{host.name}: {host.routes()}")
        cls.at_home = cls.a.add_container("a1")
        cls.elsewhere = cls.c.add_container("c1")
        for container in (cls.at_home, cls.elsewhere):
            container.serve()

    def tearDown(self):
        if self.b.agent is None:
            self.b.start_agent()
        for container in list(self.b.containers.values()):
            self.b.del_container(container)
        self.wait_told(set())

    def borrow(self, name, addresses=ADDRESSES, host=None, serve=True):
        container = (host or self.b).add_container(name, capabilities={"ips": list(addresses)})
        if serve:
            container.serve()  # its socket keeps the sandbox alive
        return container

    def give_up(self, host, name):
        """An ADD was refused: its sandbox goes."""
        container = host.containers.pop(name)
        self.lab._del_netns(container.netns)

    def told(self, host):
        return HOST_ROUTES & set(host.routes())

    def wait_told(self, wanted, hosts=None, deadline=10):
        for host in hosts or (self.a, self.c):
            wait_until(lambda: self.told(host) == wanted, deadline,
                       lambda: f"{host.name} is told of {sorted(wanted)}: {host.routes()}\n{self.b.log_tail()}")

    def reached_by(self, container):
        for source in (self.at_home, self.elsewhere):
            for address, own in ((container.ipv4, source.ipv4), (container.ipv6, source.ipv6)):
                self.assertEqual(source.call(address), own, f"{source.name} calls {address}")
            for address, own in ((source.ipv4, container.ipv4), (source.ipv6, container.ipv6)):
                self.assertEqual(container.call(address), own, f"{container.name} calls {address}")

    def borrowed(self):
        return self.b.ctl("status")[0]["borrowed_addresses"]

    def test_everybody_reaches_it_until_it_is_gone(self):
        container = self.borrow("b1")
        self.assertEqual((container.ipv4, container.ipv6), ADDRESSES)
        self.wait_told(HOST_ROUTES)
        for host in (self.a, self.c):
            for prefix in HOST_ROUTES:
                self.assertEqual(host.routes()[prefix]["gateway"], self.b.ipv6 if ":" in prefix else self.b.ipv4)
        self.reached_by(container)
        self.b.network.check(container.id, container.path)
        # Counted.
        self.assertEqual(self.borrowed(), 2)
        rows = {row["block"]: row for row in self.b.ctl("ipam")}
        self.assertEqual({block for block, row in rows.items() if row["state"] == "borrowed"}, HOST_ROUTES)
        self.assertEqual([rows[block]["used"] for block in sorted(HOST_ROUTES)], [1, 1])
        self.assertEqual(self.b.ctl("ipam", "check"), [])
        self.b.del_container(container)
        self.wait_told(set())
        self.assertIsNone(self.elsewhere.call(ADDRESSES[0], timeout=0.5))
        self.assertEqual(self.borrowed(), 0)
        self.assertEqual({row["block"] for row in self.b.ctl("ipam")}, set(self.b.blocks))
        self.assertEqual(self.b.ctl("ipam", "check"), [])

    def test_nobody_else_gets_it_meanwhile(self):
        self.borrow("b1")
        self.wait_told(HOST_ROUTES)
        for host in (self.a, self.c):
            for address in ADDRESSES:
                with self.assertRaises(CniError) as raised:
                    self.borrow("again", [address], host)
                self.assertEqual(raised.exception.code, 103, raised.exception)
                self.assertIn(f"runtimeConfig.ips[0]: address {address} is in use: another host announces it",
                              raised.exception.message)
                self.give_up(host, "again")
        # The owner gives it to nobody: a new container each time, until the block is used up.
        single = {"type": "towpath-ipam", "pools": [{"name": "few", "prefixes": list(self.a.blocks)}],
                  "exclude": ["10.64.1.2-10.64.1.31", "10.64.1.35-10.64.1.63", "fd00:64:0:1::2-fd00:64:0:1::31",
                              "fd00:64:0:1::35-fd00:64:0:1::3f"]}
        plugin = self.a.network.conflist["plugins"][0]
        before, plugin["ipam"] = plugin["ipam"], single
        try:
            given = [self.a.add_container(f"few{number}") for number in (1, 2)]
            self.assertEqual(sorted(container.ipv4 for container in given), ["10.64.1.32", "10.64.1.34"])
            self.assertEqual(sorted(container.ipv6 for container in given), ["fd00:64:0:1::32", "fd00:64:0:1::34"])
            with self.assertRaises(CniError) as raised:
                self.a.add_container("few3")
            self.assertEqual(raised.exception.code, 11, raised.exception)
            self.give_up(self.a, "few3")
        finally:
            plugin["ipam"] = before
        for container in given:
            self.a.del_container(container)

    def test_the_owner_keeps_what_it_gave(self):
        """A host that does not see the owner's containers announces an address that one of them has."""
        owned = self.a.add_container("a2", capabilities={"ips": list(ADDRESSES)})
        owned.serve()
        self.borrow("b1")
        self.wait_told(HOST_ROUTES)
        self.assertEqual(self.at_home.call(ADDRESSES[0]), self.at_home.ipv4)
        self.assertEqual(self.a.run("ip", "route", "get", ADDRESSES[0]).split()[2], self.host_end(owned))
        self.a.del_container(owned)

    def host_end(self, container):
        return next(row["host_ifname"] for row in container.host.ctl("endpoints") if row["container_id"] == container.id)

    def test_over_a_restart_of_the_agent(self):
        container = self.borrow("b1")
        self.wait_told(HOST_ROUTES)
        self.b.stop_agent(signal.SIGKILL)
        self.b.start_agent()
        wait_until(lambda: self.b.established("host-a", "host-c"), 20, "the sessions are back")
        self.wait_told(HOST_ROUTES)
        self.reached_by(container)
        self.assertEqual(self.borrowed(), 2)
        # What went while it was away is not announced when it is back.
        self.b.stop_agent()
        self.b.del_container(container)
        other = self.borrow("b2", ["10.64.1.34"])
        self.b.start_agent()
        self.wait_told(set(), deadline=30)
        wait_until(lambda: "10.64.1.34/32" in self.c.routes(), 20, "what came meanwhile is announced")
        self.assertEqual(self.elsewhere.call(other.ipv4), self.elsewhere.ipv4)
        self.b.del_container(other)
        wait_until(lambda: "10.64.1.34/32" not in self.c.routes(), 10, "and withdrawn")

    def test_a_sandbox_that_is_gone(self):
        container = self.borrow("b1", serve=False)
        self.wait_told(HOST_ROUTES)
        del self.b.containers[container.name]
        self.lab._del_netns(container.netns)
        self.wait_told(set(), deadline=60)
        self.assertEqual(self.borrowed(), 0)
        self.assertEqual(self.b.ctl("ipam", "check"), [])
        again = self.borrow("b2", serve=False)
        self.wait_told(HOST_ROUTES)
        self.b.network.cache.clear()  # a runtime that has forgotten it: there is no DEL before GC
        del self.b.containers[again.name]
        self.lab._del_netns(again.netns)
        self.b.network.gc([])
        self.wait_told(set(), deadline=30)

    def test_what_is_refused(self):
        plugin = self.b.network.conflist["plugins"][0]
        cases = [(["10.64.1.33"], False, "lies in none of the blocks 10.64.2.0/26 of this host; with ipam.borrow it can be one of "
                                         "another host's"),
                 (["198.51.100.1"], True, "lies in none of the pools 10.64.0.0/16, fd00:64::/48"),
                 (["10.64.2.0"], True, "is the first of the block 10.64.2.0/26")]
        for addresses, borrow, reason in cases:
            plugin["ipam"]["borrow"] = borrow
            try:
                with self.assertRaises(CniError) as raised:
                    self.borrow("refused", addresses)
            finally:
                plugin["ipam"]["borrow"] = True
            self.assertEqual(raised.exception.code, 7, raised.exception)
            self.assertIn(f"runtimeConfig.ips[0]: address {addresses[0]} {reason}", raised.exception.message)
            self.give_up(self.b, "refused")
        self.assertEqual({row["block"] for row in self.b.ctl("ipam")}, set(self.b.blocks))


if __name__ == "__main__":
    unittest.main()
