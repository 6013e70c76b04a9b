"""Peers that send in odd pieces, do not read, or are too many: others are not held up, and memory does not grow."""

import os
import pathlib
import re
import socket
import struct
import time
import unittest

from bgp_peer import KEEPALIVE, OPEN, UPDATE, Connection, message, open_message, prefix_bytes, raw_update, update_message
from hostile_lab import AS, HOLD_TIME, ID, HostileLab
from lab import inside, wait_until

ROUTES = [f"10.{64 + (number >> 8)}.{number & 255}.0/24" for number in range(16000)]
PER_MESSAGE = 200
# Makes messages long, so that what a peer does not read cannot all lie in the kernel's buffers.
BALLAST = b"\xd0\xc8" + struct.pack("!H", 2900) + bytes(2900)


def pss(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) << 10


class Pressure(HostileLab):
    enemies = 400
    dissected = False
    enemy_options = {"export": "all"}

    def test_a_message_in_three_segments(self):
        connection = self.connect()
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = open_message(AS, ID, hold_time=HOLD_TIME) + message(KEEPALIVE)
        update = update_message("10.200.1.0/24", [AS], ID)
        for piece in (data[:10], data[10:25], data[25:], update[:7], update[7:19], update[19:]):
            connection.send(piece)
        self.wait_for_route("10.200.1.0/24")

    def test_1000_keepalives_in_one_segment(self):
        connection = self.establish()
        before = self.row()["messages_received"]
        connection.send(message(KEEPALIVE) * 1000 + update_message("10.200.2.0/24", [AS], ID))
        self.wait_for_route("10.200.2.0/24")
        self.assertEqual(self.row()["messages_received"], before + 1001)

    def churn(self, source, rounds, marker):
        """All routes come and go `rounds` times; returns when host-b has seen the end of it."""
        for number in range(rounds):
            for start in range(0, len(ROUTES), PER_MESSAGE):
                announced = b"".join(map(prefix_bytes, ROUTES[start:start + PER_MESSAGE]))
                attributes = update_message(ROUTES[0], [AS, 65000 + number % 7], ID)[23:-4]
                source.send(raw_update(attributes=attributes + BALLAST, announced=announced))
        source.send(update_message(marker, [AS], ID))
        wait_until(lambda: marker in self.prefixes(self.other, "10.200.0.0/16"), 60, f"host-b has {marker}", interval=0.1)

    def test_zero_window(self):
        """RFC 9687's peer: it takes nothing. Others get everything in time, our memory stays, and when it reads again it
        gets what holds then, not the history."""
        sloth = self.connect_slow()
        source = self.establish(hold_time=0)
        self.churn(source, 5, "10.200.3.0/24")
        before = pss(self.host.agent.pid)
        self.churn(source, 55, "10.200.4.0/24")
        grown = pss(self.host.agent.pid) - before
        changes = 60 * len(ROUTES)
        print(f"memory grew by {grown >> 10} KB over {changes} changes that one peer did not read")
        if not os.environ.get("TOWPATH_SANITIZE"):  # whose allocator keeps what was freed, to watch it
            self.assertLess(grown, 4 << 20)
        seen, announcements = set(), 0
        sloth.socket.settimeout(20)
        while "10.200.4.0/24" not in seen or len(seen) < len(ROUTES) + 2:
            kind, body = sloth.receive()
            if kind == UPDATE:
                prefixes = list(nlri(body))
                announcements += len(prefixes)
                seen.update(prefixes)
        print(f"{announcements} announcements of {len(seen)} prefixes reached it in the end")
        # (What the kernel had taken for it before it stood still comes first, up to 4 MB.)
        self.assertLess(announcements, changes // 2)

    def connect_slow(self):
        self.peer = next(self.fresh)
        with inside(self.node.netns):
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        one.settimeout(10)
        one.bind((self.peer, 0))
        one.connect((self.host.ipv4, 179))
        connection = Connection.__new__(Connection)
        connection.socket = one
        self.addCleanup(one.close)
        connection.send(open_message(AS, ID, hold_time=0) + message(KEEPALIVE))
        self.assertEqual([connection.receive()[0], connection.receive()[0]], [OPEN, KEEPALIVE])
        return connection

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.host.agent.pid}/fd").iterdir()))

    def test_half_open_connections(self):
        """Three hundred peers connect and say nothing, or half an OPEN, or a KEEPALIVE in its place."""
        before = self.descriptors()
        silent = [self.connect() for _ in range(100)]
        halves = [self.connect() for _ in range(100)]
        for one in halves:
            one.send(open_message(AS, ID)[:20])
        wrong = [self.connect() for _ in range(100)]
        for one in wrong:
            one.send(message(KEEPALIVE))
        for one in wrong:
            self.assert_answer(one, 5, 1)
        began = time.monotonic()
        connection = self.establish()
        connection.send(update_message("10.200.5.0/24", [AS], ID))
        self.wait_for_route("10.200.5.0/24")
        self.assertLess(time.monotonic() - began, 3, "a good peer is served in time")
        for one in silent + halves + wrong:
            one.socket.close()
        wait_until(lambda: self.descriptors() <= before + 2, 10, lambda: f"{self.descriptors()} descriptors, {before} before")

    def test_many_connections_of_one_peer(self):
        """The second and every further one beside an established session is refused with Cease (RFC 4271 section 6.8)."""
        connection = self.establish()
        before = self.row()["connections"]
        for _ in range(50):
            with Connection(self.node, self.host.ipv4, source=self.peer) as further:
                further.send(open_message(AS, ID, hold_time=HOLD_TIME))
                answer = further.notification()
                self.assertIn(answer and answer[0], (None, 6))
        connection.send(update_message("10.200.6.0/24", [AS], ID))
        self.wait_for_route("10.200.6.0/24")
        self.assertEqual((self.row()["state"], self.row()["connections"]), ("Established", before))

    def test_flood_of_strangers(self):
        """Two thousand connections from addresses that nobody knows: each ends at once, the log stays short."""
        before, log_before = self.descriptors(), self.host.log_path.stat().st_size
        open_ones = []
        for number in range(2000):
            source = f"198.19.{number // 200}.{1 + number % 200}"
            try:
                one = Connection(self.node, self.host.ipv4, source=source, timeout=5)
            except ConnectionError:
                continue  # refused is as good
            open_ones.append(one)
        for one in open_ones:
            answer = one.notification()
            self.assertIn(answer and answer[:2], (None, (6, 5)))
            one.socket.close()
        wait_until(lambda: self.descriptors() <= before + 2, 10, lambda: f"{self.descriptors()} descriptors, {before} before")
        written = self.host.log_path.stat().st_size - log_before
        print(f"{written} octets of log for {len(open_ones)} connections of strangers")
        self.assertLess(written, 20000)


def nlri(body):
    """The IPv4 prefixes that an UPDATE announces in its last field."""
    withdrawn = int.from_bytes(body[:2])
    at = 4 + withdrawn + int.from_bytes(body[2 + withdrawn:4 + withdrawn])
    while at < len(body):
        length = body[at]
        octets = body[at + 1:at + 1 + (length + 7) // 8]
        yield f"{'.'.join(map(str, octets.ljust(4, bytes(1))))}/{length}"
        at += 1 + len(octets)


if __name__ == "__main__":
    unittest.main()
