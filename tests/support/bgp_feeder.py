"""Scripted BGP speakers that announce a list of routes and keep their sessions alive: the source of what others pass on.

A Feeder has many sessions, all from one address of its node and in one autonomous system, and one thread that connects
them, answers, and connects again when one is lost. It listens to nothing it is told.
"""

import ipaddress
import select
import struct
import threading
import time

from bgp_peer import KEEPALIVE, Connection, attribute, message, open_message, prefix_bytes, raw_update
from lab import LabError, ip_batch

HOLD_TIME = 90
RETRY = 0.3


def feed(prefixes, as_number, next_hop, communities=(), large_communities=(), med=None):
    """One UPDATE for as many IPv4 prefixes as it holds."""
    value = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"\x02\x01" + struct.pack("!I", as_number))
    value += attribute(0x40, 3, ipaddress.IPv4Address(next_hop).packed)
    if med is not None:
        value += attribute(0x80, 4, struct.pack("!I", med))
    if communities:
        value += attribute(0xC0, 8, b"".join(struct.pack("!HH", *map(int, one.split(":"))) for one in communities))
    if large_communities:
        value += attribute(0xC0, 32, b"".join(struct.pack("!III", *map(int, one.split(":"))) for one in large_communities))
    return raw_update(attributes=value, announced=b"".join(map(prefix_bytes, prefixes)))


class Feeder:
    def __init__(self, node, address, as_number):
        """address: an IPv4 address, added to the node's eth0; also the BGP identifier."""
        self.node, self.address, self.as_number = node, address, as_number
        ip_batch(node.netns, f"address add {address}/24 dev eth0")
        self._targets = {}  # address: (updates, connection or None, time of the next attempt)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.error = None

    def add(self, target, updates):
        """target: the address of a speaker; updates: whole messages for it."""
        self._targets[target] = [updates, None, 0.0]

    def start(self):
        self._thread.start()
        self.node.lab._closers.append(self.close)

    def close(self):
        self._ended.set()
        self._thread.join(5)

    def _connect(self, target):
        updates, _, _ = self._targets[target]
        connection = Connection(self.node, target, source=self.address, timeout=2.0)
        try:
            connection.establish(self.as_number, self.address, hold_time=HOLD_TIME)
            for update in updates:
                connection.send(update)
        except BaseException:
            connection.socket.close()
            raise
        return connection

    def _run(self):
        keepalive_due = 0.0
        while not self._ended.is_set():
            now = time.monotonic()
            for target, entry in self._targets.items():
                if entry[1] is None and now >= entry[2]:
                    try:
                        entry[1] = self._connect(target)
                    except (OSError, EOFError, LabError) as error:
                        self.error = f"{target}: {error!r}"
                        entry[2] = now + RETRY
            alive = {entry[1].socket: entry for entry in self._targets.values() if entry[1]}
            readable, _, _ = select.select(list(alive), [], [], 0.1)
            for one in readable:
                try:
                    data = one.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    self._lost(alive[one])
            if now >= keepalive_due:
                keepalive_due = now + HOLD_TIME / 30
                for entry in alive.values():
                    try:
                        if entry[1]:
                            entry[1].send(message(KEEPALIVE))
                    except OSError:
                        self._lost(entry)
        for entry in self._targets.values():
            if entry[1]:
                entry[1].socket.close()

    @staticmethod
    def _lost(entry):
        entry[1].socket.close()
        entry[1], entry[2] = None, time.monotonic() + RETRY
