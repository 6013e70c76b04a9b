"""Prefixes beside the blocks: of the configuration while they are healthy, and leased by programs of the host. BIRD and a
second host of ours look on.
"""

import re
import socket
import unittest

from lab import Lab, LabError, inside, wait_until

BIRD_AS = 65050
WEB = ["198.51.100.80/32", "2001:db8:80::80/128"]
CHECKED = ["198.51.100.25/32", "2001:db8:80::25/128"]
LEASABLE = ["198.51.100.0/24", "2001:db8:80::/48", "10.64.0.0/16", "fd00:64::/48"]


class ServicePrefixes(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host, self.other = self.lab.add_host("host-a"), self.lab.add_host("host-b")
        self.host.config["advertise_leases"] = LEASABLE
        self.other.config["advertise_leases"] = LEASABLE
        self.bird = self.lab.add_watching_bird("bird", 50, BIRD_AS, self.host)
        self.host.peer_with(self.other)
        self.other.peer_with(self.host)

    def start(self):
        for host in (self.host, self.other):
            host.start_agent()
        self.bird.launch()
        self.wait_told([])
        wait_until(lambda: set(self.other.blocks) <= set(self.host.routes()), 20, lambda: self.host.ctl("peers"))

    def told(self):
        """What BIRD has from us beside the blocks."""
        found = re.findall(r"^([0-9a-f.:]+/\d+)\s", self.bird.birdc("show route protocol towpath"), re.MULTILINE)
        return sorted(set(found) - set(self.host.blocks))

    def wait_told(self, prefixes, deadline=20):
        wait_until(lambda: self.bird.established("towpath") and self.told() == sorted(prefixes), deadline,
                   lambda: f"BIRD has {self.told()}, wanted {prefixes}: {self.host.ctl('advertised')}")

    def lease(self, prefix, owner="web", seconds=3600, host=None):
        return (host or self.host).ctl("advertise", prefix, "--owner", owner, "--lease", seconds)[0]

    def refusal(self, *words):
        with self.assertRaises(LabError) as refused:
            self.host.ctl(*words)
        return str(refused.exception)

    def test_leases_come_and_go(self):
        self.start()
        for prefix in WEB:
            row = self.lease(prefix)
            self.assertEqual((row["prefix"], row["owner"], row["announced"]), (prefix, "web", True))
        self.wait_told(WEB)
        connections = self.host.peer("bird")["connections"]
        # Nobody renews this one.
        self.lease("198.51.100.81/32", "mail", seconds=1)
        wait_until(lambda: [row["prefix"] for row in self.host.ctl("advertised")] == WEB, 10,
                   lambda: self.host.ctl("advertised"))
        self.assertIn("a lease ended", self.host.log_tail(1000))
        self.wait_told(WEB)
        self.host.ctl("withdraw", WEB[0], "--owner", "web")
        self.wait_told(WEB[1:])
        self.host.ctl("withdraw", WEB[1])
        self.wait_told([])
        self.assertEqual(self.host.peer("bird")["connections"], connections, "all within one session")

    def test_a_lease_outlives_a_restart_of_the_agent(self):
        self.start()
        for prefix in WEB:
            self.lease(prefix)
        before = [row["ends_in_seconds"] for row in self.host.ctl("advertised")]
        self.host.stop_agent()
        self.host.start_agent()
        self.wait_told(WEB)
        after = [row["ends_in_seconds"] for row in self.host.ctl("advertised")]
        self.assertTrue(all(a <= b for a, b in zip(after, before, strict=True)), f"{after}, before {before}")
        self.host.agent.send_signal(9)
        wait_until(lambda: not self.host.agent.running(), 5, "killed")
        self.host.start_agent()
        self.wait_told(WEB)
        # A file that does not allow it any more ends the lease.
        self.host.config["advertise_leases"] = LEASABLE[1:]
        self.host.reload_agent()
        self.wait_told(WEB[1:])

    def test_what_is_refused(self):
        self.start()
        self.lease(WEB[0])
        self.assertIn("(409): prefix: value '198.51.100.80/32': web has it by a lease",
                      self.refusal("advertise", WEB[0], "--owner", "mail", "--lease", 10))
        self.assertIn("web has it", self.refusal("withdraw", WEB[0], "--owner", "mail"))
        self.assertIn("(404)", self.refusal("withdraw", WEB[1]))
        self.assertIn("lies in none of `advertise_leases`",
                      self.refusal("advertise", "203.0.113.1/32", "--owner", "web", "--lease", 10))
        self.assertIn("must be from 1 to 3600 seconds", self.refusal("advertise", WEB[1], "--owner", "web", "--lease", 0))
        self.assertIn("the network is 198.51.100.0/24",
                      self.refusal("advertise", "198.51.100.1/24", "--owner", "web", "--lease", 10))
        self.assertIn("is a block of this host already",
                      self.refusal("advertise", self.host.blocks[0], "--owner", "web", "--lease", 10))
        for prefix, block in (("10.64.2.7/32", self.other.blocks[0]), ("10.64.2.0/26", self.other.blocks[0]),
                              ("10.64.2.0/24", self.other.blocks[0]), ("fd00:64:0:2::7/128", self.other.blocks[1])):
            self.assertIn(f"(409): prefix: value '{prefix}': meets {block}, which host-b announces",
                          self.refusal("advertise", prefix, "--owner", "web", "--lease", 10))
        self.wait_told(WEB[:1])

    def test_several_hosts_may_serve_one_address(self):
        self.start()
        anycast = ["10.64.200.1/32", "fd00:64:0:200::1/128"]
        for prefix in anycast:
            self.lease(prefix, host=self.other)
        wait_until(lambda: set(anycast) <= set(self.host.routes()), 10, lambda: self.host.ctl("routes"))
        for prefix in anycast:
            self.lease(prefix)
        self.wait_told(anycast)
        wait_until(lambda: not set(anycast) & set(self.host.routes()), 10, "served here, so no way leads to the other")
        for prefix in anycast:
            self.host.ctl("withdraw", prefix)
        self.wait_told([])
        wait_until(lambda: set(anycast) <= set(self.host.routes()), 10, "and back to the other")

    def test_the_configuration_announces_what_answers(self):
        ports = [8025, 8026]
        checks = [f"{self.host.ipv4}:{ports[0]}", f"[{self.host.ipv6}]:{ports[1]}"]
        self.host.config["advertise"] = [WEB[0]] + [
            {"prefix": prefix, "health": {"tcp": check, "interval": 1, "timeout": 1, "rise": 1, "fall": 1}}
            for prefix, check in zip(CHECKED, checks, strict=True)]
        self.host.start_agent()
        self.other.start_agent()
        self.bird.launch()
        self.wait_told(WEB[:1])
        listeners = []
        with inside(self.host.netns):
            for family, address, port in ((socket.AF_INET, self.host.ipv4, ports[0]),
                                          (socket.AF_INET6, self.host.ipv6, ports[1])):
                listener = socket.socket(family, socket.SOCK_STREAM)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, port))
                listener.listen(64)
                listeners.append(listener)
        self.wait_told(WEB[:1] + CHECKED)
        listeners[1].close()
        self.wait_told(WEB[:1] + CHECKED[:1])
        row = next(row for row in self.host.ctl("advertised") if row["prefix"] == CHECKED[1])
        self.assertEqual((row["announced"], row["health"]), (False, "unhealthy"))
        self.assertIn("Connection refused", row["problem"])
        # A reload that names no service any more.
        self.host.config["advertise"] = []
        self.host.reload_agent()
        self.wait_told([])
        listeners[0].close()


if __name__ == "__main__":
    unittest.main()
