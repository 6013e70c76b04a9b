"""What containers notice when agents die and return: packets every millisecond between two hosts, both ways, both families.
Each test prints how many were lost.

    restart.py [--restarts N] [TEST...]      N restarts in each test; a few without it, or $TOWPATH_RESTARTS

Three hosts that are each other's peers; and two hosts that know each other through a route reflector alone, which is the
helper of their restarts (RFC 4724 section 4.2): each daemon of HELPERS in turn.
"""

import os
import signal
import sys
import time
import unittest

from daemons.bird import Bird
from daemons.daemon import Neighbor
from daemons.frr import Frr
from daemons.gobgp import Gobgp
from daemons.openbgpd import Openbgpd
from lab import Lab, Probe, wait_until

RESTARTS = int(os.environ.get("TOWPATH_RESTARTS", "2"))
HELPERS = (Bird, Frr, Gobgp, Openbgpd)
AS = 64512


class Restarts:
    """What all tests here do, with hosts that are self.lab.hosts; self.one and self.two are containers of the first two."""

    @classmethod
    def start(cls):
        for host in cls.lab.hosts:
            host.start_agent()
        cls.one, cls.two = cls.lab.hosts[0].add_container("one"), cls.lab.hosts[1].add_container("two")
        cls.wait_all_whole()

    @classmethod
    def wait_all_whole(cls):
        for host in cls.lab.hosts:
            cls.wait_whole(host)

    @classmethod
    def wait_whole(cls, host):
        """All sessions up, all routes there, and the agent itself says that nothing is missing."""
        blocks = {block for other in cls.lab.hosts if other is not host for block in other.blocks}

        def says_so():
            peers = host.ctl("peers")
            return (all(row["state"] == "Established" for row in peers) and
                    sum(row["prefixes_accepted"] for row in peers) >= len(blocks) and
                    host.ctl("status")[0]["in_sync"] and host.ctl("routes", "diff") == [])

        wait_until(says_so, 40, lambda: f"{host.name} is whole: {host.ctl('peers')}\n{host.log_tail()}")
        if host.config.get("kernel", {}).get("install", True):
            wait_until(lambda: blocks <= set(host.routes()), 10, lambda: f"{host.name}: {host.routes()}")

    def probe_while(self, what, action):
        """action(i) for each restart i."""
        probe = Probe([(self.one, self.two), (self.two, self.one)])
        began = time.monotonic()
        slowest = 0.0
        for number in range(RESTARTS):
            since = time.monotonic()
            action(number)
            self.wait_all_whole()
            slowest = max(slowest, time.monotonic() - since)
        # What is removed late must be noticed too.
        ended = time.monotonic()
        wait_until(lambda: time.monotonic() - ended > 3, 10, "three seconds of packets")
        rows = probe.stop()
        print(f"{what}, {RESTARTS} times in {ended - began:.1f} s (whole again within {slowest:.1f} s): " +
              ", ".join(f"{row['from']}->{row['to']} {'v6' if ':' in row['address'] else 'v4'} lost {row['lost']} of {row['sent']}"
                        for row in rows), flush=True)
        self.assertGreater(min(row["sent"] for row in rows), 2000)
        self.assertEqual([row["lost"] for row in rows], [0, 0, 0, 0])

    @staticmethod
    def restart(number, *hosts):
        for host in hosts:
            host.agent.send_signal(number)
        for host in hosts:
            host.agent.popen.wait(10)
        for host in hosts:
            host.start_agent()


class Restart(Restarts, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.a, cls.b, cls.c = (cls.lab.add_host(f"host-{letter}") for letter in "abc")
        cls.lab.full_mesh()
        cls.start()

    def test_sigkill(self):
        self.probe_while("SIGKILL of one agent", lambda _: self.restart(signal.SIGKILL, self.a))

    def test_sigterm(self):
        self.probe_while("SIGTERM of one agent", lambda _: self.restart(signal.SIGTERM, self.a))

    def test_sigkill_of_both_ends(self):
        self.probe_while("SIGKILL of both agents", lambda _: self.restart(signal.SIGKILL, self.a, self.b))

    def test_sigterm_of_both_ends(self):
        self.probe_while("SIGTERM of both agents", lambda _: self.restart(signal.SIGTERM, self.a, self.b))

    def test_two_restarts_in_a_row(self):
        def twice(_):
            self.restart(signal.SIGKILL, self.a)
            self.restart(signal.SIGKILL, self.a)

        self.probe_while("SIGKILL twice in a row", twice)


class Reflector(Restarts, unittest.TestCase):
    """Two hosts know each other through an agent that reflects, and this one restarts."""

    def reflected_by(self, what, **kernel):
        cls = type(self)
        cls.lab = Lab()
        self.addCleanup(cls.lab.close)
        a, b, reflector = (cls.lab.add_host(name) for name in ("host-a", "host-b", "reflector"))
        if kernel:
            reflector.config["kernel"] = kernel
        for host in (a, b):
            host.peer_with(reflector)
            reflector.peer_with(host, route_reflector_client=True, export="all")
        cls.start()
        self.probe_while(f"SIGKILL and SIGTERM in turn of {what}",
                         lambda i: self.restart(signal.SIGTERM if i % 2 else signal.SIGKILL, reflector))

    def test_a_host_that_reflects(self):
        self.reflected_by("a host that reflects")

    def test_a_reflector_beside_the_path(self):
        self.reflected_by("a reflector beside the path", install=False)


class Helper(Restarts, unittest.TestCase):
    """The agent is killed, and another time stopped for an upgrade, while a foreign daemon is all that knows its routes."""

    def helped_by(self, product):
        cls = type(self)
        cls.lab = Lab()
        self.addCleanup(cls.lab.close)
        a, b = (cls.lab.add_host(f"host-{letter}", AS) for letter in "ab")
        daemon = product(cls.lab, product.product.lower(), 60, AS)
        # A session for all, or for each family its own where the daemon needs that.
        sessions = [(4, ("ipv4", "ipv6"))] if product.both_families else [(4, ("ipv4",)), (6, ("ipv6",))]
        neighbors = []
        for host in (a, b):
            for version, families in sessions:
                ours, theirs = (host.ipv4, daemon.ipv4) if version == 4 else (host.ipv6, daemon.ipv6)
                neighbors.append(Neighbor(f"{host.name.replace('-', '')}v{version}", ours, theirs, AS, families,
                                          reflector_client=True))
                host.config["peers"].append({"name": f"{daemon.name}{version}", "address": theirs, "as": AS, "hold_time": 9,
                                             "connect_retry": 1, "families": list(families)})
        daemon.configure(neighbors, transit=("10.64.0.0/16", "fd00:64::/48"))
        daemon.launch()
        cls.start()
        self.probe_while(f"SIGKILL and SIGTERM in turn, helped by {product.product}",
                         lambda i: self.restart(signal.SIGTERM if i % 2 else signal.SIGKILL, a))


for helper in HELPERS:
    setattr(Helper, f"test_{helper.product.lower()}", lambda self, product=helper: self.helped_by(product))


if __name__ == "__main__":
    if "--restarts" in sys.argv:
        at = sys.argv.index("--restarts")
        RESTARTS = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    unittest.main()
