"""A BGP speaker made of bytes, for tests that must say exactly what goes over the wire (RFC 4271), also what is wrong.

It has no state machine: the test sends what it wants and reads what comes.
"""

import ipaddress
import socket
import struct

from lab import LabError, inside

MARKER = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
AS_TRANS = 23456


def message(kind, body=b"", marker=MARKER, length=None):
    return marker + struct.pack("!HB", 19 + len(body) if length is None else length, kind) + body


def capability(code, value=b""):
    return bytes([code, len(value)]) + value


def open_message(as_number, router_id, hold_time=90, version=4, capabilities=None):
    if capabilities is None:
        capabilities = (capability(1, struct.pack("!HBB", 1, 0, 1)) + capability(1, struct.pack("!HBB", 2, 0, 1)) +
                        capability(65, struct.pack("!I", as_number)))
    parameters = bytes([2, len(capabilities)]) + capabilities if capabilities else b""
    return message(OPEN, struct.pack("!BHH", version, as_number if as_number < 65536 else AS_TRANS, hold_time) +
                   ipaddress.IPv4Address(router_id).packed + bytes([len(parameters)]) + parameters)


def attribute(flags, code, value):
    return bytes([flags, code, len(value)]) + value


def prefix_bytes(prefix):
    network = ipaddress.ip_network(prefix)
    return bytes([network.prefixlen]) + network.network_address.packed[:(network.prefixlen + 7) // 8]


def update_message(prefix, as_path, next_hop, extra=b""):
    path = bytes([2, len(as_path)]) + b"".join(struct.pack("!I", number) for number in as_path) if as_path else b""
    attributes = (attribute(0x40, 1, b"\0") + attribute(0x40, 2, path) +
                  attribute(0x40, 3, ipaddress.IPv4Address(next_hop).packed) + extra)
    return raw_update(attributes=attributes, announced=prefix_bytes(prefix))


def raw_update(withdrawn=b"", attributes=b"", announced=b""):
    return message(UPDATE, struct.pack("!H", len(withdrawn)) + withdrawn +
                   struct.pack("!H", len(attributes)) + attributes + announced)


class Connection:
    """One TCP connection from a node of the laboratory to a BGP port."""

    def __init__(self, node, address, port=179, timeout=10.0, source=None):
        with inside(node.netns):
            self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((address, port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def receive(self):
        """(type, body) of the next message; EOFError at the end of the connection."""
        try:
            header = self._exactly(19)
            length, kind = struct.unpack("!HB", header[16:])
            if header[:16] != MARKER or not 19 <= length <= 4096:
                raise LabError(f"not a BGP header: {header.hex()}")
            return kind, self._exactly(length - 19)
        except ConnectionResetError:
            raise EOFError from None

    def establish(self, as_number, router_id, **more):
        """OPEN and KEEPALIVE both ways. Returns the body of their OPEN."""
        self.send(open_message(as_number, router_id, **more))
        kind, body = self.receive()
        if kind != OPEN:
            raise LabError(f"wanted an OPEN, got type {kind}: {body.hex()}")
        self.send(message(KEEPALIVE))
        kind, answer = self.receive()
        if kind != KEEPALIVE:
            raise LabError(f"wanted a KEEPALIVE, got type {kind}: {answer.hex()}")
        return body

    def notification(self):
        """Reads up to a NOTIFICATION and returns (code, subcode, data); None if the connection ends without one."""
        while True:
            try:
                kind, body = self.receive()
            except EOFError:
                return None
            if kind == NOTIFICATION:
                return body[0], body[1], body[2:]
