"""One of fifty peers is dead while we restart: it delays nobody. What the others are told is looked at on the wire.

The times are printed. They are no reason to fail, which depends on the machine; that a dead peer is waited for is: the restart
deferral here is longer than the test's deadlines.
"""

import signal
import time
import unittest

from bgp_peer import UPDATE, prefix_bytes
from capture_check import messages
from lab import Lab, ip_batch, wait_until

LIVE = 49
AS = 64512
DEFERRAL = 300


def end_of_rib(message):
    """The family that it ends, or None (RFC 4724 section 2)."""
    if message.kind != UPDATE:
        return None
    if message.body == bytes(4):
        return "ipv4"
    # No withdrawn routes, and MP_UNREACH_NLRI with AFI 2, SAFI 1 and nothing else.
    return "ipv6" if message.body[-3:] == b"\x00\x02\x01" and len(message.body) in (10, 11) else None


def session(number, remote, local):
    return f"""
        protocol static s4_{number} {{ ipv4; route 10.99.{number}.0/24 blackhole; }}
        protocol static s6_{number} {{ ipv6; route fd00:99:{number + 1}::/64 blackhole; }}
        protocol bgp p{number} {{ router id 192.0.2.{100 + number};
          local {local} as {AS}; neighbor {remote} as {AS}; strict bind yes; hold time 90; graceful restart yes;
          connect delay time 1; connect retry time 1; error wait time 1, 2;
          ipv4 {{ import all; export where proto = "s4_{number}"; next hop self; }};
          ipv6 {{ import all; export where proto = "s6_{number}"; next hop address 2001:db8::{100 + number:x}; }};
        }}"""


class DeadPeer(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host = self.lab.add_host("host-a", AS)
        self.host.config.update(pools=["10.0.0.0/8", "fd00::/8"], restart_deferral=DEFERRAL)
        self.host.config["log"]["level"] = "info"
        self.crowd, self.dead = self.lab.add_bird("crowd", 60, AS), self.lab.add_bird("dead", 61, AS)
        self.addresses = [f"192.0.2.{100 + number}" for number in range(LIVE)]
        # BIRD has one session with an address of ours, so each has another one.
        self.ours = [f"203.0.113.{1 + number}" for number in range(LIVE)]
        ip_batch(self.host.netns, *(f"address add {address}/24 dev eth0" for address in self.ours))
        self.host.config["listen"] += [{"address": address} for address in self.ours]
        ip_batch(self.crowd.netns, "address add 203.0.113.254/24 dev eth0", *(f"address add {address}/24 dev eth0" for address in self.addresses),
                 *(f"address add 2001:db8::{100 + number:x}/64 dev eth0 nodad" for number in range(LIVE)))
        self.crowd.configure("\n".join(session(number, ours, theirs)
                                       for number, (ours, theirs) in enumerate(zip(self.ours, self.addresses))))
        self.dead.configure(session(LIVE, self.host.ipv4, self.dead.ipv4))
        for number, (ours, theirs) in enumerate([*zip(self.ours, self.addresses), (self.host.ipv4, self.dead.ipv4)]):
            self.host.config["peers"].append({"name": f"p{number}", "address": theirs, "local_address": ours, "as": AS,
                                              "hold_time": 90, "connect_retry": 1, "route_reflector_client": True, "export": "all"})
        self.crowd.launch()
        self.dead.launch()
        self.host.start_agent()
        self.learned = {prefix for number in range(LIVE) for prefix in (f"10.99.{number}.0/24", f"fd00:99:{number + 1}::/64")}
        wait_until(lambda: all(row["state"] == "Established" and row["prefixes_accepted"] == 2 for row in self.host.ctl("peers")),
                   60, lambda: self.host.log_tail())
        wait_until(lambda: len(self.learned - set(self.host.routes())) == 0, 30, "the kernel has all")

    def test_it_delays_nobody(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(signal=number):
                self.restart(number)

    def restart(self, number):
        self.dead.cut_off()
        capture = self.host.capture("tcp port 179", snaplen=9000)
        self.host.stop_agent(number)
        began = time.time()
        self.host.start_agent()
        told = {}  # (address, what): seconds

        def all_told():
            for one in messages(capture.path):
                if one.time < began or one.target not in self.addresses:
                    continue
                for block in self.host.blocks:
                    if one.kind == UPDATE and prefix_bytes(block) in one.body:
                        told.setdefault((one.target, block), one.time - began)
                if (family := end_of_rib(one)):
                    told.setdefault((one.target, family), one.time - began)
            return len(told) == LIVE * 4

        wait_until(all_told, 60, lambda: f"all peers are told: {len(told)} of {LIVE * 4}\n{self.host.log_tail()}", interval=0.2)
        capture.finish()
        own = max(value for (_, what), value in told.items() if what in self.host.blocks)
        complete = max(value for (_, what), value in told.items() if what not in self.host.blocks)
        print(f"signal {int(number)}, one of {LIVE + 1} peers dead: own routes at all others after {own * 1000:.0f} ms, "
              f"End-of-RIB after {complete:.2f} s", flush=True)
        wait_until(lambda: len(self.learned - set(self.host.routes())) == 0, 30, "the kernel has all of the living")
        status = self.host.ctl("status")[0]
        self.assertEqual(status["waiting_for"], [f"p{LIVE}"])
        self.assertFalse(status["deletes_allowed"], "its own routes stay until the deferral is over")
        self.assertIn(f"10.99.{LIVE}.0/24", self.host.routes())
        for peer in (0, LIVE - 1):
            self.assertEqual(self.crowd.count(f"where proto = \"p{peer}\""), 2 * LIVE, "the blocks, and 48 others' routes")
        self.dead.reconnect()
        wait_until(lambda: self.host.established(f"p{LIVE}") and self.host.ctl("status")[0]["in_sync"], 60,
                   lambda: self.host.log_tail())


if __name__ == "__main__":
    unittest.main()
