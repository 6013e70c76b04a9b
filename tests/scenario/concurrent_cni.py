"""200 containers attached and detached at once on one host: no address twice, nothing left behind."""

import collections
import concurrent.futures
import json
import unittest

from lab import Container, Lab, ip_batch, run

COUNT = 200
AT_ONCE = 16


class ConcurrentCni(unittest.TestCase):
    def test_200_adds_then_dels(self):
        with Lab() as lab:
            host = lab.add_host("host-a")
            blocks = ["10.64.4.0/24", "fd00:64:0:4::/120"]
            host.network.conflist["plugins"][0]["ipam"]["blocks"] = blocks
            containers = [Container(host, f"c{number}") for number in range(COUNT)]
            host.network.add(containers[0].id, containers[0].path)  # makes the state store
            host.network.delete(containers[0].id, containers[0].path)
            before = self.traces(host)
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                results = list(pool.map(lambda c: host.network.add(c.id, c.path), containers))
            addresses = collections.Counter(entry["address"] for result in results for entry in result["ips"])
            self.assertEqual(len(addresses), 2 * COUNT)
            self.assertEqual(addresses.most_common(1)[0][1], 1)
            for container, result in zip(containers, results):
                container.result = result
                container.read_addresses()
            for index in range(0, COUNT, 20):
                one, other = containers[index], containers[index + 7]
                self.assertTrue(one.pings(other.ipv4) and one.pings(other.ipv6), f"{one.name} reaches {other.name}")
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda c: host.network.delete(c.id, c.path), containers))
            self.assertEqual(self.traces(host), before)
            # Again, with the sandboxes gone before their DEL, as containerd does it.
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda c: host.network.add(c.id, c.path), containers))
                ip_batch(None, *(f"netns del {c.netns}" for c in containers))
                list(pool.map(lambda c: host.network.delete(c.id, ""), containers))
            self.assertEqual(self.traces(host), before)

    @staticmethod
    def traces(host):
        """Everything on the host that an attachment could leave."""
        def rows(*words):
            return json.loads(run("ip", "-n", host.netns, "-j", *words) or "[]")

        # A link whose sandbox is gone vanishes by itself, in its own time; DEL must not rely on it.
        return {
            "links": sorted(row["ifname"] for row in rows("link")),
            "routes": sorted(row["dst"] for family in ("-4", "-6") for row in rows(family, "route", "show", "table", "all")
                             if row.get("type", "unicast") == "unicast"),
            "neighbours": sorted(row["dst"] for row in rows("neigh", "show", "nud", "permanent")),
            "allocations": [row for row in host.ctl("ipam", "--allocations") if row.get("used")],
            "endpoints": host.ctl("endpoints"),
        }


if __name__ == "__main__":
    unittest.main()
