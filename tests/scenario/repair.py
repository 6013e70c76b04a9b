"""Another process spoils our routes, next-hop objects, rules and containers' interfaces a thousand times: all is put right, and nothing of others is touched.
How long it takes is printed, and no reason to fail: that depends on the machine.
"""

import json
import os
import pathlib
import statistics
import sys
import unittest

from lab import Lab, wait_until

DISTURB = pathlib.Path(__file__).resolve().parent.parent / "support" / "disturb.py"
COUNT = int(os.environ.get("TOWPATH_REPAIRS", "1000"))
SEED = int(os.environ.get("TOWPATH_SEED", "1"))


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Repair(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.a, cls.b, cls.c = (cls.lab.add_host(f"host-{letter}") for letter in "abc")
        for host in (cls.b, cls.c):
            number = int(host.blocks[0].split(".")[2])
            host.config["blocks"] += [f"10.64.{number}.{at}/28" for at in range(64, 256, 16)]
            host.config["blocks"] += [f"fd00:64:0:{number * 256 + at:x}::/64" for at in range(12)]
            # Both have these: routes with two next hops.
            host.config["blocks"] += [f"10.64.200.{at}/28" for at in range(0, 192, 16)]
            host.config["blocks"] += [f"fd00:64:0:{200 * 256 + at:x}::/64" for at in range(12)]
        cls.a.config["multipath"] = 2
        cls.lab.full_mesh()
        for host in cls.lab.hosts:
            host.start_agent()
        wait_until(lambda: cls.a.established("host-b", "host-c"), 30, "sessions")
        cls.a.network.conflist["plugins"][0]["capabilities"] = {"portMappings": True}
        mapping = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
        cls.a.add_container("one", capabilities={"portMappings": [mapping]})
        for name in ("two", "three", "four"):
            cls.a.add_container(name)
        cls.b.add_container("other")
        wait_until(cls.settled, 30, lambda: f"host-a: {cls.a.ctl('routes', 'diff')}\n{cls.a.log_tail()}")

    @classmethod
    def settled(cls):
        status = cls.a.ctl("status")
        status = status[0] if isinstance(status, list) else status
        # Learned: 14 of each host and 12 of both, each family; own: one, each family. Two next hops, two members and
        # a group, each family.
        return (status["in_sync"] and status["deletes_allowed"] and status["routes_actual"] == 2 * (13 + 13 + 12 + 1)
                and status["next_hops"] == 2 * 5)

    def test_a_thousand_repairs(self):
        found = json.loads(self.a.run(sys.executable, DISTURB, COUNT, SEED))
        times = found["times_ms"]
        everything = [value for values in times.values() for value in values]
        for name, values in sorted(times.items()):
            print(f"{name}: {len(values)} repaired, median {statistics.median(values):.1f} ms, "
                  f"p99 {percentile(values, 0.99):.1f} ms, max {max(values):.1f} ms", flush=True)
        print(f"all: {len(everything)} repaired of {found['routes']} routes and {found['next_hops']} next hops, "
              f"median {statistics.median(everything):.1f} ms, p99 {percentile(everything, 0.99):.1f} ms, "
              f"max {max(everything):.1f} ms; seed {SEED}", flush=True)
        self.assertEqual(found["not_repaired"], [], self.a.log_tail())
        self.assertEqual(len(everything), COUNT)
        self.assertGreaterEqual(len(times), 21, "each kind of disturbance came up")
        self.assertEqual((found["host_ends"], found["routes_to_containers"]), (4, 8))
        self.assertIn("8080", " ".join(found["rules"]))
        self.assertEqual(found["routes"], 2 * (13 + 13 + 12 + 1))
        self.assertGreater(found["foreign_routes"], 70)
        self.assertTrue(found["foreign_same"])
        self.assertEqual(found["foreign_notifications"], 0)
        wait_until(self.settled, 10, lambda: f"host-a: {self.a.ctl('routes', 'diff')}\n{self.a.log_tail()}")
        of_containers = sum(len(values) for name, values in times.items() if name.startswith("container_"))
        self.assertGreaterEqual(self.a.ctl("status")[0]["endpoints_repaired"], of_containers)
        self.assertIn("somebody spoiled the network of a container", self.a.log_path.read_text())
        other = self.b.containers["other"]
        for container in self.a.containers.values():
            self.a.network.check(container.id, container.path)
            self.assertTrue(other.pings(container.ipv4) and other.pings(container.ipv6), container.name)

    def test_b_what_del_removes_does_not_come_back(self):
        """Containers come and go while somebody spoils all of them: no route is left behind."""
        a = self.a
        for at in range(20):
            container = a.add_container(f"brief{at}")
            a.run("ip", "route", "del", container.ipv4)
            a.run("ip", "-6", "route", "del", container.ipv6)
            a.del_container(container)
            gone = {f"{container.ipv4}/32", f"{container.ipv6}/128"}
            self.assertFalse(gone & set(a.routes(4)), f"after DEL of {container.name}")
        wait_until(lambda: a.ctl("status")[0]["endpoints"] == 4, 10, "the records are gone")
        self.assertEqual(len(a.routes(4)), 8)
        container = a.add_container("last")
        before = a.ctl("status")[0]["endpoints_repaired"]
        a.run("ip", "link", "set", container.result["interfaces"][0]["name"], "down")
        wait_until(lambda: a.ctl("status")[0]["endpoints_repaired"] > before, 10, "repaired")
        self.assertTrue(self.b.containers["other"].pings(container.ipv4))
        a.del_container(container)


if __name__ == "__main__":
    unittest.main()
