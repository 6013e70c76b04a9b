#!/usr/bin/python3
"""./dev bench bgp: routes through us and through BIRD 2, from one source to one counter, in one run.

Each measurement starts the program anew. It has one core, source and counter have the other. The clock runs from the first
byte of the first UPDATE at the source to the last prefix at the counter; then all routes are withdrawn and the same is
measured again. Memory is PSS (of all processes) with the routes minus without. Rounds alternate between the two, and the
medians of all rounds are printed with their ratio. Neither program writes routes to the kernel.

usage: bgp.py --build BUILD_DIR [--routes N] [--rounds N]
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from lab import Lab, LabError, Node, Process, wait_until  # noqa: E402

SOURCE_AS, COUNTER_AS, OWN_AS = 65001, 65002, 64512


class Load:
    """One end of the measurement: a bgp_load process that prints what happens."""

    def __init__(self, node, program, target, mode, as_number, family, routes, per_set=None):
        words = ["taskset", "-c", "0", program, mode, target.ipv6 if family == "ipv6" else target.ipv4, 179, as_number,
                 node.ipv4, family, routes] + ([per_set] if per_set else [])
        self.process = Process(node.lab, words, netns=node.netns, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               log=node.directory / "load.log")
        self.expect("ready")

    def expect(self, word):
        """Reads up to the line that begins with `word`: (ns, rest)."""
        while True:
            line = self.process.popen.stdout.readline().decode()
            if not line or line.startswith("closed"):
                raise LabError(f"the session ended before '{word}': {self.process.log()}")
            if line.startswith(word + " "):
                parts = line.split()
                return int(parts[1]), dict(zip(parts[2::2], map(int, parts[3::2])))

    def command(self, letter):
        self.process.popen.stdin.write(letter.encode() + b"\n")
        self.process.popen.stdin.flush()

    def end(self):
        self.process.popen.stdin.close()
        self.process.popen.wait(10)


class Towpath:
    name = "towpath"

    def __init__(self, lab):
        self.node = lab.add_host("towpath")
        self.node.config.update({
            "pools": ["16.0.0.0/4", "2400::/12"], "blocks": [], "as": OWN_AS, "log": {"level": "warning"},
            "kernel": {"install": False},
        })

    def start(self, ends, family):
        self.node.config["peers"] = [
            {"name": end.name, "address": end.ipv6 if family == "ipv6" else end.ipv4, "as": number, "passive": True,
             "hold_time": 90, "families": [family], "export": "all"} for end, number in ends]
        self.node.start_agent()
        os.sched_setaffinity(self.node.agent.pid, {1})
        return self.node.agent

    def stop(self):
        self.node.stop_agent()


class Bird:
    name = "bird 2"

    def __init__(self, lab):
        self.node = lab.add_bird("bird", 60, OWN_AS)

    def start(self, ends, family):
        version = family[-1]
        self.node.configure("\n".join(f"""
            protocol bgp {end.name} {{
              local {self.node.ipv6 if version == '6' else self.node.ipv4} as {OWN_AS};
              neighbor {end.ipv6 if version == '6' else end.ipv4} as {number}; passive;
              {family} {{ import all; export all; }}; }}""" for end, number in ends))
        self.node.launch()
        os.sched_setaffinity(self.node.process.pid, {1})
        return self.node.process

    def stop(self):
        self.node.process.stop()


def pss(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) * 1024


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settle(pid):
    """The last prefix has left; what the program still has to do counts as its CPU time too."""
    seen = {"cpu": -1.0, "since": 0.0}

    def calm():
        now = cpu_seconds(pid)
        if now != seen["cpu"]:
            seen.update(cpu=now, since=time.monotonic())
        return time.monotonic() - seen["since"] > 0.3

    wait_until(calm, 120, "the program comes to rest", interval=0.05)


def measure(device, program, source_node, counter_node, family, routes, per_set):
    process = device.start([(source_node, SOURCE_AS), (counter_node, COUNTER_AS)], family)
    try:
        counter = Load(counter_node, program, device.node, "counter", COUNTER_AS, family, routes)
        source = Load(source_node, program, device.node, "source", SOURCE_AS, family, routes, per_set)
        empty, cpu = pss(process.pid), cpu_seconds(process.pid)
        result = {}
        for letter, event, name in (("a", "announced", "announce"), ("w", "withdrawn", "withdraw")):
            source.command(letter)
            begun, _ = source.expect("begin")
            done, more = counter.expect(event)
            result[name] = (done - begun) / 1e9
            if letter == "a":
                settle(process.pid)
                result["cpu"] = cpu_seconds(process.pid) - cpu
                result["memory"] = pss(process.pid) - empty
                result["updates"] = more["updates"]
        source.end()
        counter.end()
        return result
    finally:
        device.stop()


def report(title, rows):
    print(f"\n{title}\n")
    print("| | announce s | CPU s | memory MB | bytes a route | withdraw s | UPDATEs sent |")
    print("|---|---|---|---|---|---|---|")
    medians = {}
    for name, (results, routes) in rows.items():
        medians[name] = {key: statistics.median(result[key] for result in results) for key in results[0]}
        m = medians[name]
        print(f"| {name} | {m['announce']:.2f} | {m['cpu']:.2f} | {m['memory'] / 1e6:.0f} | {m['memory'] / routes:.0f} | "
              f"{m['withdraw']:.2f} | {m['updates']:.0f} |")
    ours, theirs = medians["towpath"], medians["bird 2"]
    print("| ratio | " + " | ".join(f"{ours[key] / theirs[key]:.2f}" if theirs[key] else "-"
                                   for key in ("announce", "cpu", "memory", "memory", "withdraw", "updates")) + " |")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--routes", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    program = options.build.resolve() / "bench" / "bgp_load"
    with Lab(options.build / "bin") as lab:
        devices = [Towpath(lab), Bird(lab)]
        source_node, counter_node = Node(lab, "feed", 70), Node(lab, "sink", 71)
        for family, per_set in (("ipv4", 20), ("ipv6", 20), ("ipv4", 1)):
            rows = {device.name: ([], options.routes) for device in devices}
            for turn in range(options.rounds):
                for device in devices if turn % 2 else reversed(devices):
                    rows[device.name][0].append(
                        measure(device, program, source_node, counter_node, family, options.routes, per_set))
            report(f"{options.routes} {'IPv6' if family == 'ipv6' else 'IPv4'} routes, {per_set} to an attribute set", rows)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"bench bgp: {error}", file=sys.stderr)
        sys.exit(1)
