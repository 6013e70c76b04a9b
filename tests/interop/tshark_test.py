#!/usr/bin/env python3
"""Lets tshark dissect what our encoder writes: no malformed packet, no expert error, every message found.

usage: tshark_test.py BGP_SAMPLES

BGP_SAMPLES prints one stream of messages a line. Each becomes a TCP connection of its own to port 179 in a capture file
(raw IP, no handshake), cut into segments as a network would. A broken stream is added in the end: if tshark did not
complain about that one, its silence about the others would prove nothing.
"""

import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

SEGMENT = 1400
BROKEN = "broken-on-purpose"
EXPERT_ERROR = 0x00800000  # PI_ERROR
SKIPPED = 77


class Sample:
    def __init__(self, name, as_octets, messages, stream):
        self.name, self.as_octets, self.messages, self.stream = name, int(as_octets), int(messages), stream


def read_samples(program):
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    samples = [Sample(*line.split()[:3], bytes.fromhex(line.split()[3])) for line in lines]
    # ORIGIN with a length that reaches over the end of the attributes.
    body = bytes.fromhex("0000" "0004" "400109" "00" "100a01")
    samples.append(Sample(BROKEN, 4, 1, b"\xff" * 16 + struct.pack("!HB", 19 + len(body), 2) + body))
    return samples


def packets(number, stream):
    """The IPv4 packets that carry `stream` from a port that tells the sample's number."""
    for offset in range(0, len(stream), SEGMENT):
        part = stream[offset:offset + SEGMENT]
        tcp = struct.pack("!HHIIBBHHH", 10000 + number, 179, 1 + offset, 1, 5 << 4, 0x18, 65535, 0, 0)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(part), offset & 0xFFFF, 0, 64, 6, 0,
                         bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
        yield ip + tcp + part


def write_capture(path, samples):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))  # LINKTYPE_RAW
        seconds = 0
        for number, sample in samples:
            for packet in packets(number, sample.stream):
                seconds += 1
                file.write(struct.pack("<IIII", seconds, 0, len(packet), len(packet)) + packet)


def dissect(capture, as_octets):
    """Per source port: how many messages, and all that tshark complains about."""
    command = ["tshark", "-n", "-r", str(capture), "-o", "tcp.desegment_tcp_streams:TRUE", "-o", "bgp.desegment:TRUE",
               "-o", f"bgp.asn_len:{as_octets} octet", "-T", "fields", "-E", "separator=|", "-E", "aggregator=;",
               "-e", "tcp.srcport", "-e", "bgp.type", "-e", "_ws.malformed", "-e", "_ws.expert.severity",
               "-e", "_ws.expert.message"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"tshark failed: {result.stderr}")
    found = {}
    for line in result.stdout.splitlines():
        port, types, malformed, severities, messages = line.split("|", 4)
        count, complaints = found.setdefault(int(port) - 10000, [0, []])
        found[int(port) - 10000][0] = count + len([t for t in types.split(";") if t])
        if malformed or any(int(s, 0) >= EXPERT_ERROR for s in severities.split(";") if s):
            complaints.append(messages or "malformed")
    return found


def main():
    if shutil.which("tshark") is None:
        print("SKIPPED: tshark is not installed (Debian package tshark)")
        return SKIPPED
    samples = list(enumerate(read_samples(sys.argv[1])))
    failures = []
    with tempfile.TemporaryDirectory(prefix="towpath-tshark-") as folder:
        for as_octets in (2, 4):
            chosen = [(number, sample) for number, sample in samples if sample.as_octets == as_octets]
            capture = pathlib.Path(folder) / f"as{as_octets}.pcap"
            write_capture(capture, chosen)
            found = dissect(capture, as_octets)
            for number, sample in chosen:
                count, complaints = found.get(number, [0, []])
                if sample.name == BROKEN:
                    if not complaints:
                        failures.append(f"{sample.name}: tshark finds nothing wrong with it, so it proves nothing")
                    continue
                if complaints:
                    failures.append(f"{sample.name}: {complaints}")
                if count != sample.messages:
                    failures.append(f"{sample.name}: {sample.messages} messages sent, tshark sees {count}")
    for failure in failures:
        print("FAILED", failure)
    print(f"{len(samples) - 1} streams with {sum(s.messages for _, s in samples) - 1} messages, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
