"""Peers that nobody configured by address: BIRD and FRR connect out of a range, over IPv4 and IPv6, signed and not; the agent
restarts under them and removes nothing that somebody may still be about to announce again.
"""

import ipaddress
import json
import signal
import unittest

from daemons.daemon import Neighbor, Route
from daemons.frr import Frr
from lab import Lab, wait_until

OUR_AS = 64512
KEY = "four-gates-and-a-lock"
PREFIXES = {"bird": ("10.64.50.0/26", "fd00:64:0:50::/122"), "frr": ("10.64.51.0/26", "fd00:64:0:51::/122")}


class PeerRanges(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host = self.lab.add_host("host-a", OUR_AS)
        self.bird = self.lab.add_bird("bird", 50, 65050)
        self.frr = Frr(self.lab, "frr", 51, OUR_AS)
        key_file = self.host.directory / "bgp.key"
        key_file.write_text(KEY + "\n")
        # BIRD comes over IPv6; FRR over IPv4, with a signature.
        self.host.config["peers"] = [
            {"name": "fabric", "range": self.of(self.bird.ipv6, 64), "as": "external", "hold_time": 9},
            {"name": "rack", "range": self.of(self.frr.ipv4, 24), "as": "internal", "hold_time": 9,
             "md5_key_file": str(key_file)}]
        self.names = {"bird": f"fabric/{self.bird.ipv6}", "frr": f"rack/{self.frr.ipv4}"}
        self.bird.configure(f"""
            protocol static own4 {{ ipv4; route {PREFIXES["bird"][0]} blackhole; }}
            protocol static own6 {{ ipv6; route {PREFIXES["bird"][1]} blackhole; }}
            protocol bgp towpath {{
              local {self.bird.ipv6} as 65050; neighbor {self.host.ipv6} as {OUR_AS};
              connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 9;
              ipv4 {{ import all; next hop address {self.bird.ipv4}; export where source = RTS_STATIC; }};
              ipv6 {{ import all; export where source = RTS_STATIC; }}; }}""")
        self.frr.configure([Neighbor("towpath", self.host.ipv4, self.frr.ipv4, OUR_AS, next_hop_ipv6=self.frr.ipv6, key=KEY)],
                           [Route(prefix) for prefix in PREFIXES["frr"]])

    @staticmethod
    def of(address, length):
        return str(ipaddress.ip_network(f"{address}/{length}", strict=False))

    def learned(self, *who):
        """The kernel has the routes of all these, and of these alone."""
        found = set()
        for family in ("-4", "-6"):
            rows = json.loads(self.host.run("ip", "-j", family, "route", "show", "proto", "84") or "[]")
            found |= {row["dst"] for row in rows if row.get("type", "unicast") == "unicast"}
        return found == {prefix for name in who for prefix in PREFIXES[name]}

    def start(self):
        self.host.start_agent()
        self.bird.launch()
        self.frr.launch()
        wait_until(lambda: self.learned("bird", "frr"), 30, lambda: f"{self.host.ctl('peers')}\n{self.host.log_tail()}")

    def test_they_come_and_go(self):
        self.start()
        self.assertTrue(self.host.established(*self.names.values()), self.host.ctl("peers"))
        self.assertEqual([row["as"] for row in self.host.ctl("peers") if row["name"] == self.names["bird"]], [65050])
        wait_until(lambda: self.bird.count("") >= 4, 10, "our blocks are at BIRD's, too")
        self.assertEqual(self.host.ctl("routes", "adj-rib-in", "--peer", self.names["frr"])[0]["peer"], self.names["frr"])
        self.bird.birdc("disable towpath")
        wait_until(lambda: self.learned("frr"), 10, "its routes go with it")
        self.bird.birdc("enable towpath")
        wait_until(lambda: self.learned("bird", "frr"), 20, "it is welcome again")

    def test_a_restart_waits_for_who_may_come(self):
        self.start()
        self.host.stop_agent(signal.SIGKILL)
        self.frr.stop()
        self.host.start_agent()
        wait_until(lambda: self.host.established(self.names["bird"]), 20, "BIRD is back")
        self.assertFalse(self.host.ctl("status")[0]["in_sync"])
        self.assertTrue(self.learned("bird", "frr"), "FRR's routes stay while it may come")
        wait_until(lambda: self.host.ctl("status")[0]["in_sync"], 20, "restart_deferral is over")
        wait_until(lambda: self.learned("bird"), 10, "nobody came")


if __name__ == "__main__":
    unittest.main()
