"""One host under attack, another that must not notice, and a node full of enemies: for tests that break the protocol.

The agent holds off a peer that broke the protocol, for longer each time, so every attack comes from a peer of its own: an
address out of 198.18.0.0/15, all of which are the enemy node's.
"""

import unittest

from bgp_peer import KEEPALIVE, OPEN, Connection, message, open_message
from capture_check import complaints
from lab import Lab, Node, ip_batch, wait_until

AS, ID = 65099, "192.0.2.99"
HOLD_TIME = 30


class HostileLab(unittest.TestCase):
    enemies = 100
    enemy_options = {}
    dissected = True  # whether tshark looks at the NOTIFICATIONs that the enemies get

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.host, cls.other = cls.lab.add_host("host-a"), cls.lab.add_host("host-b")
        cls.lab.full_mesh(export="all")
        for host in (cls.host, cls.other):
            host.config["pools"] = ["10.0.0.0/8", "fd00::/8"]
            host.config["log"]["level"] = "warning"
            # The kernel is not what is tried here.
            host.config["kernel"] = {"install": False}
        cls.node = Node(cls.lab, "enemy", 99)
        # They lie behind the node's one address, so that no neighbour table fills.
        ip_batch(cls.node.netns, "route add local 198.18.0.0/15 dev lo")
        ip_batch(cls.host.netns, f"route add 198.18.0.0/15 via {cls.node.ipv4}")
        addresses = [f"198.18.{number // 200}.{1 + number % 200}" for number in range(cls.enemies)]
        cls.host.config["peers"] += [
            {"name": address, "address": address, "as": AS, "passive": True, "hold_time": HOLD_TIME, **cls.enemy_options}
            for address in addresses]
        cls.fresh = iter(addresses)
        cls.capture = cls.host.capture("tcp port 179 and net 198.18.0.0/15") if cls.dissected else None
        for host in (cls.host, cls.other):
            host.start_agent()
        wait_until(lambda: cls.host.established("host-b") and cls.other.established("host-a") and
                   set(cls.other.blocks) <= cls.prefixes(cls.host), 20, "the good session has its routes")
        cls.connections = {host: host.peer(peer)["connections"]
                           for host, peer in ((cls.host, "host-b"), (cls.other, "host-a"))}

    @classmethod
    def tearDownClass(cls):
        for host in (cls.host, cls.other):
            status, log = host.stop_agent(), host.log_path.read_text(errors="replace")
            if status != 0 or "runtime error:" in log or "Sanitizer" in log:
                raise AssertionError(f"{host.name} ended with {status}: {log[-5000:]}")
        faults = complaints(cls.capture.finish(), f"ip.src == {cls.host.ipv4} && bgp.type == 3") if cls.capture else []
        if faults:
            raise AssertionError("\n".join(faults[:20]))

    def tearDown(self):
        self.assertTrue(self.host.agent.running(), self.host.log_tail())
        for host, peer in ((self.host, "host-b"), (self.other, "host-a")):
            row = host.peer(peer)
            self.assertEqual((row["state"], row["connections"]), ("Established", self.connections[host]),
                             "the other session")
        # Never withdrawn, so never announced again: their age is that of the session.
        session = self.host.peer("host-b")["since_seconds"]
        ages = [row["age_seconds"] for row in self.host.ctl("routes", "adj-rib-in", "--peer", "host-b")]
        self.assertEqual(len(ages), len(self.other.blocks))
        self.assertGreaterEqual(min(ages) + 2, session, "the other's routes did not flap")
        self.assertEqual(self.other.log_tail(), "", "host-b has nothing to complain about")

    @staticmethod
    def prefixes(host, *words):
        return {row["prefix"] for row in host.ctl("routes", *words)}

    def connect(self, address=None, **more):
        """A TCP connection from a peer that has done no harm yet; its name is in self.peer."""
        self.peer = address or next(self.fresh)
        connection = Connection(self.node, self.host.ipv4, source=self.peer, **more)
        self.addCleanup(connection.socket.close)
        return connection

    def establish(self, address=None, **more):
        connection = self.connect(address)
        connection.send(open_message(AS, ID, **{"hold_time": HOLD_TIME, **more}) + message(KEEPALIVE))
        self.assertEqual(connection.receive()[0], OPEN)
        self.assertEqual(connection.receive()[0], KEEPALIVE)
        return connection

    def row(self, peer=None):
        return self.host.peer(peer or self.peer)

    def wait_for_route(self, prefix, present=True, peer=None):
        name = peer or self.peer
        wait_until(lambda: (prefix in self.prefixes(self.host, "--peer", name)) == present, 10,
                   lambda: f"{prefix} {'there' if present else 'gone'}: {self.row(name)}\n{self.host.log_tail(5)}")

    def assert_stays(self, connection, prefix, present=True):
        """The session survived what was sent before: it takes one more route, and that of the attack is as it must be."""
        self.wait_for_route(prefix, present)
        self.assertEqual(self.row()["state"], "Established", self.row())

    def assert_answer(self, connection, code, subcode):
        answer = connection.notification()
        self.assertIsNotNone(answer, "a NOTIFICATION")
        self.assertEqual(answer[:2], (code, subcode), answer)
        return answer[2]
