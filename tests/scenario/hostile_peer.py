"""Peers that break the protocol in each way RFC 4271 chapter 6 names: the NOTIFICATION of the RFC goes back, and another
session and its routes do not notice.

The agent holds a peer off for longer and longer after protocol errors, so each attack comes from a peer of its own.
"""

import os
import random
import struct
import unittest

import bgp_peer
from bgp_peer import KEEPALIVE, NOTIFICATION, OPEN, UPDATE, Connection, attribute, message, open_message, raw_update
from lab import Lab, Node, ip_batch, wait_until

AS = 65099
ID = "192.0.2.99"
ENEMIES = 60
BLOCK = "10.64.99.0/26"


class HostilePeer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.host, cls.other = cls.lab.add_host("host-a"), cls.lab.add_host("host-b")
        cls.lab.full_mesh()
        cls.node = Node(cls.lab, "enemy", 99)
        cls.stranger = Node(cls.lab, "stranger", 98)
        addresses = [f"192.0.2.{100 + number}" for number in range(ENEMIES)]
        ip_batch(cls.node.netns, *(f"address add {address}/24 dev eth0" for address in addresses))
        cls.host.config["peers"] += [
            {"name": f"enemy-{address}", "address": address, "as": AS, "passive": True, "hold_time": 3}
            for address in addresses]
        cls.fresh = iter(addresses)
        for host in cls.lab.hosts:
            host.start_agent()
        wait_until(lambda: cls.host.established("host-b") and set(cls.other.blocks) <= set(cls.host.routes()), 20,
                   "the good session has its routes")
        cls.connections = cls.host.peer("host-b")["connections"]

    def tearDown(self):
        self.assertTrue(self.host.agent.running(), self.host.log_tail())
        row = self.host.peer("host-b")
        self.assertEqual((row["state"], row["connections"]), ("Established", self.connections), "the other session")
        self.assertTrue(set(self.other.blocks) <= set(self.host.routes()), "the other's routes")
        wait_until(lambda: BLOCK not in self.host.routes(), 20, "nothing of the enemy's stays")

    def connect(self):
        """A connection from a peer that has done no harm yet, with the agent's OPEN read."""
        self.address = next(self.fresh)
        connection = Connection(self.node, self.host.ipv4, source=self.address)
        self.addCleanup(connection.socket.close)
        kind, body = connection.receive()
        self.assertEqual(kind, OPEN)
        return connection, body

    def row(self):
        """What towpathctl says of the peer that connected last."""
        return self.host.peer(f"enemy-{self.address}")

    def establish(self):
        connection, _ = self.connect()
        connection.send(open_message(AS, ID, hold_time=3) + message(KEEPALIVE))
        kind, body = connection.receive()
        self.assertEqual(kind, KEEPALIVE, body.hex())
        return connection

    def assert_answer(self, connection, code, subcode, data=None):
        answer = connection.notification()
        self.assertIsNotNone(answer, "a NOTIFICATION")
        self.assertEqual(answer[:2], (code, subcode), answer)
        if data is not None:
            self.assertEqual(answer[2], data)
        with self.assertRaises(EOFError):
            connection.receive()

    def test_our_open(self):
        _, body = self.connect()
        version, as_number, hold_time = struct.unpack("!BHH", body[:5])
        self.assertEqual((version, as_number, hold_time, body[5:9]), (4, 64512, 3, bytes([192, 0, 2, 1])))

    def test_header_errors(self):
        for name, data, answer in (
                ("marker not all ones", message(KEEPALIVE, marker=b"\xff" * 15 + b"\0"), (1, 1, b"")),
                ("length below 19", message(KEEPALIVE, length=18), (1, 2, b"\0\x12")),
                ("length above 4096", message(KEEPALIVE, length=4097), (1, 2, b"\x10\x01")),
                ("KEEPALIVE with a body", message(KEEPALIVE, b"x"), (1, 2, b"\0\x14")),
                ("OPEN shorter than 29", message(OPEN, b"\x04"), (1, 2, b"\0\x14")),
                ("unknown type", message(77), (1, 3, b"\x4d"))):
            with self.subTest(name):
                connection, _ = self.connect()
                connection.send(data)
                self.assert_answer(connection, *answer)

    def test_open_errors(self):
        for name, data, answer in (
                ("version 3", open_message(AS, ID, version=3), (2, 1, b"\0\x04")),
                ("another AS", open_message(65098, ID), (2, 2, None)),
                ("identifier 0.0.0.0", open_message(AS, "0.0.0.0"), (2, 3, None)),
                ("hold time 1", open_message(AS, ID, hold_time=1), (2, 6, None)),
                ("hold time 2", open_message(AS, ID, hold_time=2), (2, 6, None))):
            with self.subTest(name):
                connection, _ = self.connect()
                connection.send(data)
                self.assert_answer(connection, *answer)

    def test_state_machine_errors(self):
        """RFC 6608: the subcode tells the state."""
        connection, _ = self.connect()
        connection.send(raw_update())
        self.assert_answer(connection, 5, 1)
        connection, _ = self.connect()
        connection.send(open_message(AS, ID) + raw_update())
        self.assert_answer(connection, 5, 2)
        connection = self.establish()
        connection.send(open_message(AS, ID))
        self.assert_answer(connection, 5, 3)

    def test_update_errors_that_reset(self):
        for name, body, answer in (
                ("withdrawn routes beyond the message", struct.pack("!H", 500) + b"\0\0", (3, 1)),
                ("attributes beyond the message", struct.pack("!HH", 0, 500), (3, 1)),
                ("prefix length 33", struct.pack("!HH", 0, 0) + bytes([33, 10, 0, 0, 0, 0]), (3, 10))):
            with self.subTest(name):
                connection = self.establish()
                connection.send(message(UPDATE, body))
                code, subcode, _ = connection.notification()
                self.assertEqual(code, answer[0])
                self.assertIn(subcode, (answer[1], 1))

    def test_update_errors_that_withdraw(self):
        """RFC 7606: a broken attribute takes the route and not the session."""
        good = bgp_peer.update_message(BLOCK, [AS], ID)
        for name, attributes in (
                ("ORIGIN 7", attribute(0x40, 1, b"\x07")),
                ("NEXT_HOP of 3 bytes", attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"\x02\x01" + struct.pack("!I", AS)) +
                 attribute(0x40, 3, b"\x01\x02\x03")),
                ("no NEXT_HOP", attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"\x02\x01" + struct.pack("!I", AS)))):
            with self.subTest(name):
                connection = self.establish()
                connection.send(good)
                wait_until(lambda: BLOCK in self.host.routes(), 10, "the good route arrives")
                connection.send(raw_update(attributes=attributes, announced=bgp_peer.prefix_bytes(BLOCK)))
                wait_until(lambda: BLOCK not in self.host.routes(), 10, "the broken one withdraws it")
                self.assertEqual(self.row()["state"], "Established")
                connection.socket.close()
                wait_until(lambda: self.row()["state"] != "Established", 10, "the session ends")

    def test_silence_ends_in_hold_timer_expired(self):
        connection = self.establish()
        connection.socket.settimeout(20)
        self.assert_answer(connection, 4, 0)

    def test_a_byte_at_a_time(self):
        connection, _ = self.connect()
        for byte in open_message(AS, ID) + message(KEEPALIVE) + bgp_peer.update_message(BLOCK, [AS], ID):
            connection.send(bytes([byte]))
        wait_until(lambda: BLOCK in self.host.routes(), 10, "the route arrives all the same")

    def test_notification_from_the_peer_removes_its_routes(self):
        connection = self.establish()
        connection.send(bgp_peer.update_message(BLOCK, [AS], ID))
        wait_until(lambda: BLOCK in self.host.routes(), 10, "the route arrives")
        connection.send(message(NOTIFICATION, b"\x06\x02"))
        wait_until(lambda: BLOCK not in self.host.routes(), 10, "the route goes")
        self.assertIn("eceived", self.row()["last_error"])

    def test_random_bytes(self):
        seed = int.from_bytes(os.urandom(4), "big")
        print(f"seed {seed}")
        noise = random.Random(seed)
        for _ in range(5):
            connection, _ = self.connect()
            connection.send(noise.randbytes(4096))
            self.assert_answer(connection, 1, 1)

    def test_random_updates_inside_good_headers(self):
        seed = int.from_bytes(os.urandom(4), "big")
        print(f"seed {seed}")
        noise = random.Random(seed)
        for _ in range(5):
            connection = self.establish()
            try:
                for _ in range(50):
                    connection.send(message(UPDATE, noise.randbytes(noise.randrange(4, 300))))
            except OSError:
                pass  # the agent closed the connection, as it may
            code = connection.notification()
            if code is not None:
                self.assertEqual(code[0], 3)

    def test_strangers_are_turned_away(self):
        try:
            with Connection(self.stranger, self.host.ipv4, timeout=5) as connection:
                answer = connection.notification()
                self.assertIn(answer and answer[:2], (None, (6, 5)))
        except ConnectionError:
            pass  # refused or reset is as good


if __name__ == "__main__":
    unittest.main()
