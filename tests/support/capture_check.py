"""Reads captures of BGP sessions: as messages, reassembled here (BGP is simple enough), and as tshark judges them."""

import dataclasses
import ipaddress
import re
import struct
import subprocess

from lab import LabError

EXPERT_ERROR = 0x00800000  # PI_ERROR
# Debian's tshark does not know RFC 8654, and takes what is longer than 4096 octets for an error.
LONG = re.compile(r"Length is invalid (409[7-9]|4[1-9]\d\d|[5-9]\d{3}|[1-6]\d{4})")
BGP_PORT = 179
TCP_MD5_OPTION = 19  # RFC 2385


@dataclasses.dataclass(frozen=True)
class Segment:
    time: float
    source: str
    target: str
    source_port: int
    target_port: int
    ttl: int
    sequence: int
    syn: bool
    signed: bool  # with the option of RFC 2385
    data: bytes


@dataclasses.dataclass(frozen=True)
class Message:
    time: float
    source: str
    target: str
    kind: int
    body: bytes


def segments(path):
    """The TCP segments of an Ethernet capture file, also of one that is still being written."""
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    position = 24
    while position + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack_from(f"{order}IIII", data, position)
        frame = data[position + 16:position + 16 + length]
        position += 16 + length
        if len(frame) < length:
            return
        kind, = struct.unpack_from("!H", frame, 12)
        if kind == 0x0800:
            header, ttl = 14 + (frame[14] & 15) * 4, frame[22]
            end = 14 + struct.unpack_from("!H", frame, 16)[0]
            source, target = (str(ipaddress.IPv4Address(frame[at:at + 4])) for at in (26, 30))
            protocol = frame[23]
        elif kind == 0x86DD:
            header, ttl, end = 54, frame[21], 54 + struct.unpack_from("!H", frame, 18)[0]
            source, target = (str(ipaddress.IPv6Address(frame[at:at + 16])) for at in (22, 38))
            protocol = frame[20]
        else:
            continue
        if protocol != 6:
            continue
        source_port, target_port, sequence = struct.unpack_from("!HHI", frame, header)
        size, flags = (frame[header + 12] >> 4) * 4, frame[header + 13]
        yield Segment(seconds + fraction / 1e6, source, target, source_port, target_port, ttl, sequence, bool(flags & 2),
                      TCP_MD5_OPTION in _options(frame[header + 20:header + size]), frame[header + size:end])


def _options(data):
    while data and data[0] != 0:
        yield data[0]
        data = data[1:] if data[0] == 1 else data[max(2, data[1] if len(data) > 1 else 2):]


def messages(path):
    """The BGP messages in the order in which they were complete."""
    streams = {}  # four-tuple: [next sequence number, {sequence: data}, bytes]
    for one in segments(path):
        key = (one.source, one.source_port, one.target, one.target_port)
        if one.syn:
            streams[key] = [(one.sequence + 1) & 0xFFFFFFFF, {}, b""]
        if key not in streams or not one.data:
            continue
        stream = streams[key]
        stream[1][one.sequence] = max(stream[1].get(one.sequence, b""), one.data, key=len)
        while (piece := stream[1].pop(stream[0], None)) is not None:
            stream[0] = (stream[0] + len(piece)) & 0xFFFFFFFF
            stream[2] += piece
        while len(stream[2]) >= 19:
            length, kind = struct.unpack_from("!HB", stream[2], 16)
            if len(stream[2]) < max(length, 19):
                break
            yield Message(one.time, one.source, one.target, kind, stream[2][19:length])
            stream[2] = stream[2][max(length, 19):]


def complaints(path, display_filter):
    """One line for each frame that tshark finds fault with. display_filter: which frames to look at, tshark's syntax."""
    command = ["tshark", "-n", "-r", str(path), "-o", "tcp.desegment_tcp_streams:TRUE", "-o", "bgp.desegment:TRUE",
               "-o", "bgp.asn_len:4 octet", "-Y", f"bgp && ({display_filter})", "-T", "fields", "-E", "separator=|",
               "-E", "aggregator=;", "-e", "frame.number", "-e", "ip.dst", "-e", "ipv6.dst", "-e", "bgp.type",
               "-e", "_ws.malformed", "-e", "_ws.expert.severity", "-e", "_ws.expert.message"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise LabError(f"tshark failed: {result.stderr}")
    lines, found = result.stdout.splitlines(), []
    if not lines:
        raise LabError(f"tshark sees no BGP message in {path}")
    for line in lines:
        frame, ipv4, ipv6, types, malformed, severities, texts = line.split("|", 6)
        errors = [text for one, text in zip(severities.split(";"), texts.split(";")) if one and int(one, 0) >= EXPERT_ERROR]
        unknown = [text for text in errors if not LONG.fullmatch(text)]
        if unknown or (malformed and not errors):
            found.append(f"tshark: frame {frame} to {ipv4 or ipv6}, types {types}: {';'.join(unknown) or 'malformed'}")
    return found
