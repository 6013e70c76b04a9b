"""BIRD 2 as the other end: sessions of both kinds, both families, in both directions, with loss and return and with 10,000
routes each way.
"""

import ipaddress
import re
import subprocess
import unittest

from lab import Lab, wait_until

OUR_AS = 64512


def bird_bgp(bird, host, our_as=OUR_AS, extra=""):
    return f"""
        protocol bgp towpath {{
          local {bird.ipv4} as {bird.as_number}; neighbor {host.ipv4} as {our_as};
          connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 9; {extra}
          ipv4 {{ import all; export where source = RTS_STATIC; next hop self; }};
          ipv6 {{ import all; export where source = RTS_STATIC; next hop address {bird.ipv6}; }};
        }}"""


def statics(ipv4, ipv6):
    return ("protocol static own4 { ipv4; " + " ".join(f"route {prefix} blackhole;" for prefix in ipv4) + " }\n"
            "protocol static own6 { ipv6; " + " ".join(f"route {prefix} blackhole;" for prefix in ipv6) + " }\n")


def prefixes(parent, length, count):
    """The first `count` subnets of a length."""
    network = ipaddress.ip_network(parent)
    step = 1 << (network.max_prefixlen - length)
    base = int(network.network_address)
    make = ipaddress.IPv6Address if network.version == 6 else ipaddress.IPv4Address
    return [f"{make(base + number * step)}/{length}" for number in range(count)]


def bird_routes(bird):
    """{prefix: text of the route} of what BIRD has from us."""
    routes = {}
    for line in bird.birdc("show route protocol towpath").splitlines():
        match = re.match(r"([0-9a-f.:]+/\d+)\s+(.*)", line)
        if match:
            routes[match.group(1)] = match.group(2)
    return routes


def bgpdump(host, *words):
    """What bgpdump reads in our MRT dump of a table: {prefix: [fields of its one-line form]}"""
    file = host.directory / "table.mrt"
    with file.open("wb") as stream:
        subprocess.run([host.lab.bin / "towpathctl", "--socket", host.socket, "routes", "-o", "mrt", *words], stdout=stream,
                       check=True)
    done = subprocess.run(["bgpdump", "-m", str(file)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    paths = {}
    for line in done.stdout.splitlines():
        fields = line.split("|")
        paths.setdefault(fields[5], []).append(fields)
    return paths


class OnePeer:
    """One host of ours and one BIRD; subclasses say which AS BIRD is in."""

    bird_as = None

    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host = self.lab.add_host("host-a")
        self.bird = self.lab.add_bird("bird", 50, self.bird_as)
        self.bird_blocks = ["10.64.50.0/26", "fd00:64:0:50::/122"]
        self.bird.configure(statics(self.bird_blocks[:1], self.bird_blocks[1:]) + bird_bgp(self.bird, self.host))

    def connect(self, **more):
        self.host.peer_with(self.bird, **more)
        self.host.start_agent()
        self.bird.launch()
        self.wait_exchanged()

    def wait_exchanged(self):
        wait_until(lambda: self.bird.established("towpath"), 30,
                   lambda: f"established: {self.bird.birdc('show protocols all towpath')}\n{self.host.ctl('peers')}")
        wait_until(lambda: set(bird_routes(self.bird)) == set(self.host.blocks), 10,
                   lambda: f"BIRD has our blocks: {bird_routes(self.bird)}")
        wait_until(lambda: set(self.bird_blocks) <= set(self.host.routes()), 10,
                   lambda: f"our kernel has BIRD's blocks: {self.host.routes()} {self.host.ctl('routes', 'adj-rib-in')}")

    def test_both_directions_both_families(self):
        self.connect()
        kernel = self.host.routes()
        self.assertEqual([kernel[block]["gateway"] for block in self.bird_blocks], [self.bird.ipv4, self.bird.ipv6])
        text = self.bird.birdc("show route all protocol towpath")
        self.assertEqual(len(re.findall(rf"BGP\.next_hop: {self.host.ipv4}\b", text)), 1, text)
        self.assertEqual(len(re.findall(rf"BGP\.next_hop: {self.host.ipv6}\b", text)), 1, text)
        self.assertEqual(len(re.findall(r"BGP\.origin: IGP", text)), 2, text)
        self.assertEqual(len(re.findall(r"BGP\.as_path:( 64512)?\s*\n", text)), 2, text)
        # (To an external peer LOCAL_PREF is not sent; BIRD then shows its own default, which is 100 too.)
        self.assertEqual(len(re.findall(r"BGP\.local_pref: 100", text)), 2, text)

    def test_bird_goes_and_returns(self):
        self.connect()
        self.bird.process.stop()
        wait_until(lambda: not set(self.bird_blocks) & set(self.host.routes()), 15, "the routes of BIRD are gone")
        self.bird.launch()
        self.wait_exchanged()

    def test_bird_dies_silently_and_returns(self):
        self.connect()
        self.bird.cut_off()
        wait_until(lambda: not set(self.bird_blocks) & set(self.host.routes()), 20, "the hold time removes the routes")
        self.bird.reconnect()
        self.wait_exchanged()

    def test_we_restart(self):
        self.connect()
        self.assertEqual(self.host.stop_agent(), 0)
        self.host.start_agent()
        self.wait_exchanged()

    def test_bird_withdraws_and_announces(self):
        self.connect()
        more = "10.64.51.0/26"
        self.bird.configure(statics([more], self.bird_blocks[1:]) + bird_bgp(self.bird, self.host))
        wait_until(lambda: more in self.host.routes() and self.bird_blocks[0] not in self.host.routes(), 10,
                   lambda: f"changed as announced: {self.host.routes()}")
        self.assertTrue(self.bird.established("towpath"))

    def test_outside_the_pools_is_not_taken(self):
        self.bird.configure(statics(self.bird_blocks[:1] + ["10.99.0.0/16", "0.0.0.0/0"], self.bird_blocks[1:] + ["::/0"]) +
                            bird_bgp(self.bird, self.host))
        self.connect()
        rows = wait_until(lambda: [row for row in self.host.ctl("routes", "adj-rib-in") if row["filtered"]], 5, "filtered rows")
        self.assertEqual(sorted(row["prefix"] for row in rows), ["0.0.0.0/0", "10.99.0.0/16", "::/0"])
        self.assertEqual(set(self.host.routes()), set(self.host.blocks) | set(self.bird_blocks))

    def test_bird_is_passive(self):
        self.bird.configure(statics(self.bird_blocks[:1], self.bird_blocks[1:]) +
                            bird_bgp(self.bird, self.host, extra="passive;"))
        self.connect()

    def test_we_are_passive(self):
        self.connect(passive=True)

    def test_bird_reloads_all(self):
        self.connect()
        self.bird.birdc("reload in all")
        self.bird.birdc("reload out all")
        self.bird.birdc("restart towpath")
        self.wait_exchanged()


    def test_mrt_dumps(self):
        """bgpdump, which others wrote, reads the same as our own rows say."""
        self.connect()
        paths = bgpdump(self.host)
        rows = self.host.ctl("routes")
        self.assertEqual(sorted(paths), sorted(row["prefix"] for row in rows))
        for row in rows:
            (fields,) = paths[row["prefix"]]
            peer = row["peer"] == "bird"
            self.assertEqual(fields[3:5], [self.bird.ipv4, str(self.bird.as_number)] if peer else ["0.0.0.0", str(OUR_AS)])
            self.assertEqual(fields[6], row["as_path"])
            if peer:
                self.assertEqual(fields[8], row["next_hop"])
            self.assertEqual(fields[9], str(row.get("local_pref", 0)))
        self.assertEqual(sorted(bgpdump(self.host, "adj-rib-in", "--peer", "bird")), sorted(self.bird_blocks))
        self.assertEqual(list(bgpdump(self.host, self.bird_blocks[0])), self.bird_blocks[:1])


class Ibgp(OnePeer, unittest.TestCase):
    bird_as = OUR_AS


class Ebgp(OnePeer, unittest.TestCase):
    bird_as = 4200000050


class WrongPeers(unittest.TestCase):
    def test_wrong_as(self):
        with Lab() as lab:
            host, other = lab.add_host("host-a"), lab.add_host("host-b")
            bird = lab.add_bird("bird", 50, 65050)
            bird.configure(statics(["10.64.50.0/26"], []) + bird_bgp(bird, host))
            host.peer_with(other)
            other.peer_with(host)
            host.config["peers"].append({"name": "bird", "address": bird.ipv4, "as": 65051, "hold_time": 3, "connect_retry": 1})
            for one in (host, other):
                one.start_agent()
            bird.launch()
            wait_until(lambda: host.established("host-b"), 20, "the good session")
            before = host.peer("host-b")["connections"]
            wait_until(lambda: "Bad Peer AS" in host.peer("bird")["last_error"], 20,
                       lambda: f"the error is shown: {host.peer('bird')}")
            wait_until(lambda: "Bad peer AS" in bird.birdc("show protocols all towpath") or
                       "Bad peer AS" in (bird.directory / "bird.log").read_text(), 20, "BIRD got the right NOTIFICATION")
            self.assertNotEqual(host.peer("bird")["state"], "Established")
            self.assertEqual(host.peer("host-b")["connections"], before)
            self.assertNotIn("10.64.50.0/26", host.routes())


class ManyRoutes(unittest.TestCase):
    COUNT = 10000

    def test_10000_routes_each_way(self):
        """BIRD - Towpath - BIRD, three autonomous systems: what one BIRD announces reaches the other through us."""
        with Lab() as lab:
            host = lab.add_host("host-a", OUR_AS)
            host.config["pools"] = ["10.0.0.0/8", "fd00::/8"]
            host.config["log"]["level"] = "info"
            left, right = lab.add_bird("left", 50, 65050), lab.add_bird("right", 51, 65051)
            announced = {left: (prefixes("10.128.0.0/10", 24, self.COUNT), prefixes("fd01::/32", 64, self.COUNT)),
                         right: (prefixes("10.192.0.0/10", 24, self.COUNT), prefixes("fd02::/32", 64, self.COUNT))}
            for bird, (ipv4, ipv6) in announced.items():
                bird.configure(statics(ipv4, ipv6) + bird_bgp(bird, host))
                host.peer_with(bird, export="all", hold_time=9)
            host.start_agent()
            for bird in announced:
                bird.launch()
            for bird, other in ((left, right), (right, left)):
                wait_until(lambda: bird.established("towpath"), 30, f"{bird.name} established")
                # 10,000 routes of each family from the other BIRD, and our own two blocks.
                wait_until(lambda: bird.count("protocol towpath") == 2 * self.COUNT + 2, 60,
                           lambda: f"{bird.name} has all: {bird.birdc('show route protocol towpath count')}\n{host.log_tail()}",
                           interval=0.2)
                text = bird.birdc(f"show route all for {announced[other][0][77].split('/')[0]}")
                self.assertRegex(text, rf"BGP\.as_path: {OUR_AS} {other.as_number}\b")
            everything = {prefix for lists in announced.values() for family in lists for prefix in family} | set(host.blocks)
            wait_until(lambda: len(host.routes()) == len(everything), 60,
                       lambda: f"the kernel has all: {len(host.routes())} of {len(everything)}", interval=0.3)
            kernel = host.routes()
            self.assertEqual(set(kernel), everything)
            self.assertEqual(set(bgpdump(host)), everything)
            for bird, (ipv4, ipv6) in announced.items():
                self.assertEqual({kernel[prefix]["gateway"] for prefix in ipv4}, {bird.ipv4})
                self.assertEqual({kernel[prefix]["gateway"] for prefix in ipv6}, {bird.ipv6})
                rows = host.ctl("routes", "adj-rib-in", "--peer", bird.name)
                self.assertEqual({row["prefix"] for row in rows}, set(ipv4) | set(ipv6))
            self.assertEqual({row["prefix"] for row in host.ctl("routes")}, everything)
            self.assertEqual(host.ctl("routes", "diff"), [])
            # One side goes: its routes, and only those, go everywhere.
            left.process.stop()
            rest = set(announced[right][0] + announced[right][1]) | set(host.blocks)
            wait_until(lambda: len(host.routes()) == len(rest), 60, "the kernel loses what the left BIRD announced",
                       interval=0.3)
            self.assertEqual(set(host.routes()), rest)
            wait_until(lambda: right.count("protocol towpath") == 2, 60, "the right BIRD loses it too", interval=0.3)


if __name__ == "__main__":
    unittest.main()
