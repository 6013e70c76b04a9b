"""Next hops that the host cannot reach (RFC 4271 section 9.1.2): a path with one is not used and not passed on, however good
it looks; it is as soon as there is a route to the next hop, and not any more when that is gone. No packet is lost over it.
"""

import re
import signal
import time
import unittest

from lab import Lab, ip_batch, wait_until

PREFIXES = {4: "10.64.50.0/26", 6: "fd00:64:0:50::/122"}
ANYCAST = {4: "10.64.50.1", 6: "fd00:64:0:50::1"}
# Of the better path: an address that its sender has, and to which nobody has a route.
FAR = {4: "198.51.100.1", 6: "2001:db8:66::1"}


def bird_body(bird, host, preference, hop4, hop6):
    return f"""
        protocol static own4 {{ ipv4; route {PREFIXES[4]} blackhole; }}
        protocol static own6 {{ ipv6; route {PREFIXES[6]} blackhole; }}
        protocol bgp towpath {{
          local {bird.ipv4} as 64512; neighbor {host.ipv4} as 64512;
          connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 9;
          ipv4 {{ import all; next hop address {hop4};
                 export filter {{ if source != RTS_STATIC then reject; bgp_local_pref = {preference}; accept; }}; }};
          ipv6 {{ import all; next hop address {hop6};
                 export filter {{ if source != RTS_STATIC then reject; bgp_local_pref = {preference}; accept; }}; }};
        }}"""


class NextHops(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host = self.lab.add_host("host-a")
        self.good, self.better = self.lab.add_bird("good", 50, 64512), self.lab.add_bird("better", 51, 64512)
        self.listener = self.lab.add_bird("listener", 52, 64512)
        for bird, preference, hop4, hop6 in ((self.good, 100, self.good.ipv4, self.good.ipv6),
                                             (self.better, 200, FAR[4], FAR[6])):
            # Packets to the prefix are answered by whoever gets them.
            ip_batch(bird.netns, f"address add {ANYCAST[4]}/32 dev lo", f"address add {ANYCAST[6]}/128 dev lo")
            bird.configure(bird_body(bird, self.host, preference, hop4, hop6))
            bird.launch()
            self.host.peer_with(bird, route_reflector_client=True)
        ip_batch(self.better.netns, f"address add {FAR[4]}/32 dev eth0", f"address add {FAR[6]}/128 dev eth0 nodad")
        self.listener.configure(f"""
            protocol bgp towpath {{ local {self.listener.ipv4} as 64512; neighbor {self.host.ipv4} as 64512;
              connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 9;
              ipv4 {{ import keep filtered; import all; export none; }}; ipv6 {{ import all; export none; }}; }}""")
        self.listener.launch()
        self.host.peer_with(self.listener, route_reflector_client=True)
        self.host.start_agent()
        wait_until(lambda: self.host.established("good", "better", "listener"), 20, "sessions")
        wait_until(lambda: all(len(self.rows(family)) == 2 for family in (4, 6)), 20, "both paths of both prefixes")

    def rows(self, family):
        return self.host.ctl("routes", "loc-rib", PREFIXES[family])

    def chosen(self, family):
        return [row["peer"] for row in self.rows(family) if row["best"]]

    def kernel_way(self, family):
        """The address that the kernel sends packets for the prefix to."""
        text = self.host.run("ip", f"-{family}", "route", "get", ANYCAST[family])
        match = re.search(r"via (?:inet6 )?(\S+)", text)
        return match.group(1) if match else None

    def kernel_ways(self):
        return {family: self.kernel_way(family) for family in (4, 6)}

    def settled(self, peer):
        """The best path is that of `peer`, the kernel has it, and the listener was told that one alone."""
        hops = {"good": {4: self.good.ipv4, 6: self.good.ipv6}, "better": FAR}[peer]
        for family in (4, 6):
            if self.chosen(family) != [peer] or self.kernel_way(family) != hops[family]:
                return False
            told = self.listener.birdc(f"show route {PREFIXES[family]} all")
            if f"BGP.next_hop: {hops[family]}" not in told:
                return False
        return self.host.ctl("status")[0]["in_sync"]

    def make_reachable(self):
        # On the link: the one who has the address answers for it.
        ip_batch(self.host.netns, f"route add {FAR[4]}/32 dev eth0", f"route add {FAR[6]}/128 dev eth0")

    def make_unreachable(self):
        ip_batch(self.host.netns, f"route del {FAR[4]}/32 dev eth0", f"route del {FAR[6]}/128 dev eth0")

    def test_a_better_path_is_used_while_its_next_hop_can_be_reached(self):
        wait_until(lambda: self.settled("good"), 10, "the path that leads somewhere")
        for family in (4, 6):
            reasons = {row["peer"]: row.get("reason") for row in self.rows(family)}
            self.assertEqual(reasons["better"], "no route to the next hop")
        self.assertEqual(self.host.ctl("status")[0]["next_hops_unreachable"], 2)
        self.assertEqual(self.host.ctl("status")[0]["routes_refused"], 0, "it was never even tried")

        pings = [self.host.start(["ping", f"-{family}", "-q", "-i", "0.002", "-c", "2500", "-W", "1", ANYCAST[family]],
                                 log=self.host.directory / f"ping{family}") for family in (4, 6)]
        time.sleep(0.3)
        for _ in range(3):
            self.make_reachable()
            wait_until(lambda: self.settled("better"), 15, "the better path")
            self.make_unreachable()
            wait_until(lambda: self.settled("good"), 15, "the path that leads somewhere, again")
        for process in pings:
            process.popen.wait(30)
            self.assertRegex(process.log(), r"2500 packets transmitted, 2500 received")

    def test_one_that_flickers_makes_no_churn(self):
        self.make_reachable()
        wait_until(lambda: self.settled("better"), 15, "the better path")
        before = self.host.ctl("status")[0]
        ages = [row["age_seconds"] for row in self.rows(4)]
        self.make_unreachable()
        self.make_reachable()
        time.sleep(1)
        after = self.host.ctl("status")[0]
        self.assertTrue(self.settled("better"))
        for counter in ("routes_added", "routes_replaced", "routes_deleted"):
            self.assertEqual(before[counter], after[counter], counter)
        self.assertEqual(len(ages), 2)

    def test_a_restart_keeps_what_is_in_use(self):
        """Also when the peer with the best path is the last one to speak (RFC 4724 section 4.1)."""
        self.make_reachable()
        wait_until(lambda: self.settled("better"), 15, "the better path")
        self.host.stop_agent()
        self.assertEqual(self.kernel_ways(), FAR)
        self.better.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.better.process.send_signal, signal.SIGCONT)
        begun = time.monotonic()
        self.host.start_agent()
        wait_until(lambda: all(self.chosen(family) == ["good"] for family in (4, 6)), 10, "the path of the peer that speaks")
        ways = self.kernel_ways()
        self.better.process.send_signal(signal.SIGCONT)
        # What is there is kept for five seconds, not for ever.
        while time.monotonic() < begun + 4 and not self.settled("better"):
            self.assertEqual(ways, FAR)
            ways = self.kernel_ways()
        wait_until(lambda: self.settled("better"), 20, "the better path")
        self.assertEqual(self.host.ctl("status")[0]["routes_deleted"], 0)

    def test_a_restart_waits_for_nobody_for_long(self):
        self.make_reachable()
        wait_until(lambda: self.settled("better"), 15, "the better path")
        self.host.stop_agent()
        self.better.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.better.process.send_signal, signal.SIGCONT)
        self.host.start_agent()
        wait_until(lambda: self.kernel_ways() == {4: self.good.ipv4, 6: self.good.ipv6}, 15, "the path that is left")


if __name__ == "__main__":
    unittest.main()
