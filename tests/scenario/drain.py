"""A host that is taken out of service and put back, seen by BIRD (another AS) and by a second host of ours (the same AS)."""

import re
import threading
import unittest

from lab import Lab, LabError, wait_until

BIRD_AS = 65050
GRACEFUL_SHUTDOWN = "(65535,0)"


class Draining(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host, self.other = self.lab.add_host("host-a"), self.lab.add_host("host-b")
        self.bird = self.lab.add_watching_bird("bird", 50, BIRD_AS, self.host)
        self.host.peer_with(self.other)
        self.other.peer_with(self.host)
        for host in (self.host, self.other):
            host.start_agent()
        self.bird.launch()
        self.wait_in_service()

    def wait_in_service(self):
        wait_until(lambda: self.seen() == dict.fromkeys(self.host.blocks, False), 30,
                   lambda: f"{self.seen()} {self.host.ctl('peers')}")
        wait_until(lambda: set(self.host.blocks) <= set(self.other.routes()), 20, lambda: self.other.ctl("peers"))
        self.assertEqual({pref for _, pref in self.at_other().values()}, {100})

    def seen(self):
        """{prefix: whether it carries GRACEFUL_SHUTDOWN} of what BIRD has from us."""
        routes, prefix = {}, None
        for line in self.bird.birdc("show route all protocol towpath").splitlines():
            if match := re.match(r"([0-9a-f.:]+/\d+)\s", line):
                prefix = match.group(1)
                routes[prefix] = False
            elif prefix and "BGP.community" in line:
                routes[prefix] = GRACEFUL_SHUTDOWN in line
        return routes

    def at_other(self):
        """{prefix: (communities, local preference)} of what the second host has from us."""
        rows = self.other.ctl("routes", "adj-rib-in", "--peer", "host-a")
        return {row["prefix"]: (row["communities"], row["local_pref"]) for row in rows}

    def drain_state(self):
        return self.host.ctl("status")[0]["drain"]

    def test_out_of_service_and_back(self):
        outcome = []
        command = threading.Thread(
            target=lambda: outcome.extend(self.host.ctl("drain", "--wait", 20, "--reason", "moves to rack 7")))
        command.start()
        # First the community, in the same session, and the routes stay in use.
        wait_until(lambda: self.seen() == dict.fromkeys(self.host.blocks, True), 15, self.seen)
        wait_until(lambda: all(one == (["graceful-shutdown"], 0) for one in self.at_other().values()), 15, self.at_other)
        self.assertTrue(set(self.host.blocks) <= set(self.other.routes()))
        self.assertEqual(self.drain_state(), "announced")
        self.assertEqual(self.host.peer("bird")["connections"], 1)
        self.assertEqual(outcome, [], "the command waits, too")
        # Then they go, and then the sessions, with the reason.
        command.join(60)
        self.assertEqual([row["drain"] for row in outcome], ["drained"])
        wait_until(lambda: not self.seen() and not self.bird.established("towpath"), 5, self.seen)
        wait_until(lambda: not set(self.host.blocks) & set(self.other.routes()), 5, self.other.routes)
        log = self.bird.log_path.read_text()
        self.assertRegex(log, r'Received: Administrative shutdown.*moves to rack 7')
        self.assertIn("moves to rack 7", self.other.log_tail(1000))
        self.assertIn("this host is drained: moves to rack 7", self.host.peer("bird")["last_error"])
        self.assertEqual([row["state"] for row in self.host.ctl("peers")], ["Idle", "Idle"])
        # Its peers call in vain, a reload and a restart change nothing.
        self.host.reload_agent()
        wait_until(lambda: self.host.ctl("status")[0]["reloads"] == 1, 5, self.host.log_tail)
        wait_until(lambda: "it is kept down" in self.host.log_tail(1000), 15, self.host.log_tail)
        self.host.stop_agent()
        self.host.start_agent()
        self.assertEqual((self.drain_state(), self.host.established("bird")), ("drained", False))
        self.assertEqual(self.host.ctl("undrain")[0]["drain"], "no")
        self.wait_in_service()

    def test_given_up_half_way(self):
        command = threading.Thread(target=lambda: self.host.ctl("drain", "--wait", 600, check=False))
        command.start()
        wait_until(lambda: self.seen() == dict.fromkeys(self.host.blocks, True), 10, self.seen)
        self.host.ctl("undrain")
        self.wait_in_service()
        self.assertEqual(self.host.peer("bird")["connections"], 1, "the session stayed")
        command.join(10)
        self.assertFalse(command.is_alive(), "the command has seen that it was given up")

    def test_what_is_refused(self):
        for words, reason in ((("--wait", 3601), "wait: value '3601': must be a number from 0 to 3600"),
                              (("--reason", "x" * 129), "at most 128 octets")):
            with self.assertRaises(LabError) as refused:
                self.host.ctl("drain", *words)
            self.assertIn(reason, str(refused.exception))
        self.assertEqual(self.drain_state(), "no")


if __name__ == "__main__":
    unittest.main()
