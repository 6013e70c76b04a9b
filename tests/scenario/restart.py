"""What containers notice when agents die and return: packets every millisecond between two hosts, both ways, both families.
Each test prints how many were lost.
"""

import signal
import time
import unittest

from lab import Lab, Probe, wait_until


class Restart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.a, cls.b, cls.c = (cls.lab.add_host(f"host-{letter}") for letter in "abc")
        cls.lab.full_mesh()
        for host in cls.lab.hosts:
            host.start_agent()
        cls.one, cls.two = cls.a.add_container("one"), cls.b.add_container("two")
        for host in cls.lab.hosts:
            cls.wait_whole(host)

    @classmethod
    def wait_whole(cls, host):
        """All sessions up, all routes there, and the agent itself says that nothing is missing."""
        others = [other for other in cls.lab.hosts if other is not host]
        wait_until(lambda: host.established(*(other.name for other in others)), 30,
                   lambda: f"{host.name}: sessions {host.ctl('peers')}\n{host.log_tail()}")
        wait_until(lambda: all(row["state"] == "Established" and row["prefixes_accepted"] == 2 for row in host.ctl("peers")), 30,
                   f"{host.name}: two prefixes from each")
        wait_until(lambda: host.ctl("routes", "diff") == [], 30, f"{host.name}: the kernel has what the agent wants")

    def probe_while(self, what, action):
        probe = Probe([(self.one, self.two), (self.two, self.one)])
        began = time.monotonic()
        action()
        for host in self.lab.hosts:
            self.wait_whole(host)
        # Whole again within a tenth of a second, often; what is removed late must be noticed too.
        wait_until(lambda: time.monotonic() - began > 3, 10, "three seconds of packets")
        rows = probe.stop()
        print(f"{what}: " + ", ".join(f"{row['from']}->{row['to']} {'v6' if ':' in row['address'] else 'v4'} "
                                      f"lost {row['lost']} of {row['sent']}" for row in rows), flush=True)
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

    def test_sigkill(self):
        self.probe_while("SIGKILL of one agent", lambda: self.restart(signal.SIGKILL, self.a))

    def test_sigterm(self):
        self.probe_while("SIGTERM of one agent", lambda: self.restart(signal.SIGTERM, self.a))

    def test_sigkill_of_both_ends(self):
        self.probe_while("SIGKILL of both agents", lambda: self.restart(signal.SIGKILL, self.a, self.b))

    def test_two_restarts_in_a_row(self):
        def twice():
            self.restart(signal.SIGKILL, self.a)
            self.restart(signal.SIGKILL, self.a)

        self.probe_while("SIGKILL twice in a row", twice)


if __name__ == "__main__":
    unittest.main()
