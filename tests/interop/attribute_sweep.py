"""The attribute sweep (sweep_cases.py) put to a running agent over real sessions: each reaction is that of RFC 7606, and
another session and its routes do not notice.

What keeps the session goes over one session, thousands of cases long. A reset takes a session and a peer of its own.
"""

import unittest

from bgp_peer import UPDATE, message
from hostile_lab import AS, ID, HostileLab
from lab import wait_until
from sweep_cases import KEEP, MP_REACH, MP_UNREACH, RESET, all_cases

END_OF_RIB = message(UPDATE, b"\0\0\0\0")
CASES = all_cases()
RESETTING = [case for case in CASES if case.wanted == RESET]


class AttributeSweep(HostileLab):
    enemies = 1 + len(RESETTING)

    def test_what_keeps_the_session(self):
        cases = [case for case in CASES if case.wanted != RESET]
        connection = self.establish()
        for start in range(0, len(cases), 100):
            connection.send(b"".join(case.updates(AS, ID) for case in cases[start:start + 100]))
        connection.send(END_OF_RIB)
        wait_until(lambda: self.row()["messages_received"] >= 2 * len(cases) + 3, 60,
                   lambda: f"everything is read: {self.row()}")
        names = {case.prefix: str(case) for case in cases}
        kept = {case.prefix for case in cases if case.wanted == KEEP}
        wait_until(lambda: len(self.prefixes(self.host, "--peer", self.peer)) >= len(kept), 20, "the sound routes are there")
        found = self.prefixes(self.host, "--peer", self.peer) & set(names)
        self.assertEqual([names[prefix] for prefix in sorted(kept - found)], [], "must be kept and are not")
        self.assertEqual([names[prefix] for prefix in sorted(found - kept)], [], "must be withdrawn and are not")
        self.assertEqual(self.row()["state"], "Established")
        # What is used is passed on, and the next one finds it sound.
        used = {case.prefix for case in cases if case.wanted == KEEP and not case.without_first_as}
        wait_until(lambda: used <= self.prefixes(self.other, "--peer", "host-a"), 20,
                   lambda: f"passed on: {len(used - self.prefixes(self.other, '--peer', 'host-a'))} missing")
        self.assertLess(len(used), len(kept))
        wait_until(lambda: not self.prefixes(self.other, "--peer", "host-a") & (kept - used), 20, "others are not passed on")
        print(f"{len(cases)} cases: {len(kept)} kept, {len(cases) - len(kept)} withdrawn")

    def test_what_resets_it(self):
        for case in RESETTING:
            with self.subTest(str(case)):
                connection = self.establish()
                connection.send(case.updates(AS, ID))
                # RFC 4271 section 6.3: unrecognized well-known; RFC 7606 sections 7.11, 7.12: optional attribute.
                data = self.assert_answer(connection, 3, 9 if case.code in (MP_REACH, MP_UNREACH) else 2)
                self.assertEqual(data[1:2], bytes([case.code]), "the data is the attribute")
                connection.socket.close()
        wait_until(lambda: not [row for row in self.host.ctl("routes") if row["prefix"] in
                                {case.prefix for case in RESETTING}], 20, "nothing stays of sessions that were reset")
        print(f"{len(RESETTING)} resets")


if __name__ == "__main__":
    unittest.main()
