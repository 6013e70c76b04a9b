"""The attribute sweep: every path attribute code with every combination of flags and three values, each in an UPDATE of its
own, and what RFC 7606 wants of an external peer's.

A case announces a prefix that no other case has: soundly first, then with the attribute in question. What became of the
prefix and of the session is the reaction.
"""

import dataclasses
import struct

from bgp_peer import attribute, prefix_bytes, raw_update

# Optional, Transitive and Partial in all combinations.
FLAGS = tuple(range(0x00, 0x100, 0x20))[:8]
VALUES = ("empty", "garbage", "self")
GARBAGE = bytes(range(0x80, 0xA5))
KEEP, WITHDRAW, RESET = "keep", "withdraw", "reset"
MP_REACH, MP_UNREACH = 14, 15

NAMES = {1: "ORIGIN", 2: "AS_PATH", 3: "NEXT_HOP", 4: "MULTI_EXIT_DISC", 5: "LOCAL_PREF", 6: "ATOMIC_AGGREGATE",
         7: "AGGREGATOR", 8: "COMMUNITIES", 9: "ORIGINATOR_ID", 10: "CLUSTER_LIST", 14: "MP_REACH_NLRI",
         15: "MP_UNREACH_NLRI", 16: "EXTENDED_COMMUNITIES", 17: "AS4_PATH", 18: "AS4_AGGREGATOR",
         25: "IPV6_EXTENDED_COMMUNITIES", 32: "LARGE_COMMUNITIES", 35: "ONLY_TO_CUSTOMER"}
SPECIFIED_FLAGS = {1: 0x40, 2: 0x40, 3: 0x40, 4: 0x80, 5: 0x40, 6: 0x40, 7: 0xC0, 8: 0xC0, 9: 0x80, 10: 0x80, 14: 0x80,
                   15: 0x80, 16: 0xC0, 17: 0xC0, 18: 0xC0, 25: 0xC0, 32: 0xC0, 35: 0xC0}
# RFC 7606 sections 7.5, 7.9, 7.10: not for external peers; RFC 6793 section 4.1: not for speakers of four octets.
IGNORED = {5, 9, 10, 17, 18}
# RFC 7606 sections 7.6 and 7.7: an error in them costs the attribute and no more.
DISCARDED = {6, 7}


@dataclasses.dataclass(frozen=True)
class Case:
    number: int
    code: int
    flags: int
    value: str

    @property
    def prefix(self):
        return f"10.{128 + (self.number >> 8)}.{self.number & 255}.0/24"

    def __str__(self):
        return f"attribute {self.code} {NAMES.get(self.code, '')} flags 0x{self.flags:02x} {self.value}"

    def updates(self, as_number, next_hop):
        """The sound announcement, and that with the attribute."""
        sound = {1: b"\0", 2: b"\x02\x01" + struct.pack("!I", as_number), 3: next_hop_bytes(next_hop)}
        parts = [attribute(0x40, code, value) for code, value in sound.items() if code != self.code]
        swept = attribute(self.flags, self.code, self._octets(as_number, next_hop))
        announced = prefix_bytes(self.prefix)
        return (raw_update(attributes=b"".join(attribute(0x40, code, value) for code, value in sound.items()),
                           announced=announced) +
                raw_update(attributes=b"".join(parts) + swept, announced=announced))

    def _octets(self, as_number, next_hop):
        if self.value != "self":
            return {"empty": b"", "garbage": GARBAGE}[self.value]
        path = b"\x02\x01" + struct.pack("!I", as_number)
        aggregator = struct.pack("!II", as_number, 1)
        return {1: b"\0", 2: path, 3: next_hop_bytes(next_hop), 6: b"", 7: aggregator, 16: bytes.fromhex("0002fde800000064"),
                17: path, 18: aggregator, 25: bytes(20), 32: bytes(range(12)),
                MP_REACH: bytes.fromhex("0002011020010db80000000000000000000000010030") + bytes.fromhex("20010db80001"),
                MP_UNREACH: bytes.fromhex("0002013020010db80001")}.get(self.code, bytes.fromhex("c0000201"))

    @property
    def wanted(self):
        """What an external peer's session and route must come to."""
        if self.code not in SPECIFIED_FLAGS:
            # RFC 4271 section 6.3, which RFC 7606 left alone: nobody may send a well-known attribute that is unknown.
            return KEEP if self.flags & 0x80 else RESET
        if self.code in IGNORED:
            return KEEP
        wrong_flags = (self.flags & 0xC0) != SPECIFIED_FLAGS[self.code]
        if self.code == MP_REACH and self.value != "self":
            return RESET  # section 7.11: cut off before its next hop ends
        if self.code == MP_UNREACH and self.value == "empty":
            return RESET  # section 7.12: shorter than AFI and SAFI
        if wrong_flags:
            return WITHDRAW  # section 3 c
        if self.value == "self" or self.code in DISCARDED or self.code == MP_UNREACH:
            return KEEP  # (garbage in MP_UNREACH_NLRI names a family that nobody negotiated)
        return KEEP if self.without_first_as else WITHDRAW

    @property
    def without_first_as(self):
        """An empty AS_PATH is well formed, but does not begin with the peer's AS (RFC 4271 section 6.3): kept and not used."""
        return self.code == 2 and self.value == "empty"


def next_hop_bytes(address):
    return bytes(map(int, address.split(".")))


def all_cases():
    return [Case((code * len(FLAGS) + at) * len(VALUES) + number, code, flags, value)
            for code in range(256) for at, flags in enumerate(FLAGS) for number, value in enumerate(VALUES)]
