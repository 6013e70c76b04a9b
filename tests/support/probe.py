#!/usr/bin/python3
"""Counts lost packets between two namespaces: `receive PORT` in one, `send PORT ADDRESS INTERVAL_MS` in the other.

Both print "ready" when they run, end when their standard input is closed, and print one JSON document. A packet that the
kernel refuses to send (no route) counts as sent and so as lost: to the application it is the same. The sender keeps to an
absolute schedule, so a late wake-up is followed by the packets that were due meanwhile.
"""

import json
import os
import select
import socket
import struct
import sys
import time

PACKET = struct.Struct("!QQ")  # flow, sequence number
LINGER = 0.5  # seconds the receiver goes on listening for packets that are on their way


def stdin_closed(timeout):
    return bool(select.select([0], [], [], timeout)[0]) and os.read(0, 1) == b""


def send(port, address, interval):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    probe = socket.socket(family, socket.SOCK_DGRAM)
    flow = int.from_bytes(os.urandom(7), "big")
    print("ready", flush=True)
    sequence = 0
    due = time.monotonic()
    while not stdin_closed(max(0.0, due - time.monotonic())):
        if time.monotonic() < due:
            continue
        try:
            probe.sendto(PACKET.pack(flow, sequence), (address, port))
        except OSError:
            pass
        sequence += 1
        due += interval
    print(json.dumps({"flow": flow, "sent": sequence}))


def receive(port):
    inbox = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    inbox.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    # Forced beyond the limit: a receiver that is not scheduled for a while must not lose what the network delivered.
    inbox.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    inbox.setblocking(False)
    inbox.bind(("::", port))
    print("ready", flush=True)
    flows = {}  # flow: [set of sequence numbers, time of the last packet, longest gap]
    end = None
    while end is None or time.monotonic() < end:
        readable, _, _ = select.select([inbox] + ([0] if end is None else []), [], [], 0.1)
        if 0 in readable and os.read(0, 1) == b"":
            end = time.monotonic() + LINGER
        while True:
            try:
                data = inbox.recv(64)
            except BlockingIOError:
                break
            now = time.monotonic()
            flow, sequence = PACKET.unpack(data)
            entry = flows.setdefault(flow, [set(), now, 0.0])
            entry[0].add(sequence)
            entry[2] = max(entry[2], now - entry[1])
            entry[1] = now
    print(json.dumps({flow: {"received": len(seen), "longest_gap_ms": round(gap * 1000, 1)}
                      for flow, (seen, _, gap) in flows.items()}))


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]) / 1000)
    else:
        receive(int(sys.argv[2]))
