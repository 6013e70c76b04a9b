"""What keeps a session down on purpose, with FRR as the other end: too many prefixes, and a key that is not there."""

import unittest

from daemons.daemon import Neighbor, Route
from daemons.frr import Frr
from lab import Lab, wait_until

OUR_AS, THEIR_AS = 64512, 65050
KEY = "seven-locks-and-a-weir"


class KeptDown(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host = self.lab.add_host("host-a", OUR_AS)
        self.host.config["pools"] = ["10.0.0.0/8", "fd00::/8"]
        self.frr = Frr(self.lab, "frr", 50, THEIR_AS)

    def start(self, key="", **more):
        neighbor = Neighbor("towpath", self.host.ipv4, self.frr.ipv4, OUR_AS, next_hop_ipv6=self.frr.ipv6, key=key)
        self.routes = [f"10.128.{number}.0/24" for number in range(1, 11)] + [f"fd01:{number}::/48" for number in range(1, 11)]
        self.frr.configure([neighbor], [Route(prefix) for prefix in self.routes])
        self.host.peer_with(self.frr, hold_time=9, connect_retry=1, **more)
        self.host.start_agent()
        self.frr.launch()

    def wait_up(self):
        wait_until(lambda: self.frr.established("towpath") and set(self.routes) <= set(self.host.routes()), 30,
                   lambda: f"{self.host.peer('frr')} {self.frr.states()}")

    def reloads(self):
        return self.host.ctl("status")[0]["reloads"]

    def reload(self, **keys):
        before = self.reloads()
        self.host.config["peers"][0].update(keys)
        self.host.reload_agent()
        wait_until(lambda: self.reloads() == before + 1, 5, self.host.log_tail)

    def test_too_many_prefixes(self):
        self.start(maximum_prefixes={"ipv6": 9, "restart": 0})
        wait_until(lambda: "more than 9 ipv6-unicast prefixes" in self.host.peer("frr")["last_error"], 20,
                   lambda: self.host.peer("frr"))
        reason = wait_until(lambda: self.frr.last_notification("towpath"), 10, "FRR was told")
        # FRR keeps routes over a NOTIFICATION, unless it is a Hard Reset (RFC 8538).
        self.assertIn(reason, ("Cease/Maximum Number of Prefixes Reached", "Cease/Hard Reset"))
        wait_until(lambda: not set(self.routes) & set(self.host.routes()), 10, lambda: self.host.routes())
        self.assertFalse(self.host.established("frr"))
        self.reload(maximum_prefixes={"ipv4": 10, "ipv6": 10})
        self.wait_up()
        connections = self.host.peer("frr")["connections"]
        self.reload(maximum_prefixes={"ipv4": 11, "ipv6": 10})
        self.wait_up()
        self.assertEqual(self.host.peer("frr")["connections"], connections, "another limit is no new session")

    def test_a_missing_key_and_a_new_one(self):
        file = self.host.directory / "bgp.key"
        self.start(key=KEY, md5_key_file=str(file))
        wait_until(lambda: "no MD5 key" in self.host.peer("frr")["last_error"], 10, lambda: self.host.peer("frr"))
        self.assertIn(str(file), self.host.peer("frr")["last_error"])
        self.assertEqual(self.host.peer("frr")["state"], "Idle")
        file.write_text(KEY + "\n")
        self.reload()
        self.wait_up()
        # FRR starts a new session when its key changes; we do not.
        file.write_text("another\n")
        self.reload()
        self.assertTrue(self.host.established("frr"))
        self.frr.vtysh("configure", f"router bgp {THEIR_AS}", f"neighbor {self.host.ipv4} password another")
        wait_until(lambda: self.host.peer("frr")["connections"] == 2, 30, lambda: self.host.peer("frr"))
        self.wait_up()
        self.assertNotIn(KEY, self.host.log_tail(1000))


if __name__ == "__main__":
    unittest.main()
