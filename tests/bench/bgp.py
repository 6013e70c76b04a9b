#!/usr/bin/python3
"""./dev bench bgp: routes through us and through other BGP speakers, in one run.

Each measurement starts the program anew. It has one core, the load has the other. Rounds go through the programs in turn, and
the medians of all rounds are printed, with the ratio of ours to the best of the others. Memory is PSS of all processes of a
program, with the routes minus without. No program writes routes to the kernel.

parts
  load      a million routes from one source to one counter, and their withdrawal: 20 to an attribute set in both families, and
            with an attribute set each
  slope     memory over the number of routes: what one path costs
  fanout    200,000 routes from one client of a route reflector to 32 others, and what one more peer costs
  sessions  1,000 clients with 20 routes each, all to all, from the first connection on
  churn     1,000 changes a second for a minute among 32 clients that hold 10,000 routes: the delay of each delivery

usage: bgp.py --build BUILD_DIR [--parts a,b] [--devices a,b] [--rounds N] [--routes N] [--seconds N]
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from bgp_devices import CROWD, DEVICES, OWN_AS, Peer, make  # noqa: E402
from lab import Lab, LabError, Node, Process  # noqa: E402

SOURCE_AS, COUNTER_AS = 65001, 65002
FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}


class Load:
    """A load program: prints what happens, takes commands."""

    def __init__(self, node, *words):
        self.process = Process(node.lab, ["taskset", "-c", "0", *words], netns=node.netns, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, log=node.directory / "load.log")

    def expect(self, word):
        """Reads up to the line that begins with `word`: (ns, {name: number})."""
        while True:
            line = self.process.popen.stdout.readline().decode()
            if not line or line.startswith("closed"):
                raise LabError(f"the session ended before '{word}': {self.process.log()[-500:]}")
            if line.startswith(word + " "):
                parts = line.split()
                return int(parts[1]), dict(zip(parts[2::2], map(int, parts[3::2])))

    def command(self, text):
        self.process.popen.stdin.write(text.encode() + b"\n")
        self.process.popen.stdin.flush()

    def end(self):
        self.process.popen.stdin.close()
        self.process.popen.wait(10)
        self.process.popen.stdout.close()


class Bench:
    def __init__(self, lab, options):
        self.options = options
        self.programs = options.build.resolve() / "bench"
        self.source, self.counter, self.crowd = Node(lab, "feed", 70), Node(lab, "sink", 71), Node(lab, "crowd", 72)
        for version, prefix in (("-4", CROWD["ipv4"]), ("-6", CROWD["ipv6"])):
            self.crowd.run("ip", version, "route", "add", "local", prefix, "dev", "lo")
        self.devices = make(lab, options.devices, self.crowd)

    def rounds(self, devices, measure):
        """{device's name: {key: median}} of measure(device), which gives {key: number}."""
        results = {device.name: [] for device in devices}
        for turn in range(self.options.rounds):
            for device in devices if turn % 2 else reversed(devices):
                try:
                    results[device.name].append(measure(device))
                finally:
                    device.stop()
        return {name: {key: statistics.median(one[key] for one in rows) for key in rows[0]} for name, rows in results.items()}

    def start_crowd(self, device, family, sessions, sources, routes, per_set, *more):
        first = CROWD[family][1]
        peers = [Peer(f"peer{i}", str(first + i), OWN_AS) for i in range(sessions)]
        device.start(peers, family)
        return lambda: Load(self.crowd, self.programs / "bgp_crowd", device.address(family), 179, OWN_AS, family, first,
                            sessions, sources, routes, per_set, *more)

    # one source, one counter -------------------------------------------------------------------------------------------

    def through(self, device, family, routes, per_set, withdraw=True):
        ends = [(node, number) for node, number in ((self.source, SOURCE_AS), (self.counter, COUNTER_AS))]
        device.start([Peer(node.name, getattr(node, family), number) for node, number in ends], family)
        words = [(self.programs / "bgp_load", mode, device.address(family), 179, number, node.ipv4, family, routes)
                 for (node, number), mode in zip(ends, ("source", "counter"))]
        counter = Load(self.counter, *words[1])
        counter.expect("ready")
        source = Load(self.source, *words[0], per_set)
        source.expect("ready")
        device.settle()
        empty, cpu = device.pss(), device.cpu_seconds()
        result = {}
        for letter, event, name in (("a", "announced", "announce"), ("w", "withdrawn", "withdraw")):
            source.command(letter)
            begun, _ = source.expect("begin")
            done, more = counter.expect(event)
            result[name] = (done - begun) / 1e9
            if letter == "a":
                device.settle()
                result.update(cpu=device.cpu_seconds() - cpu, memory=(device.pss() - empty) / 1e6, updates=more["updates"])
                if not withdraw:
                    break
        source.end()
        counter.end()
        return result

    def load(self):
        pair = [device for device in self.devices if device.name in ("towpath", "BIRD")] or self.devices
        for family, per_set in (("ipv4", 20), ("ipv6", 20), ("ipv4", 1)):
            routes = self.options.routes
            rows = self.rounds(pair, lambda device: self.through(device, family, routes, per_set))
            for row in rows.values():
                row["path"] = row["memory"] * 1e6 / routes
            table(f"{routes:,} {FAMILIES[family]} routes, {'an attribute set each' if per_set == 1 else '20 to an attribute set'}",
                  rows, ("announce s", "announce", 2), ("CPU s", "cpu", 2), ("memory MB", "memory", 0),
                  ("bytes a route", "path", 0), ("withdraw s", "withdraw", 2), ("UPDATEs sent", "updates", 0))

    def slope(self):
        pair = [device for device in self.devices if device.name in ("towpath", "BIRD")] or self.devices
        sizes = [self.options.routes // 10, self.options.routes * 3 // 10, self.options.routes]
        for family in FAMILIES:
            rows = {device.name: {} for device in pair}
            for size in sizes:
                for name, row in self.rounds(pair, lambda device: self.through(device, family, size, 20, False)).items():
                    rows[name][size] = row["memory"]
            for row in rows.values():
                row["slope"] = statistics.linear_regression(sizes, [row[size] * 1e6 for size in sizes]).slope
            table(f"Memory of {FAMILIES[family]} routes, 20 to an attribute set", rows,
                  *((f"MB with {size:,}", size, 1) for size in sizes), ("bytes a path (slope)", "slope", 1))

    # a crowd around a route reflector ----------------------------------------------------------------------------------

    def fan_out(self, device, family, peers, routes):
        crowd = self.start_crowd(device, family, peers + 1, 1, routes, 20)()
        crowd.expect("ready")
        device.settle()
        empty, cpu = device.pss(), device.cpu_seconds()
        crowd.command("a")
        begun, _ = crowd.expect("begin")
        done, more = crowd.expect("announced")
        device.settle()
        result = {"announce": (done - begun) / 1e9, "cpu": device.cpu_seconds() - cpu, "memory": (device.pss() - empty) / 1e6,
                  "updates": more["updates"] / peers}
        crowd.end()
        return result

    def fanout(self):
        routes = self.options.routes // 5
        for family in FAMILIES:
            few = self.rounds(self.devices, lambda device: self.fan_out(device, family, 2, routes))
            many = self.rounds(self.devices, lambda device: self.fan_out(device, family, 32, routes))
            for name, row in many.items():
                row["further"] = (row["memory"] - few[name]["memory"]) * 1e3 / 30
            table(f"{routes:,} {FAMILIES[family]} routes to 32 peers", many, ("announce s", "announce", 2), ("CPU s", "cpu", 2),
                  ("memory MB", "memory", 0), ("KB a further peer", "further", 0), ("UPDATEs a peer", "updates", 0))

    def sessions(self):
        some = [device for device in self.devices if device.name in ("towpath", "BIRD", "FRR")] or self.devices
        for family in FAMILIES:
            def measure(device, family=family):
                start = self.start_crowd(device, family, 1000, 1000, 20, 20, "at-once")
                empty, cpu = device.pss(), device.cpu_seconds()
                crowd = start()
                begun, _ = crowd.expect("connect")
                ready, _ = crowd.expect("ready")
                done, _ = crowd.expect("announced")
                device.settle()
                result = {"established": (ready - begun) / 1e9, "converged": (done - begun) / 1e9,
                          "cpu": device.cpu_seconds() - cpu, "memory": (device.pss() - empty) / 1e6}
                crowd.end()
                return result

            table(f"1,000 {FAMILIES[family]} sessions of 20 routes each, all to all", self.rounds(some, measure),
                  ("established s", "established", 2), ("converged s", "converged", 2), ("CPU s", "cpu", 2),
                  ("memory MB", "memory", 0))

    def churn(self):
        for family in FAMILIES:
            def measure(device, family=family):
                crowd = self.start_crowd(device, family, 32, 32, 320, 20)()
                crowd.expect("ready")
                crowd.command("a")
                crowd.expect("announced")
                device.settle()
                cpu = device.cpu_seconds()
                crowd.command(f"c 1000 {self.options.seconds}")
                _, more = crowd.expect("churned")
                result = {"p50": more["p50_us"] / 1e3, "p99": more["p99_us"] / 1e3, "max": more["max_us"] / 1e3,
                          "seen": 100 * more["seen"] / (more["sent"] * 31), "cpu": device.cpu_seconds() - cpu}
                crowd.end()
                return result

            table(f"1,000 changes a second for {self.options.seconds} s among 32 {FAMILIES[family]} peers",
                  self.rounds(self.devices, measure), ("delay p50 ms", "p50", 2), ("p99 ms", "p99", 2), ("max ms", "max", 2),
                  ("CPU s", "cpu", 2), ("delivered %", "seen", 1))


def table(title, rows, *columns):
    """columns: (heading, key, digits). Below: ours as a ratio to the best of the others."""
    print(f"\n{title}\n")
    print("| | " + " | ".join(heading for heading, _, _ in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{row[key]:.{digits}f}" for _, key, digits in columns) + " |")
    others = [row for name, row in rows.items() if name != "towpath"]
    if others and "towpath" in rows:
        best = [min(row[key] for row in others) for _, key, _ in columns]
        print("| of the best other | " + " | ".join(f"{rows['towpath'][key] / low:.2f}" if low > 0 else "-"
                                                    for (_, key, _), low in zip(columns, best)) + " |")
    sys.stdout.flush()


PARTS = ("load", "slope", "fanout", "sessions", "churn")


def words(known):
    def parse(text):
        chosen = text.split(",")
        for one in chosen:
            if one not in known:
                raise argparse.ArgumentTypeError(f"'{one}': must be of {', '.join(known)}")
        return chosen
    return parse


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--parts", type=words(PARTS), default=list(PARTS))
    parser.add_argument("--devices", type=words(tuple(DEVICES)), default=list(DEVICES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--routes", type=int, default=1000000)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with Lab(options.build / "bin") as lab:
        bench = Bench(lab, options)
        for part in options.parts:
            getattr(bench, part)()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"bench bgp: {error}", file=sys.stderr)
        sys.exit(1)
