#!/usr/bin/python3
"""./dev bench routes: from the first byte of the first UPDATE to the last route in the kernel, for us and for BIRD, beside
the kernel's own limit: the same routes written by nothing but netlink batches.

Then how long a failover takes, for 1,000 routes and for all (route_bench.cc).

A watcher in the same namespace sees every route arrive. Rounds alternate; medians and ratios are printed.

usage: routes.py --build BUILD_DIR [--routes N] [--rounds N]
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from bgp import SOURCE_AS, Load  # noqa: E402
from bgp_devices import Bird, Peer, Towpath  # noqa: E402
from lab import Lab, LabError, Node, Process, ROUTE_PROTOCOL  # noqa: E402

PROTOCOLS = {"towpath": ROUTE_PROTOCOL, "BIRD": 12}  # RTPROT_BIRD


def lines(process):
    return iter(lambda: process.popen.stdout.readline().decode().split(), [])


class Watch:
    def __init__(self, node, program, family, protocol, routes):
        self.process = Process(node.lab, [program, "watch", family, protocol, routes], netns=node.netns,
                               stdout=subprocess.PIPE, log=node.directory / "watch.log")
        next(lines(self.process))

    def complete(self):
        for words in lines(self.process):
            return int(words[1])
        raise LabError(f"the watcher ended: {self.process.log()}")


class Floor:
    """No BGP at all."""

    name = "kernel's limit"
    protocol = 99

    def __init__(self, lab, program):
        self.node, self.program = Node(lab, "floor", 61), program

    def fill(self, feed, family, routes):
        watch = Watch(self.node, self.program, family, self.protocol, routes)
        via = feed.ipv6 if family == "ipv6" else feed.ipv4
        text = self.node.run("taskset", "-c", "1", self.program, "write", family, self.protocol, routes, "eth0", via)
        begun = int(text.splitlines()[0].split()[1])
        done = watch.complete()
        self.node.run("ip", "-6" if family == "ipv6" else "-4", "route", "flush", "proto", self.protocol)
        return (done - begun) / 1e9


def fill_by_bgp(device, programs, feed, family, routes):
    device.start([Peer(feed.name, getattr(feed, family), SOURCE_AS)], family)
    protocol = PROTOCOLS[device.name]
    try:
        watch = Watch(device.node, programs / "route_load", family, protocol, routes)
        source = Load(feed, programs / "bgp_load", "source", device.address(family), 179, SOURCE_AS, feed.ipv4, family, routes, 1000)
        source.expect("ready")
        source.command("a")
        begun, _ = source.expect("begin")
        done = watch.complete()
        source.end()
        return (done - begun) / 1e9
    finally:
        device.stop()
        # Routes with an object go with it; ip cannot flush them (iproute2 6.1).
        device.node.run("ip", "nexthop", "flush", "proto", protocol)
        device.node.run("ip", "-6" if family == "ipv6" else "-4", "route", "flush", "proto", protocol)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--routes", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    programs = options.build.resolve() / "bench"
    with Lab(options.build / "bin") as lab:
        floor = Floor(lab, programs / "route_load")
        devices = [Towpath(lab, 62, installs=True), Bird(lab, 63, installs=True)]
        feed = Node(lab, "feed", 70)
        print("| | IPv4 s | routes/s | of the limit | IPv6 s | routes/s | of the limit |\n|---|---|---|---|---|---|---|")
        medians = {}
        for family in ("ipv4", "ipv6"):
            times = {device.name: [] for device in [floor] + devices}
            for turn in range(options.rounds):
                times[floor.name].append(floor.fill(feed, family, options.routes))
                for device in devices if turn % 2 else reversed(devices):
                    times[device.name].append(fill_by_bgp(device, programs, feed, family, options.routes))
            medians[family] = {name: statistics.median(values) for name, values in times.items()}
        for device in [floor] + devices:
            cells = [device.name]
            for family in ("ipv4", "ipv6"):
                value, limit = medians[family][device.name], medians[family][floor.name]
                cells += [f"{value:.2f}", f"{options.routes / value:.0f}", f"{limit / value:.2f}"]
            print("| " + " | ".join(cells) + " |")
    print("\nUntil the kernel forwards otherwise\n")
    sys.stdout.flush()
    subprocess.run([programs / "route_bench", "--failover", "1", "--routes", str(options.routes),
                    "--rounds", str(options.rounds)], check=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"bench routes: {error}", file=sys.stderr)
        sys.exit(1)
