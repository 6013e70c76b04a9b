"""The incidents that took real networks down, each put to a running agent over a real session. The session that carries it
stays up unless RFC 7606 says reset; another session and its routes never notice; nobody crashes.

(incidents_test.cc asks the decoder about the same ones; what is shown here is the whole agent.)
"""

import itertools
import struct
import unittest

from bgp_peer import (KEEPALIVE, OPEN, UPDATE, attribute, capability, message, open_message, prefix_bytes, raw_update,
                      update_message)
from hostile_lab import AS, ID, HostileLab
from lab import wait_until

ORIGIN = attribute(0x40, 1, b"\0")
AS_PATH = attribute(0x40, 2, b"\x02\x01" + struct.pack("!I", AS))
NEXT_HOP = attribute(0x40, 3, bytes(map(int, ID.split("."))))
MANDATORY = ORIGIN + AS_PATH + NEXT_HOP
OUR_AS = 64512


def extended_parameters(parameters):
    """An OPEN with the optional parameters in the form of RFC 9072."""
    return message(OPEN, struct.pack("!BHH", 4, AS, 30) + bytes(map(int, ID.split("."))) +
                   struct.pack("!BBH", 255, 255, len(parameters)) + parameters)


class Incidents(HostileLab):
    enemies = 150
    enemy_options = {"export": "all"}
    numbers = itertools.count()

    def setUp(self):
        self.prefix = f"10.200.{next(self.numbers)}.0/24"

    def carried(self, attributes, present=True):
        """An UPDATE with these attributes for a fresh prefix, on a session that must survive it."""
        connection = self.establish()
        connection.send(update_message(self.prefix, [AS], ID))
        self.wait_for_route(self.prefix)
        connection.send(raw_update(attributes=attributes, announced=prefix_bytes(self.prefix)))
        proof = f"10.201.{next(self.numbers)}.0/24"
        connection.send(update_message(proof, [AS], ID))
        self.assert_stays(connection, proof)
        self.wait_for_route(self.prefix, present)
        return connection

    def passed_on(self, prefix):
        """The attributes with which another external peer gets the prefix."""
        listener = self.establish()
        while True:
            kind, body = listener.receive()
            if kind == UPDATE and body.endswith(prefix_bytes(prefix)):
                return body
            if kind == UPDATE and prefix_bytes(prefix) in body:
                return body

    def test_2023_tunnel_encapsulation_is_corrupt(self):
        """CVE-2023-38802, -4481, -38283, -40457: attribute 23 ended sessions of those who looked into it."""
        for value in (b"", b"\0", b"\xff\xff", b"\0\x08\xff\xff\x01", bytes(4)):
            with self.subTest(value.hex()):
                self.prefix = f"10.200.{next(self.numbers)}.0/24"
                self.carried(MANDATORY + attribute(0xC0, 23, value))
        self.assertIn(attribute(0xE0, 23, bytes(4)), self.passed_on(self.prefix))

    def test_2025_prefix_sid_is_zero(self):
        """Attribute 40, all zero, May 2025."""
        self.carried(MANDATORY + attribute(0xC0, 40, bytes(8)))
        self.assertIn(attribute(0xE0, 40, bytes(8)), self.passed_on(self.prefix))

    def test_2025_only_to_customer_with_extended_length(self):
        """October 2025: a legal long form, read as a length of 1024."""
        self.carried(MANDATORY + b"\xd0\x23\x00\x04" + struct.pack("!I", AS))
        self.assertIn(b"\x23\x04" + struct.pack("!I", AS), self.passed_on(self.prefix))

    def test_unknown_transitive_attribute_goes_on_unchanged_but_partial(self):
        self.carried(MANDATORY + attribute(0xC0, 200, b"\xde\xad\xbe\xef\0"))
        self.assertIn(attribute(0xE0, 200, b"\xde\xad\xbe\xef\0"), self.passed_on(self.prefix))

    def test_unknown_attribute_that_is_not_transitive_goes_nowhere(self):
        self.carried(MANDATORY + attribute(0x80, 201, b"\xde\xad\xbe\xef\0"))
        self.assertNotIn(b"\xde\xad\xbe\xef", self.passed_on(self.prefix))

    def test_2022_open_ends_inside_a_parameter(self):
        """CVE-2022-40302, -40318, -43681."""
        head = struct.pack("!BHH", 4, AS, 30) + bytes(map(int, ID.split(".")))
        for rest in ("0102", "01ff", "02ff00", "03ffff00", "0202ff", "03020101", "ffff", "ffff00", "0602ff0203"):
            with self.subTest(rest):
                connection = self.connect()
                connection.send(message(OPEN, head + bytes.fromhex(rest)))
                answer = connection.notification()
                self.assertIsNotNone(answer)
                self.assertEqual(answer[0], 2, answer)

    def test_2023_mp_unreach_too_short(self):
        """CVE-2023-46752, -47234: a reset, as RFC 7606 section 7.12 has it, and nothing worse."""
        for value in ("", "00", "0001", "0002"):
            with self.subTest(value):
                connection = self.establish()
                connection.send(raw_update(attributes=attribute(0x80, 15, bytes.fromhex(value))))
                self.assertEqual(self.assert_answer(connection, 3, 9)[1:2], b"\x0f")

    def test_2023_no_mandatory_attribute(self):
        """CVE-2023-46753."""
        self.carried(attribute(0xC0, 99, b""), present=False)

    def test_2023_end_of_rib_with_malformed_attributes(self):
        """CVE-2023-47235: no End-of-RIB, and the attribute list that breaks off withdraws the route beside it."""
        self.carried(attribute(0x80, 15, bytes.fromhex("000201")) + b"\x80\x04", present=False)

    def test_2023_mp_reach_of_a_family_that_nobody_negotiated(self):
        """FlowSpec overflowed in several programs: to us it is a family that was not negotiated (RFC 4760 section 7)."""
        flowspec = struct.pack("!HBBB", 1, 133, 0, 0) + b"\xff" * 200
        self.carried(MANDATORY + attribute(0x80, 14, flowspec))

    def test_2025_capabilities_shorter_than_their_fixed_part(self):
        """CVE-2025-43970 to -43973, CVE-2023-46565: what cannot be read counts as not announced."""
        for code in (1, 2, 5, 6, 9, 64, 65, 69, 70, 71, 73, 75):
            for size in (0, 1, 3, 5):
                with self.subTest(f"{code} of {size} octets"):
                    connection = self.connect()
                    connection.send(open_message(AS, ID, hold_time=30, capabilities=capability(code, bytes(size))) +
                                    message(KEEPALIVE))
                    self.assertEqual(connection.receive()[0], OPEN)
                    self.assertIn(connection.receive()[0], (KEEPALIVE, 3))
                    connection.socket.close()

    def test_2026_origin_with_wrong_flags_is_logged(self):
        """CVE-2026-42285: the program died while it formatted this error."""
        for flags in (0x00, 0x80, 0xC0, 0xE0, 0x0F):
            with self.subTest(hex(flags)):
                self.prefix = f"10.200.{next(self.numbers)}.0/24"
                self.carried(attribute(flags, 1, b"\0") + AS_PATH + NEXT_HOP, present=False)
                self.assertIn("ORIGIN", self.row()["last_error"])

    def test_2026_confederation_segment_without_numbers(self):
        """GHSA-frrj-87jh-2772."""
        for segment in (b"\x03\0", b"\x04\0", b"\x03\0\x02\x01" + struct.pack("!I", AS)):
            with self.subTest(segment.hex()):
                self.prefix = f"10.200.{next(self.numbers)}.0/24"
                self.carried(ORIGIN + attribute(0x40, 2, segment) + NEXT_HOP, present=False)

    def test_2026_very_long_as_path(self):
        """CVE-2026-49943, as far as a message of 4096 octets goes; and what we put in front does not make it too long."""
        numbers = [AS] + [65000] * 960
        path = b"".join(b"\x02" + bytes([len(part)]) + b"".join(struct.pack("!I", one) for one in part)
                        for part in (numbers[at:at + 255] for at in range(0, len(numbers), 255)))
        self.carried(ORIGIN + b"\x50\x02" + struct.pack("!H", len(path)) + path + NEXT_HOP)
        body = self.passed_on(self.prefix)
        # Their first segment is full: our number stands in one of its own (RFC 4271 section 5.1.2).
        self.assertIn(struct.pack("!BBIBBI", 2, 1, OUR_AS, 2, 255, AS), body)
        self.assertEqual(body.count(struct.pack("!I", 65000)), 960)

    def test_route_that_fits_in_but_not_out_again(self):
        """A message of 4096 octets that grows by LOCAL_PREF or by our AS: the prefix is withdrawn, nothing is cut off."""
        room = 4096 - 19 - 4 - len(MANDATORY) - 4 - len(prefix_bytes(self.prefix))
        connection = self.establish()
        connection.send(update_message(self.prefix, [AS], ID))
        wait_until(lambda: self.prefix in self.prefixes(self.other), 10, "host-b has the short one")
        connection.send(raw_update(attributes=MANDATORY + b"\xd0\xc8" + struct.pack("!H", room) + bytes(room),
                                   announced=prefix_bytes(self.prefix)))
        wait_until(lambda: self.prefix not in self.prefixes(self.other), 10, "host-b is told that it is gone")
        self.assert_stays(connection, self.prefix)

    def test_4_kb_of_unknown_capabilities(self):
        connection = self.connect()
        value = capability(200, bytes(255)) * 15
        parameters = b"\x02" + struct.pack("!H", len(value)) + value
        connection.send(extended_parameters(parameters) + message(KEEPALIVE))
        self.assertEqual(connection.receive()[0], OPEN)
        self.assertEqual(connection.receive()[0], KEEPALIVE)
        wait_until(lambda: self.row()["state"] == "Established", 10, "a session all the same")

    def test_255_capabilities_without_a_value(self):
        connection = self.connect()
        value = capability(0) * 255
        connection.send(extended_parameters(b"\x02" + struct.pack("!H", len(value)) + value) + message(KEEPALIVE))
        self.assertEqual([connection.receive()[0], connection.receive()[0]], [OPEN, KEEPALIVE])

    def test_the_same_capability_50_times(self):
        connection = self.connect()
        value = capability(1, struct.pack("!HBB", 1, 0, 1)) * 50
        connection.send(extended_parameters(b"\x02" + struct.pack("!H", len(value)) + value) + message(KEEPALIVE))
        self.assertEqual([connection.receive()[0], connection.receive()[0]], [OPEN, KEEPALIVE])

    def test_of_three_graceful_restart_capabilities_the_last_counts(self):
        """RFC 4724 section 3. The last one knows no family, so nothing is kept when the session is lost."""
        keeps = struct.pack("!HHBB", 120, 1, 1, 0x80)
        usual = capability(1, struct.pack("!HBB", 1, 0, 1)) + capability(65, struct.pack("!I", AS))
        for last, kept in ((struct.pack("!H", 120), False), (keeps, True)):
            with self.subTest(last.hex()):
                prefix = f"10.200.{next(self.numbers)}.0/24"
                connection = self.establish(capabilities=usual + capability(64, keeps) + capability(64, keeps) +
                                            capability(64, last))
                connection.send(update_message(prefix, [AS], ID))
                self.wait_for_route(prefix)
                connection.socket.close()
                wait_until(lambda: self.row()["state"] != "Established", 10, "the session is lost")
                self.wait_for_route(prefix, present=kept)


if __name__ == "__main__":
    unittest.main()
