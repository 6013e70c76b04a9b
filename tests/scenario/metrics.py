"""Metrics over HTTP: what Prometheus would read says the same as towpathctl, and follows what happens."""

import json
import re
import unittest

from lab import Lab, LabError, wait_until

PORT = 9479
SAMPLE = re.compile(r'(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>[-+.e0-9]+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\\]|\\\\.)*)"')


def get(host, path):
    """(status, body), as a client of that host."""
    script = ("import http.client, json, sys\n"
              f"c = http.client.HTTPConnection('127.0.0.1', {PORT}, timeout=5); c.request('GET', {path!r})\n"
              "r = c.getresponse(); print(json.dumps([r.status, r.read().decode()]))")
    return json.loads(host.run("/usr/bin/python3", "-c", script))


def parse(test, text):
    """{(name, label values): value}, with every rule of the format checked that scrapers hold us to."""
    test.assertTrue(text.endswith("\n"))
    values, kinds, helped, finished, current = {}, {}, set(), set(), None
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            test.assertTrue(rest, line)
            if word == "HELP":
                test.assertNotIn(name, helped, "one HELP for a family")
                helped.add(name)
                finished.add(current)
                current = name
            else:
                test.assertEqual((word, name), ("TYPE", current), line)
                kinds[name] = rest
            continue
        match = SAMPLE.fullmatch(line)
        test.assertIsNotNone(match, line)
        name = match["name"]
        test.assertEqual(name, current, f"samples of a family stand together, behind its TYPE: {line}")
        test.assertNotIn(name, finished)
        labels = LABEL.findall(match["labels"] or "")
        key = (name, *(value for _, value in labels))
        test.assertNotIn(key, values, "no sample twice")
        values[key] = float(match["value"])
    for name, kind in kinds.items():
        test.assertTrue(name.startswith("towpath_"), name)
        test.assertIn(kind, ("gauge", "counter"))
        test.assertEqual(name.endswith("_total"), kind == "counter", f"{name} is a {kind}")
    test.assertEqual(set(kinds), helped)
    return values


class Metrics(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host, self.other = self.lab.add_host("host-a"), self.lab.add_host("host-b")
        self.host.peer_with(self.other, bfd={})
        self.other.peer_with(self.host, bfd={})
        self.host.config["metrics"] = {}

    def scrape(self):
        status, text = get(self.host, "/metrics")
        self.assertEqual(status, 200)
        return parse(self, text)

    def test_the_same_as_towpathctl(self):
        self.host.start_agent()
        wait_until(lambda: get(self.host, "/health")[0] == 503, 5, "the peer is not there yet")
        self.assertEqual(get(self.host, "/health")[1], "waiting for the routes of host-b\n")
        self.other.start_agent()
        wait_until(lambda: get(self.host, "/health") == [200, "ok\n"], 20, lambda: get(self.host, "/health"))
        wait_until(lambda: self.host.ctl("bfd")[0]["state"] == "Up", 20, "BFD")
        container = self.host.add_container("c1")
        wait_until(lambda: self.host.ctl("status")[0]["endpoints"] == 1, 10, "the agent has read the endpoint")
        seen = self.scrape()
        peer, status = self.host.peer("host-b"), self.host.ctl("status")[0]
        self.assertEqual(seen["towpath_bgp_session_up", "host-b", self.other.ipv4], 1)
        self.assertEqual(seen["towpath_bfd_session_up", "host-b", self.other.ipv4], 1)
        self.assertEqual(seen["towpath_in_sync",], 1)
        self.assertEqual(seen["towpath_build_info", status["version"], "host-a"], 1)
        for kind in ("received", "accepted", "sent"):
            self.assertEqual(seen["towpath_bgp_prefixes", "host-b", kind], peer[f"prefixes_{kind}"])
            self.assertGreater(peer[f"prefixes_{kind}"], 0)
        for family in ("ipv4", "ipv6"):
            self.assertEqual(seen["towpath_rib_prefixes", family], status[f"prefixes_{family}"])
        self.assertEqual(seen["towpath_kernel_routes", "in_kernel"], status["routes_actual"])
        self.assertEqual(seen["towpath_endpoints",], 1)
        for block in self.host.blocks:
            self.assertEqual(seen["towpath_ipam_addresses", block, "owned", "used"], 1)
        self.host.del_container(container)
        self.other.stop_agent()
        wait_until(lambda: self.scrape()["towpath_bgp_session_up", "host-b", self.other.ipv4] == 0, 20, "the session is down")
        self.assertEqual(self.scrape()["towpath_bgp_session_established_total", "host-b"], 1)

    def test_the_address_moves_with_the_configuration(self):
        for host in (self.host, self.other):
            host.start_agent()
        wait_until(lambda: get(self.host, "/health")[0] == 200, 20, "in sync")
        del self.host.config["metrics"]
        self.host.reload_agent()
        wait_until(lambda: self.host.ctl("status")[0]["reloads"] == 1, 10, "read")
        with self.assertRaisesRegex(LabError, "Connection refused"):
            get(self.host, "/metrics")
        listener = self.host.start(["/usr/bin/python3", "-c", "import socket, time; s = socket.create_server(('127.0.0.1', "
                                    f"{PORT})); time.sleep(60)"])
        wait_until(lambda: str(PORT) in self.host.run("ss", "-Hltn"), 10, "the port is taken")
        self.host.config["metrics"] = {}
        self.host.reload_agent()
        wait_until(lambda: self.host.ctl("status")[0]["reloads_refused"] == 1, 10, "refused as a whole")
        self.assertIn(f"metrics: listen on 127.0.0.1 port {PORT}: Address already in use", self.host.log_tail(40))
        listener.stop()
        self.host.reload_agent()
        wait_until(lambda: self.host.ctl("status")[0]["reloads"] == 2, 10, "read")
        self.assertEqual(self.scrape()["towpath_reloads_total", "refused"], 1)


if __name__ == "__main__":
    unittest.main()
