#!/usr/bin/python3
"""./dev bench cni: towpath beside the reference ptp with host-local and beside the kernel's own floor.

Everything that is compared runs one after another in random order, on fresh sandboxes, so that whatever disturbs this
machine disturbs all alike. A call is measured from just before the program is spawned to the moment its end is known
(tests/bench/spawn_timer.cc). State lies on the same tmpfs for all. ptp waits for duplicate address detection of IPv6
addresses, one to two seconds; its sandboxes have that switched off, so that work is compared and not waiting. What runs are
copies, as an installation makes them: the page cache holds what a linker wrote in smaller pieces, and each start of such a
program maps it piece by piece, 15 % of an ADD.

Our own time of a call is its median less the median of what nobody can save: for ADD, DEL and CHECK the floor (the start
of a static program, and the kernel's work and answers), for STATUS, which asks the kernel nothing, the start alone.

usage: cni.py --build BUILD_DIR [--sandboxes N]
"""

import argparse
import json
import pathlib
import random
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from lab import Lab, LabError, NETNS_DIR, ip_batch, run  # noqa: E402

PARALLEL = 16
HELD = 60_000
PLUGINS = ("floor", "towpath", "ptp")
LABELS = {"floor": "floor (bare netlink)", "towpath": "towpath", "ptp": "ptp + host-local"}


class Bench:
    """Both stacks in turn: `dual_stack` says whether there is IPv6 beside IPv4."""

    def __init__(self, lab, build, installed, tmpfs, dual_stack):
        self.lab, self.build, self.installed, self.dual_stack = lab, build, installed, dual_stack
        self.host = lab.hosts[0]
        self.tag = "dual" if dual_stack else "v4"
        self.random = random.Random(1)
        # 0x10000 addresses each; no two have one in common.
        self.blocks = {name: [f"10.{64 + 4 * dual_stack + i}.0.0/16"] + ([f"fd00:64:{i}::/112"] if dual_stack else [])
                       for i, name in enumerate(("towpath", "empty", "held", "ptp"))}
        self.configs = {name: self.towpath_config(name, tmpfs) for name in ("towpath", "empty", "held")}
        default = [{"dst": "0.0.0.0/0"}] + ([{"dst": "::/0"}] if dual_stack else [])
        self.configs["ptp"] = {
            "cniVersion": "1.0.0", "name": f"bench-{self.tag}", "type": "ptp", "mtu": 1500,
            "ipam": {"type": "host-local", "dataDir": str(tmpfs / f"host-local-{self.tag}"),
                     "ranges": [[{"subnet": block}] for block in self.blocks["ptp"]], "routes": default}}
        self.results = {}  # what ADD printed, by sandbox
        self.processor = {}  # "variant VERB": [ns of processor time], one call after the other

    def towpath_config(self, name, tmpfs):
        state = tmpfs / f"{name}-{self.tag}"
        state.mkdir()
        return {"cniVersion": "1.0.0", "name": f"bench-{self.tag}", "type": "towpath", "mtu": 1500,
                "stateDir": str(state), "ipam": {"type": "towpath-ipam", "blocks": self.blocks[name]}}

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

    def plan(self, variants, count):
        """[(variant, sandbox, number)]: each variant `count` times, in random order within each round."""
        return [(variant, f"{self.lab.prefix}{self.tag}{variant[0]}{i}", i)
                for i in range(count) for variant in self.random.sample(variants, len(variants))]

    def floor_job(self, verb, sandbox, number):
        netns, link = str(NETNS_DIR / sandbox), f"fl{number}"
        addresses = [f"10.90.{number // 250}.{number % 250 + 1}"] + ([f"fd00:90::{number + 1:x}"] * self.dual_stack)
        words = {"ADD": ["add", netns, link, "eth0", *addresses], "CHECK": ["check", netns, link, *addresses],
                 "DEL": ["del", link], "nothing": ["nothing"]}[verb]
        return {"argv": [str(self.installed / "cni_floor"), *words], "env": [], "stdin": ""}

    def job(self, variant, verb, sandbox, number):
        if variant == "floor":
            return self.floor_job(verb, sandbox, number)
        config = dict(self.configs[variant])
        if verb in ("CHECK", "DEL"):
            config["prevResult"] = self.results[sandbox]
        if verb == "STATUS":
            config["cniVersion"] = "1.1.0"
        program = pathlib.Path("/usr/lib/cni/ptp") if variant == "ptp" else self.installed / "towpath"
        environment = {"CNI_COMMAND": verb, "CNI_CONTAINERID": sandbox, "CNI_NETNS": str(NETNS_DIR / sandbox),
                       "CNI_IFNAME": "eth0", "CNI_PATH": f"{self.build / 'bin'}:/usr/lib/cni",
                       "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return {"argv": [str(program)], "env": [f"{k}={v}" for k, v in environment.items()], "stdin": json.dumps(config)}

    def execute(self, jobs, concurrency):
        text = self.host.run(self.build / "bench" / "spawn_timer", concurrency, input=json.dumps(jobs))
        answer = json.loads(text)
        for job, row in zip(jobs, answer["jobs"]):
            if row["status"] != 0:
                raise LabError(f"{' '.join(job['argv'])}: exit {row['status']}: {row['stdout']}")
        return answer

    def run_verb(self, verb, plan, concurrency=1):
        """Runs the plan and remembers results of ADD. (spawn_timer's answer, {variant: [ns]})"""
        answer = self.execute([self.job(variant, verb, sandbox, i) for variant, sandbox, i in plan], concurrency)
        times = {}
        for (variant, sandbox, _), row in zip(plan, answer["jobs"]):
            times.setdefault(variant, []).append(row["ns"])
            if concurrency == 1:
                self.processor.setdefault(f"{variant} {verb}", []).append(row["cpu_ns"])
            if verb == "ADD" and variant != "floor":
                self.results[sandbox] = json.loads(row["stdout"])
        return answer, times

    def look(self, plan):
        """What only looks, at the sandboxes of floor and towpath: {row: [ns]}"""
        rows = {"start": ("floor", "nothing"), "floor CHECK": ("floor", "CHECK"),
                "towpath CHECK": ("towpath", "CHECK"), "towpath STATUS": ("towpath", "STATUS")}
        jobs = [(name, self.job(rows[name][0], rows[name][1], sandbox, i))
                for variant, sandbox, i in plan for name in self.random.sample(list(rows), len(rows))
                if rows[name][0] == variant]
        answer = self.execute([job for _, job in jobs], 1)
        for (name, _), row in zip(jobs, answer["jobs"]):
            self.processor.setdefault(name, []).append(row["cpu_ns"])
        return {name: [row["ns"] for (other, _), row in zip(jobs, answer["jobs"]) if other == name] for name in rows}

    def sequential(self, count):
        """{verb: {variant: [ns]}}, and what look() says"""
        plan = self.plan(PLUGINS, count)
        names = [sandbox for _, sandbox, _ in plan]
        self.make_sandboxes(names)
        times = {"ADD": self.run_verb("ADD", plan)[1]}
        looks = self.look(plan)
        times["DEL"] = self.run_verb("DEL", plan)[1]
        self.drop_sandboxes(names)
        return times, looks

    def with_held(self, count):
        """ADD into a store that holds nothing and one that holds HELD endpoints: {variant: [ns]}"""
        self.host.run(self.build / "bench" / "store_fill", self.configs["held"]["stateDir"], HELD, "others",
                      *self.blocks["held"])
        plan = self.plan(("empty", "held"), count)
        names = [sandbox for _, sandbox, _ in plan]
        self.make_sandboxes(names)
        times = self.run_verb("ADD", plan)[1]
        self.run_verb("DEL", plan)
        self.drop_sandboxes(names)
        return times

    def parallel(self, count, rounds):
        """{variant: [ADDs a second, one figure a round]}"""
        rates = {variant: [] for variant in PLUGINS}
        for _ in range(rounds):
            for variant in self.random.sample(PLUGINS, len(PLUGINS)):
                plan = [(variant, f"{self.lab.prefix}{self.tag}p{variant[0]}{i}", 1000 + i) for i in range(count)]
                names = [sandbox for _, sandbox, _ in plan]
                self.make_sandboxes(names)
                rates[variant].append(count / (self.run_verb("ADD", plan, PARALLEL)[0]["wall_ns"] / 1e9))
                self.run_verb("DEL", plan, PARALLEL)
                self.drop_sandboxes(names)
        return rates


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def medians(rows):
    return {name: statistics.median(values) for name, values in rows.items()}


def report(title, times, rates):
    print(f"\n{title}\n")
    print("| | ADD p50 ms | p99 | of ptp | of floor | DEL p50 ms | p99 | of ptp | of floor | "
          f"ADD/s, {PARALLEL} at once | of ptp | of floor |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for variant in PLUGINS:
        cells = [LABELS[variant]]
        for verb in ("ADD", "DEL"):
            median = medians(times[verb])
            cells += [f"{median[variant] / 1e6:.2f}", f"{percentile(times[verb][variant], 0.99) / 1e6:.2f}",
                      f"{median[variant] / median['ptp']:.2f}", f"{median[variant] / median['floor']:.2f}"]
        rate = medians(rates)
        cells += [f"{rate[variant]:.0f}", f"{rate[variant] / rate['ptp']:.2f}", f"{rate[variant] / rate['floor']:.2f}"]
        print("| " + " | ".join(cells) + " |")


def report_own(times, looks):
    print("\n| towpath | p50 ms | p50 ms of what nobody can save | our own ms |\n|---|---|---|---|")
    add, delete, look = medians(times["ADD"]), medians(times["DEL"]), medians(looks)
    rows = {"ADD": (add["towpath"], add["floor"]), "DEL": (delete["towpath"], delete["floor"]),
            "CHECK": (look["towpath CHECK"], look["floor CHECK"]), "STATUS": (look["towpath STATUS"], look["start"])}
    for verb, (ours, floor) in rows.items():
        print(f"| {verb} | {ours / 1e6:.2f} | {floor / 1e6:.2f} | {(ours - floor) / 1e6:.2f} |")
    print(f"\nThe start of a static program: {look['start'] / 1e6:.2f} ms.")
    return {verb: (ours - floor) / 1e6 for verb, (ours, floor) in rows.items()}


def report_processor(rows):
    """Of the programs themselves, user and system: what a loaded machine disturbs less than the time until the end."""
    median = medians(rows)
    pairs = {"ADD": ("towpath ADD", "floor ADD"), "DEL": ("towpath DEL", "floor DEL"), "CHECK": ("towpath CHECK", "floor CHECK"),
             "STATUS": ("towpath STATUS", "start"), f"ADD with {HELD:,} held": ("held ADD", "empty ADD")}
    print("\n| processor time | p50 ms | p50 ms of what nobody can save (of an empty store) | ratio |\n|---|---|---|---|")
    for label, (ours, other) in pairs.items():
        print(f"| {label} | {median[ours] / 1e6:.2f} | {median[other] / 1e6:.2f} | {median[ours] / median[other]:.2f} |")


def report_held(times):
    median = medians(times)
    print("\n| the store holds | ADD p50 ms | p99 |\n|---|---|---|")
    for name, label in (("empty", "nothing"), ("held", f"{HELD:,} endpoints")):
        print(f"| {label} | {median[name] / 1e6:.2f} | {percentile(times[name], 0.99) / 1e6:.2f} |")
    return median["held"] / median["empty"]


def goals(times, rates, own, held):
    """[(what, figure, its limit, True if it must not be less)]"""
    add, delete, rate = medians(times["ADD"]), medians(times["DEL"]), medians(rates)
    return [("ADD p50, of the floor", add["towpath"] / add["floor"], 1.5, False),
            ("ADD p50, of ptp + host-local", add["towpath"] / add["ptp"], 0.3, False),
            (f"ADD, {PARALLEL} at once: rate, of ptp + host-local", rate["towpath"] / rate["ptp"], 3, True),
            (f"ADD, {PARALLEL} at once: rate, of the floor", rate["towpath"] / rate["floor"], 0.6, True),
            ("DEL p50, of the floor", delete["towpath"] / delete["floor"], 1.05, False),
            (f"ADD p50 with {HELD:,} endpoints held, of an empty store", held, 1.1, False),
            ("CHECK, our own ms", own["CHECK"], 1, False),
            ("STATUS, our own ms", own["STATUS"], 1, False)]


def report_goals(by_stack):
    print("\nThe goals\n\n| | goal | IPv4 only | IPv4 and IPv6 |\n|---|---|---|---|")
    for row in zip(*by_stack):
        what, _, limit, is_least = row[0]
        cells = [f"{figure:.2f}" + ("" if (figure >= limit if is_least else figure <= limit) else " (missed)")
                 for _, figure, _, _ in row]
        print(f"| {what} | at {'least' if is_least else 'most'} {limit:g} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--sandboxes", type=int, default=150, help="sequential calls of each kind")
    options = parser.parse_args()
    print(f"{options.sandboxes} sequential calls of each kind, in random order; then {PARALLEL} at once. Milliseconds from "
          "spawn to exit.")
    by_stack = []
    # tmpfs, as /run is on a host.
    with Lab(options.build / "bin") as lab, tempfile.TemporaryDirectory(dir="/dev/shm", prefix="towpath-bench-") as tmpfs, \
            tempfile.TemporaryDirectory(dir=options.build, prefix="installed-") as installed:
        for program in ("bin/towpath", "bench/cni_floor"):
            shutil.copy(options.build / program, installed)
        lab.add_host("host-a")
        for dual_stack in (False, True):
            bench = Bench(lab, options.build.resolve(), pathlib.Path(installed).resolve(), pathlib.Path(tmpfs), dual_stack)
            times, looks = bench.sequential(options.sandboxes)
            held_times = bench.with_held(options.sandboxes)
            rates = bench.parallel(64, 4)
            report("IPv4 and IPv6" if dual_stack else "IPv4 only", times, rates)
            own = report_own(times, looks)
            by_stack.append(goals(times, rates, own, report_held(held_times)))
            report_processor(bench.processor)
            sys.stdout.flush()
    report_goals(by_stack)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"bench cni: {error}", file=sys.stderr)
        sys.exit(1)
