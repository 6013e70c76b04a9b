"""The laboratory itself, with nothing of Towpath in it: a test that fails here says nothing about our programs.

Containers are attached by the reference plugin ptp with host-local, the routes between hosts are written by hand.
"""

import contextlib
import io
import os
import pathlib
import signal
import subprocess
import unittest
from unittest import mock

import demo
from lab import CniError, Lab, LabError, NETNS_DIR, Probe, SUPPORT_DIR, ip_batch, run, wait_until, yaml_lines


class ReferenceLab(Lab):
    def conflist(self, host):
        ranges = [[{"subnet": f"10.64.{host.number}.0/26"}], [{"subnet": f"fd00:64:0:{host.number}::/122"}]]
        return {"cniVersion": "1.0.0", "name": "reference", "plugins": [
            {"type": "ptp", "ipam": {"type": "host-local", "ranges": ranges, "dataDir": str(host.directory / "ipam"),
                                     "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}}]}


class LabSelfTest(unittest.TestCase):
    def test_hosts_containers_probe_and_faults(self):
        with ReferenceLab() as lab:
            a, b = lab.add_host("host-a"), lab.add_host("host-b")
            for host, other in ((a, b), (b, a)):
                ip_batch(host.netns, f"route add 10.64.{other.number}.0/26 via {other.ipv4} proto 84",
                         f"route add fd00:64:0:{other.number}::/122 via {other.ipv6} proto 84")
            self.assertEqual(sorted(a.routes()), ["10.64.2.0/26", "fd00:64:0:2::/122"])
            first, second = a.add_container("one"), b.add_container("two")
            wait_until(lambda: first.pings(second.ipv6), 10, "IPv6 ping (ptp waits for duplicate address detection)")
            self.assertTrue(first.pings(second.ipv4))
            second.serve()
            self.assertEqual(first.call(second.ipv4), first.ipv4)
            self.assertEqual(first.call(second.ipv6), first.ipv6)

            capture = a.capture("icmp6 and icmp6[0] = 128")
            first.pings(second.ipv6)
            wait_until(lambda: any(f"{first.ipv6} > {second.ipv6}" in line for line in capture.packets()), 5,
                       "the capture shows the ping")
            capture.stop()

            probe = Probe([(first, second)])
            wait_until(lambda: first.pings(second.ipv4), 5, "ping while probing")
            clean = probe.stop()
            self.assertEqual([row["lost"] for row in clean], [0, 0], clean)

            probe = Probe([(first, second)])
            b.cut_off()
            self.assertFalse(first.pings(second.ipv4))
            b.reconnect()
            for address in (second.ipv4, second.ipv6):
                wait_until(lambda: first.pings(address), 5, f"{address} answers after the reconnection")
            lossy = probe.stop()
            self.assertTrue(all(row["lost"] > 100 and row["longest_gap_ms"] > 100 for row in lossy), lossy)

            a.unplug()
            wait_until(lambda: "NO-CARRIER" in a.run("ip", "link", "show", "eth0"), 5, "carrier lost")
            a.plug()

            with self.assertRaises(CniError) as refused:
                a.network.add(first.id, first.path)
            self.assertEqual(refused.exception.verb, "ADD")
            a.del_container(first)
            self.assertFalse(second.pings("10.64.1.2"))

    def test_bird_peers(self):
        with Lab() as lab:
            birds = [lab.add_bird("bird-a", 10, 65010), lab.add_bird("bird-b", 11, 65011)]
            for bird, other in zip(birds, reversed(birds)):
                bird.configure(f"""
                    protocol static {{ ipv4; route 10.{bird.number}.0.0/16 blackhole; }}
                    protocol bgp peer {{ local {bird.ipv4} as {bird.as_number}; neighbor {other.ipv4} as {other.as_number};
                      connect delay time 1; connect retry time 1; ipv4 {{ import all; export all; }}; }}""")
                bird.launch()
            wait_until(lambda: all(bird.established("peer") for bird in birds), 20, "both established")
            wait_until(lambda: birds[0].count("protocol peer") == 1, 10, "the other's route")

    def test_nothing_is_left_behind(self):
        program = (f"import sys; sys.path.insert(0, {str(SUPPORT_DIR)!r}); import lab\n"
                   "l = lab.Lab(); h = l.add_host('host-a'); h.start(['sleep', '1000'])\n"
                   "print(l.prefix, flush=True); sys.stdin.read()")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            child = subprocess.Popen(["/usr/bin/python3", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True)
            prefix = child.stdout.readline().strip()
            self.assertTrue(list(NETNS_DIR.glob(f"{prefix}*")), "the laboratory exists")
            child.send_signal(number)
            child.wait(20)
            child.stdin.close()
            child.stdout.close()
            if number == signal.SIGKILL:
                run("/usr/bin/python3", SUPPORT_DIR / "lab.py", "--sweep")
            self.assertEqual(list(NETNS_DIR.glob(f"{prefix}*")), [], f"after {number!r}")

    def test_clean_says_what_it_did(self):
        name = f"demo{os.getpid()}"
        directory = pathlib.Path(f"/run/towpath-lab-{name}")

        def said(left):
            text = io.StringIO()
            with mock.patch.multiple(demo, KEPT=name, KEPT_DIRECTORY=directory, sweep=lambda: left), \
                    contextlib.redirect_stdout(text):
                self.assertEqual(demo.main(["--clean"]), 0)
            return text.getvalue()

        run("ip", "netns", "add", f"{name}-host-a")
        directory.mkdir()
        self.assertEqual(said(0), "The demo's hosts are gone.\n")
        self.assertFalse(directory.exists() or (NETNS_DIR / f"{name}-host-a").exists())
        self.assertIn("nothing to take away", said(0))
        self.assertEqual(said(1), "What 1 earlier run left that was killed is gone.\n")
        self.assertEqual(said(2), "What 2 earlier runs left that were killed is gone.\n")

    def test_wait_until_says_what_it_waited_for(self):
        with self.assertRaisesRegex(LabError, "not so within 0.05 s: the moon"):
            wait_until(lambda: False, 0.05, "the moon")

    def test_yaml(self):
        self.assertEqual(yaml_lines({"a": 1, "l": [{"x": "2001:db8::1", "y": [1, 2]}], "e": [], "b": True, "s": "::/0"}),
                         ["a: 1", "l:", "  - x: 2001:db8::1", "    y: [1, 2]", "e: []", "b: true", 's: "::/0"'])


if __name__ == "__main__":
    unittest.main()
