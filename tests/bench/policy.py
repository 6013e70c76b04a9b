#!/usr/bin/python3
"""./dev bench policy: what network policies cost a packet, and what the same number of rules costs it in iptables.

Two containers of one host; what passes between them is forwarded once. The receiver has N rules, each for one address and
one port of TCP and UDP, and the last of them is the one that fits. For iptables the same rules stand in chain FORWARD, behind
the usual one that lets pass what belongs to a known flow. The UDP packets go one way only, so for connection tracking each of
them is new and meets the rules. Sender and receiver have a processor each. Rounds in random order, medians; both families.

usage: policy.py --build BUILD_DIR [--rounds N] [--rules N,N,N]
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from lab import Lab, LabError, Process, wait_until  # noqa: E402

PORT = 5000
LAST = 300  # seconds that the server runs at most


class Bench:
    def __init__(self, lab, build):
        self.program = build / "bench" / "packet_load"
        self.host = lab.add_host("host-a")
        self.policies = self.host.directory / "policies"
        plugin = self.host.network.conflist["plugins"][0]
        plugin["networkPolicies"] = self.host.config["network_policies"] = str(self.policies)
        self.host.config["log"]["level"] = "warning"
        self.host.start_agent()
        self.sender, self.receiver = self.host.add_container("sender"), self.host.add_container("receiver")
        self.server = None
        self.seconds_to_force = {}  # rules: [seconds]

    def addresses(self, container):
        return {"ipv4": container.ipv4, "ipv6": container.ipv6}

    # --- the rules ---

    def prefixes(self, number):
        """Of rule `number`, of both families; nobody has these addresses."""
        return f"198.18.{number // 256}.{number % 256}/32", f"2001:db8:18::{number:x}/128"

    def rules(self, count):
        """[([prefixes], port)], the last for the sender."""
        rules = [(self.prefixes(number), 1024 + number % 60000) for number in range(count - 2)]
        sender = [f"{self.sender.ipv4}/32", f"{self.sender.ipv6}/128"]
        return rules + [(sender, port) for port in (PORT, PORT + 1)]

    def towpath(self, count):
        ingress = [{"from": [{"ipBlock": {"cidr": prefix}} for prefix in prefixes],
                    "ports": [{"protocol": protocol, "port": port} for protocol in ("TCP", "UDP")]}
                   for prefixes, port in self.rules(count)]
        policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                  "metadata": {"name": "bench", "namespace": "default"}, "spec": {"podSelector": {}, "ingress": ingress}}
        self.policies.mkdir()
        part = self.policies / ".part"
        part.write_text(json.dumps(policy))
        begun = time.monotonic()
        part.rename(self.policies / "policy.json")
        wait_until(lambda: self.host.ctl("status")[0]["policies"] == 1, 60, "the policy is in force")
        self.seconds_to_force.setdefault(count, []).append(time.monotonic() - begun)

    def iptables(self, count):
        for command, at in (("iptables-restore", 0), ("ip6tables-restore", 1)):
            lines = ["*filter", "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"]
            for prefixes, port in self.rules(count):
                lines += [f"-A FORWARD -s {prefixes[at]} -p {protocol} --dport {port} -j ACCEPT" for protocol in ("tcp", "udp")]
            own = self.addresses(self.receiver)["ipv6" if at else "ipv4"]
            lines += [f"-A FORWARD -d {own} -p tcp -j DROP", f"-A FORWARD -d {own} -p udp -j DROP", "COMMIT", ""]
            self.host.run(command, "-n", input="\n".join(lines))

    def clear(self):
        if self.policies.exists():
            for file in self.policies.iterdir():
                file.unlink()
            self.policies.rmdir()
            wait_until(lambda: self.host.ctl("status")[0]["policies"] == 0, 30, "no policies")
        for command in ("iptables", "ip6tables"):
            self.host.run(command, "-F", "FORWARD")

    # --- the traffic ---

    def serve(self):
        self.server = Process(self.host.lab, ["taskset", "-c", "1", self.program, "serve", PORT, LAST], netns=self.receiver.netns,
                              stdout=subprocess.PIPE, log=self.host.directory / "server.log")
        self.server.popen.stdout.readline()

    def measure(self, family):
        """{"TCP": bytes/s, "UDP": packets/s, "RTT": ns}"""
        address = self.addresses(self.receiver)[family]

        def ask(what, number):
            return float(self.sender.run("taskset", "-c", "0", self.program, what, address, PORT, number).split()[0])
        return {"TCP": ask("tcp", 1500), "UDP": ask("udp", 1500), "RTT": ask("rtt", 5000)}


def report(family, values, names):
    print(f"\n{family}\n\n| | TCP Gbit/s | of none | UDP packets/s | of none | round trip us | of none |")
    print("|---|---|---|---|---|---|---|")
    median = {name: {what: statistics.median(row[what] for row in values[name]) for what in ("TCP", "UDP", "RTT")}
              for name in names}
    none = median["none"]
    for name in names:
        row = median[name]
        print(f"| {name} | {row['TCP'] * 8 / 1e9:.2f} | {row['TCP'] / none['TCP']:.2f} | {row['UDP']:.0f} | "
              f"{row['UDP'] / none['UDP']:.2f} | {row['RTT'] / 1e3:.1f} | {row['RTT'] / none['RTT']:.2f} |")
    return median


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rules", default="10,1000,10000")
    options = parser.parse_args()
    counts = [int(word) for word in options.rules.split(",")]
    shuffle = random.Random(1)
    with Lab(options.build.resolve() / "bin") as lab:
        bench = Bench(lab, options.build.resolve())
        variants = {"none": lambda: None}
        for count in counts:
            variants[f"towpath, {count} rules"] = lambda count=count: bench.towpath(count)
        for count in counts:
            variants[f"iptables, {count} rules"] = lambda count=count: bench.iptables(count)
        values = {family: {name: [] for name in variants} for family in ("ipv4", "ipv6")}
        for _ in range(options.rounds):
            bench.serve()
            for name in shuffle.sample(list(variants), len(variants)):
                variants[name]()
                for family, rows in values.items():
                    rows[name].append(bench.measure(family))
                bench.clear()
            bench.server.stop()
    print(f"{options.rounds} rounds in random order, medians. TCP in one stream, UDP in frames of 64 bytes, as received.")
    least, most = f"towpath, {counts[0]} rules", f"towpath, {counts[-1]} rules"
    goals = []
    for family, rows in values.items():
        median = report(family, rows, list(variants))
        for what, limit in (("TCP", 0.92), ("UDP", 0.85)):
            goals.append((f"{family}: {what}, {counts[-1]} rules of {counts[0]}", median[most][what] / median[least][what], 0.98))
            goals.append((f"{family}: {what}, {counts[-1]} rules of none", median[most][what] / median["none"][what], limit))
    print("\n| rules | seconds from the file to the kernel |\n|---|---|")
    for count in counts:
        print(f"| {count} | {statistics.median(bench.seconds_to_force[count]):.2f} |")
    print("\n| | figure | goal, at least |\n|---|---|---|")
    for what, figure, limit in goals:
        print(f"| {what} | {figure:.2f}{'' if figure >= limit else ' (missed)'} | {limit} |")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"bench policy: {error}", file=sys.stderr)
        sys.exit(1)
