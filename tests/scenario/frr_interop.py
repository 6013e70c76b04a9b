"""FRR as the other end of sessions that carry 10,000 routes of each family each way, with loss and return."""

import unittest

from bird_interop import OUR_AS, prefixes
from daemons.daemon import Neighbor, Route
from daemons.frr import Frr
from lab import Lab, wait_until

COUNT = 10000


class ManyRoutes(unittest.TestCase):
    def setUp(self):
        """FRR - Towpath - FRR, three autonomous systems: what one FRR announces reaches the other through us."""
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host = self.lab.add_host("host-a", OUR_AS)
        self.host.config["pools"] = ["10.0.0.0/8", "fd00::/8"]
        self.host.config["log"]["level"] = "info"
        self.left, self.right = Frr(self.lab, "left", 50, 65050), Frr(self.lab, "right", 51, 65051)
        self.announced = {self.left: (prefixes("10.128.0.0/10", 24, COUNT), prefixes("fd01::/32", 64, COUNT)),
                          self.right: (prefixes("10.192.0.0/10", 24, COUNT), prefixes("fd02::/32", 64, COUNT))}
        for frr, (ipv4, ipv6) in self.announced.items():
            neighbor = Neighbor("towpath", self.host.ipv4, frr.ipv4, OUR_AS, next_hop_ipv6=frr.ipv6, graceful_restart=False)
            frr.configure([neighbor], [Route(prefix) for prefix in ipv4 + ipv6],
                          transit=("10.128.0.0/9", "fd00::/8"))
            self.host.peer_with(frr, export="all", hold_time=9)
        self.host.start_agent()

    def wait_exchanged(self, frr, other):
        wait_until(lambda: frr.established("towpath"), 30, f"{frr.name} is established")
        # 10,000 routes of each family from the other FRR, and our own two blocks.
        wait_until(lambda: frr.count("towpath") == 2 * COUNT + 2, 60,
                   lambda: f"{frr.name} has all: {frr.count('towpath')}\n{self.host.log_tail()}", interval=0.2)
        for family in self.announced[other]:
            self.assertEqual(frr.path("towpath", family[77]).as_path, (OUR_AS, other.as_number))

    def wait_kernel(self, routes):
        wait_until(lambda: len(self.host.routes()) == len(routes), 60,
                   lambda: f"the kernel has all: {len(self.host.routes())} of {len(routes)}", interval=0.3)
        self.assertEqual(set(self.host.routes()), routes)

    def test_10000_routes_each_way(self):
        for frr in self.announced:
            frr.launch()
        self.wait_exchanged(self.left, self.right)
        self.wait_exchanged(self.right, self.left)
        own = set(self.host.blocks)
        everything = own | {prefix for lists in self.announced.values() for family in lists for prefix in family}
        self.wait_kernel(everything)
        kernel = self.host.routes()
        for frr, (ipv4, ipv6) in self.announced.items():
            self.assertEqual({kernel[prefix]["gateway"] for prefix in ipv4}, {frr.ipv4})
            self.assertEqual({kernel[prefix]["gateway"] for prefix in ipv6}, {frr.ipv6})
        self.assertEqual(self.host.ctl("routes", "diff"), [])
        # One side falls silent, and comes back.
        connections = self.host.peer("right")["connections"]
        rest = own | {prefix for family in self.announced[self.right] for prefix in family}
        self.left.cut_off()
        self.wait_kernel(rest)
        wait_until(lambda: self.right.count("towpath") == 2, 60, "the other FRR loses it, too", interval=0.3)
        self.left.reconnect()
        self.wait_exchanged(self.left, self.right)
        self.wait_exchanged(self.right, self.left)
        self.wait_kernel(everything)
        # One side is stopped, and started.
        self.left.stop()
        self.wait_kernel(rest)
        self.left.launch()
        self.wait_exchanged(self.right, self.left)
        self.wait_kernel(everything)
        self.assertEqual(self.host.peer("right")["connections"], connections)


if __name__ == "__main__":
    unittest.main()
