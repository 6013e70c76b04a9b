#!/usr/bin/python3
"""./dev bench cni: ADD and DEL of towpath beside the reference ptp with host-local and beside the kernel's own floor.

Each round runs the three one after another on fresh sandboxes, so that whatever disturbs this machine disturbs all of them.
A call is measured from just before the program is spawned to the moment its end is known (tests/bench/spawn_timer.cc).
State lies on the same tmpfs for both plugins. ptp waits for duplicate address detection of IPv6 addresses, one to two
seconds; its sandboxes have that switched off, so that work is compared and not waiting.

usage: cni.py --build BUILD_DIR [--sandboxes N]
"""

import argparse
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from lab import Lab, LabError, NETNS_DIR, ip_batch, run  # noqa: E402

PARALLEL = 16
VARIANTS = ("floor", "towpath", "ptp")
LABELS = {"floor": "floor (bare netlink)", "towpath": "towpath", "ptp": "ptp + host-local"}


class Bench:
    def __init__(self, lab, build, dual_stack):
        self.lab, self.build, self.dual_stack = lab, build, dual_stack
        self.host = lab.hosts[0]
        family = "dual" if dual_stack else "v4"
        self.tag = family
        second = 1 if dual_stack else 0
        blocks = {name: [f"10.{64 + 2 * i + second}.0.0/18"] + ([f"fd00:64:{i}::/112"] if dual_stack else [])
                  for i, name in enumerate(VARIANTS)}
        self.blocks = blocks
        default = [{"dst": "0.0.0.0/0"}] + ([{"dst": "::/0"}] if dual_stack else [])
        state = self.host.directory / f"state-{family}"
        state.mkdir()
        self.configs = {
            "towpath": {"cniVersion": "1.0.0", "name": f"bench-{family}", "type": "towpath", "mtu": 1500,
                        "stateDir": str(state), "ipam": {"type": "towpath-ipam", "blocks": blocks["towpath"]}},
            "ptp": {"cniVersion": "1.0.0", "name": f"bench-{family}", "type": "ptp", "mtu": 1500,
                    "ipam": {"type": "host-local", "dataDir": str(self.host.directory / f"host-local-{family}"),
                             "ranges": [[{"subnet": block}] for block in blocks["ptp"]], "routes": default}},
        }
        self.programs = {"towpath": build / "bin" / "towpath", "ptp": pathlib.Path("/usr/lib/cni/ptp")}
        self.results = {}  # what ADD printed, by sandbox

    def make_sandboxes(self, names):
        ip_batch(None, *(f"netns add {name}" for name in names))
        self.lab._namespaces.extend(names)
        for name in names:
            # Nothing here waits for duplicate address detection.
            ip_batch(name, "link set lo up")
            run("nsenter", f"--net={NETNS_DIR / name}", "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0",
                "net.ipv6.conf.default.accept_dad=0")

    def drop_sandboxes(self, names):
        ip_batch(None, *(f"netns del {name}" for name in names))
        for name in names:
            self.lab._namespaces.remove(name)

    def job(self, variant, verb, sandbox, number):
        path = str(NETNS_DIR / sandbox)
        if variant == "floor":
            words = [str(self.build / "bench" / "cni_floor"), verb.lower()]
            if verb == "ADD":
                words += [path, f"fl{number}", "eth0", f"10.90.{number // 250}.{number % 250 + 1}"]
                words += [f"fd00:90::{number + 1:x}"] if self.dual_stack else []
            else:
                words += [f"fl{number}"]
            return {"argv": words, "env": [], "stdin": ""}
        config = dict(self.configs[variant])
        if verb == "DEL":
            config["prevResult"] = self.results[sandbox]
        environment = {"CNI_COMMAND": verb, "CNI_CONTAINERID": sandbox, "CNI_NETNS": path, "CNI_IFNAME": "eth0",
                       "CNI_PATH": f"{self.build / 'bin'}:/usr/lib/cni", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return {"argv": [str(self.programs[variant])], "env": [f"{k}={v}" for k, v in environment.items()],
                "stdin": json.dumps(config)}

    def execute(self, jobs, concurrency):
        text = self.host.run(self.build / "bench" / "spawn_timer", concurrency, input=json.dumps(jobs))
        answer = json.loads(text)
        for job, row in zip(jobs, answer["jobs"]):
            if row["status"] != 0:
                raise LabError(f"{' '.join(job['argv'])}: exit {row['status']}: {row['stdout']}")
        return answer

    def remember(self, sandbox, variant, output):
        if variant != "floor":
            self.results[sandbox] = json.loads(output)

    def sequential(self, count):
        """{verb: {variant: [ns]}}"""
        plan = [(variant, f"{self.lab.prefix}{self.tag}{variant[0]}{i}", i) for i in range(count)
                for variant in (VARIANTS if i % 2 else reversed(VARIANTS))]
        names = [sandbox for _, sandbox, _ in plan]
        self.make_sandboxes(names)
        times = {}
        for verb in ("ADD", "DEL"):
            answer = self.execute([self.job(variant, verb, sandbox, i) for variant, sandbox, i in plan], 1)
            times[verb] = {variant: [] for variant in VARIANTS}
            for (variant, sandbox, _), row in zip(plan, answer["jobs"]):
                times[verb][variant].append(row["ns"])
                if verb == "ADD":
                    self.remember(sandbox, variant, row["stdout"])
        self.drop_sandboxes(names)
        return times

    def parallel(self, count, rounds):
        """{verb: {variant: [calls a second, one figure a round]}}"""
        rates = {verb: {variant: [] for variant in VARIANTS} for verb in ("ADD", "DEL")}
        for turn in range(rounds):
            for variant in VARIANTS if turn % 2 else reversed(VARIANTS):
                plan = [(f"{self.lab.prefix}{self.tag}p{variant[0]}{i}", 1000 + i) for i in range(count)]
                self.make_sandboxes([sandbox for sandbox, _ in plan])
                for verb in ("ADD", "DEL"):
                    answer = self.execute([self.job(variant, verb, sandbox, i) for sandbox, i in plan], PARALLEL)
                    rates[verb][variant].append(count / (answer["wall_ns"] / 1e9))
                    if verb == "ADD":
                        for (sandbox, _), row in zip(plan, answer["jobs"]):
                            self.remember(sandbox, variant, row["stdout"])
                self.drop_sandboxes([sandbox for sandbox, _ in plan])
        return rates


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(title, times, rates):
    print(f"\n{title}\n")
    print("| | ADD p50 ms | p99 | of ptp | of floor | DEL p50 ms | p99 | of ptp | of floor | "
          f"ADD/s, {PARALLEL} at once | of ptp | of floor |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for variant in VARIANTS:
        cells = [LABELS[variant]]
        for verb in ("ADD", "DEL"):
            median = {name: statistics.median(times[verb][name]) for name in VARIANTS}
            cells += [f"{median[variant] / 1e6:.2f}", f"{percentile(times[verb][variant], 0.99) / 1e6:.2f}",
                      f"{median[variant] / median['ptp']:.2f}", f"{median[variant] / median['floor']:.2f}"]
        rate = {name: statistics.median(rates["ADD"][name]) for name in VARIANTS}
        cells += [f"{rate[variant]:.0f}", f"{rate[variant] / rate['ptp']:.2f}", f"{rate[variant] / rate['floor']:.2f}"]
        print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--sandboxes", type=int, default=150, help="sequential calls of each plugin")
    options = parser.parse_args()
    print(f"{options.sandboxes} sequential ADDs and DELs each, interleaved; then {PARALLEL} at once. Milliseconds from spawn "
          "to exit.")
    with Lab(options.build / "bin") as lab:
        lab.add_host("host-a")
        for dual_stack in (False, True):
            bench = Bench(lab, options.build.resolve(), dual_stack)
            times = bench.sequential(options.sandboxes)
            rates = bench.parallel(64, 4)
            report("IPv4 and IPv6" if dual_stack else "IPv4 only", times, rates)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"bench cni: {error}", file=sys.stderr)
        sys.exit(1)
