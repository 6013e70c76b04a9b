#!/usr/bin/python3
"""./dev chaos: five hosts, and everything that goes wrong, held against a model.

A round is some faults one behind the other, with containers that come and go meanwhile, and then quiet. Agents that were stopped
are back by then; hosts that cannot reach each other may stay so into the next round. In the quiet the kernel of each host must
become what the model says, and stay it: the blocks of the hosts that it can reach, with their next hops, and no others; its own
blackholes; the routes, interfaces and neighbours of its containers; its rules. The agent must say the same, and containers that
the model lets reach each other must.

The faults follow from the seed and the number of the round, so a run with the same seed is the same run, and `--round R` is its
round R alone, with hosts that have seen nothing before. (What the agents do meanwhile keeps its own time, so a fault that depends
on it may need several runs.)

Not among the faults: jumps of the clock, which cannot be made for five hosts on one machine without its own clock. The agent
decides nothing by the time of day.

usage: chaos.py [--seed S] [--minutes M | --rounds N | --round R] [--bin DIR]
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from lab import CniError, Lab, LabError, ip_batch, run, wait_until  # noqa: E402

HOSTS = 5
# Of a round.
FAULTS, CONTAINERS = (4, 9), 4
# The hold time is 3 seconds, and a restarted agent waits 6 for its peers.
SETTLES_WITHIN, STAYS_FOR = 40.0, 1.0
RULES = "inet towpath"


class Violation(Exception):
    """The kernel is not what the model says."""


class Chaos:
    def __init__(self, lab, seed):
        self.lab, self.seed, self.counts = lab, seed, {}
        self.hosts = [lab.add_host(f"host-{letter}") for letter in "abcde"[:HOSTS]]
        lab.full_mesh(bfd={"transmit_interval": 200, "receive_interval": 200}, restart_time=20)
        for host in self.hosts:
            host.config["restart_deferral"] = 6
            host.config["log"]["level"] = "info"
            # A disk of its own, which can be full.
            run("mount", "-t", "tmpfs", "-o", "size=24m", "towpath-chaos", host.state)
            host.start_agent()
        ip_batch(lab.switch, "link add island type bridge mcast_snooping 0", "link set island up")
        self.away, self.silent, self.unplugged = set(), set(), set()  # names of hosts
        self.made = 0
        self.rules = {}
        self.round = 0
        self.settle()
        self.rules = {host.name: self.read_rules(host) for host in self.hosts}

    # --- the model -------------------------------------------------------------------------------------------------------

    def joined(self, a, b):
        """Whether packets of two hosts reach each other."""
        apart = self.silent | self.unplugged
        return a.name not in apart and b.name not in apart and (a.name in self.away) == (b.name in self.away)

    def wanted_routes(self, host):
        wanted = {block: "blackhole" for block in host.blocks}
        for other in self.hosts:
            if other is not host and self.joined(host, other):
                wanted.update({block: other.ipv6 if ":" in block else other.ipv4 for block in other.blocks})
        return wanted

    @staticmethod
    def wanted_of_containers(host):
        return {f"{address}/{128 if ':' in address else 32}": container.result["interfaces"][0]["name"]
                for container in host.containers.values() for address in (container.ipv4, container.ipv6)}

    # --- the kernel ------------------------------------------------------------------------------------------------------

    @staticmethod
    def read_rules(host):
        return sorted(host.run("nft", "-s", "list", "table", *RULES.split(), check=False).splitlines())

    def differences(self, host):
        """What is not as the model has it, in words."""
        found = []

        def compare(what, actual, wanted):
            if actual != wanted:
                pairs = [(key, actual.get(key), wanted.get(key)) for key in sorted(actual.keys() | wanted.keys())
                         if actual.get(key) != wanted.get(key)]
                found.append(f"{host.name}: {what} (is, must be): {pairs}")

        compare("routes", {prefix: "blackhole" if row.get("type") == "blackhole" else row.get("gateway")
                           for prefix, row in host.routes().items()}, self.wanted_routes(host))
        compare("routes of containers", {prefix: row["dev"] for prefix, row in host.routes(4).items()},
                self.wanted_of_containers(host))
        devices = {row["ifname"]: "up" if "UP" in row["flags"] else "down" for row in json.loads(run("ip", "-n", host.netns, "-j", "link"))
                   if row["ifname"].startswith("tp")}
        compare("interfaces of containers", devices, {name: "up" for name in self.wanted_of_containers(host).values()})
        neighbours = {row["dst"]: row["dev"] for row in json.loads(run("ip", "-n", host.netns, "-j", "neigh", "show", "nud", "permanent"))
                      if row["dev"].startswith("tp")}
        compare("neighbours", neighbours,
                {prefix.split("/")[0]: name for prefix, name in self.wanted_of_containers(host).items()})
        if self.rules and self.read_rules(host) != self.rules[host.name]:
            found.append(f"{host.name}: rules: {self.read_rules(host)}")
        if (rows := host.ctl("routes", "diff")):
            found.append(f"{host.name}: the agent wants something else: {rows}")
        if (known := host.ctl("status")[0]["endpoints"]) != len(host.containers):
            found.append(f"{host.name}: {known} endpoints, not {len(host.containers)}")
        return found

    def settle(self):
        """In the quiet everything becomes as the model has it, and stays so."""
        end, since, found = time.monotonic() + SETTLES_WITHIN, None, ["nothing was looked at"]
        while since is None or time.monotonic() - since < STAYS_FOR:
            found = [line for host in self.hosts for line in self.differences(host)]
            now = time.monotonic()
            if found and now > end:
                raise Violation("\n".join(found))
            since = None if found else since or now
            time.sleep(0.05)
        containers = [container for host in self.hosts for container in host.containers.values()]
        for one, other in zip(containers, containers[1:]):
            if self.joined(one.host, other.host) and not (one.pings(other.ipv4, 3) and one.pings(other.ipv6, 3)):
                raise Violation(f"{one.name} on {one.host.name} does not reach {other.name} on {other.host.name}")

    # --- faults ----------------------------------------------------------------------------------------------------------

    def do_kill(self, choose, host):
        host.stop_agent(signal.SIGKILL)
        if choose.random() < 0.5:
            host.start_agent()

    def do_stop(self, choose, host):
        host.stop_agent(signal.SIGTERM)
        if choose.random() < 0.5:
            host.start_agent()

    def do_kill_all(self, choose, host):
        for one in self.hosts:
            if one.agent:
                one.agent.send_signal(signal.SIGKILL)
        for one in self.hosts:
            if one.agent:
                one.agent.popen.wait(10)
                one.agent = None
                one.start_agent()

    def do_freeze(self, choose, host):
        host.agent.send_signal(signal.SIGSTOP)
        time.sleep(choose.uniform(0.1, 4.0))
        host.agent.send_signal(signal.SIGCONT)

    def do_cut_off(self, choose, host):
        """No packet passes, and no carrier is lost."""
        self.silent.add(host.name)
        self.place(host)
        time.sleep(choose.uniform(0, 2))
        if choose.random() < 0.7:
            self.mend(host)

    def do_unplug(self, choose, host):
        self.unplugged.add(host.name)
        self.place(host)
        time.sleep(choose.uniform(0, 2))
        if choose.random() < 0.7:
            self.mend(host)

    def do_partition(self, choose, host):
        for one in choose.sample(self.hosts, choose.randint(1, HOSTS - 1)):
            self.away.add(one.name)
            self.place(one)
        time.sleep(choose.uniform(0, 4))
        if choose.random() < 0.6:
            self.away.clear()
            for one in self.hosts:
                self.place(one)

    def do_change_address(self, choose, host):
        """The uplink's addresses go and come back, and with them the routes over it."""
        which = choose.choice((f"{host.ipv4}/24", f"{host.ipv6}/64"))
        ip_batch(host.netns, f"address del {which} dev eth0")
        time.sleep(choose.uniform(0, 1))
        ip_batch(host.netns, f"address add {which} dev eth0" + (" nodad" if ":" in which else ""))

    def do_flush_routes(self, choose, host):
        run("ip", "-n", host.netns, choose.choice(("-4", "-6")), "route", "flush", "proto", choose.choice((84, 4)),
            check=False)  # what comes back meanwhile confuses it

    def do_flush_next_hops(self, choose, host):
        run("ip", "-n", host.netns, "nexthop", "flush", "proto", "84", check=False)

    def do_delete_rules(self, choose, host):
        host.run("nft", "delete", "table", *RULES.split(), check=False)

    def do_spoil_container(self, choose, host):
        for container in host.containers.values():
            name = container.result["interfaces"][0]["name"]
            words = choose.choice((f"link set {name} down", f"link set {name} address 02:00:00:00:00:77",
                                   f"neigh flush dev {name} nud permanent"))
            run("ip", "-n", host.netns, *words.split(), check=False)  # what comes back meanwhile confuses it

    def do_fill_disk(self, choose, host):
        filler = host.state / "filler"
        with contextlib.suppress(OSError), open(filler, "wb") as file:
            while file.write(bytes(1 << 16)):
                file.flush()
        with contextlib.suppress(CniError):
            self.add_container(host)
        if host.agent:
            host.agent.send_signal(signal.SIGHUP)
        filler.unlink()

    def do_reload(self, choose, host):
        """One more block, or one less."""
        extra = f"10.64.{host.number + 100}.0/26"
        if extra in host.blocks:
            host.blocks.remove(extra)
        else:
            host.blocks.append(extra)
        host.config["blocks"] = list(host.blocks)
        host.reload_agent()

    def place(self, host):
        """Its cable as the model has it."""
        bridge = "nomaster" if host.name in self.silent else "master island" if host.name in self.away else "master switch"
        ip_batch(self.lab.switch, f"link set {host.name} {bridge}",
                 f"link set {host.name} {'down' if host.name in self.unplugged else 'up'}")

    def mend(self, host):
        self.silent.discard(host.name)
        self.unplugged.discard(host.name)
        self.place(host)

    def add_container(self, host):
        self.made += 1
        name = f"c{self.made}"
        try:
            host.add_container(name)
        except CniError:
            # As a runtime does.
            container = host.containers[name]
            host.network.delete(container.id, container.path)
            self.lab._del_netns(container.netns)
            del host.containers[name]
            raise

    def change_containers(self, choose):
        host = choose.choice(self.hosts)
        # How many there are follows from the seed; a full disk can make one fail, which only makes room.
        if len(host.containers) < CONTAINERS and choose.random() < 0.6:
            self.add_container(host)
        elif host.containers:
            host.del_container(host.containers[sorted(host.containers)[0]])

    # --- a round ---------------------------------------------------------------------------------------------------------

    def run_round(self, number):
        self.round = number
        choose = random.Random(f"{self.seed}:{number}")
        kinds = sorted(name for name in vars(type(self)) if name.startswith("do_"))
        for _ in range(choose.randint(*FAULTS)):
            kind, host = choose.choice(kinds), choose.choice(self.hosts)
            # Drawn from for itself: how often depends on what happens.
            own = random.Random(choose.random())
            # What is done to an agent needs one.
            if kind in ("do_kill", "do_stop", "do_freeze", "do_reload") and host.agent is None:
                host.start_agent()
            self.counts[kind] = self.counts.get(kind, 0) + 1
            print(f"  round {number}: {kind.removeprefix('do_')} {host.name}", flush=True)
            getattr(self, kind)(own, host)
            self.change_containers(random.Random(choose.random()))
            time.sleep(own.uniform(0, 0.5))
        for host in self.hosts:
            if host.agent is None:
                host.start_agent()
        # Most quiets are whole; in others some hosts stay apart.
        if choose.random() < 0.6:
            self.away.clear()
            for host in self.hosts:
                self.mend(host)
        self.settle()


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=60)
    length.add_argument("--rounds", type=int)
    length.add_argument("--round", type=int)
    parser.add_argument("--bin", type=pathlib.Path, default=root / "build" / "release" / "bin")
    options = parser.parse_args()
    with Lab(options.bin) as lab:
        began, number = time.monotonic(), 0
        print(f"chaos with seed {options.seed}", flush=True)
        chaos = Chaos(lab, options.seed)
        try:
            if options.round:
                chaos.run_round(options.round)
            while not options.round and (number < options.rounds if options.rounds else
                                         time.monotonic() - began < options.minutes * 60):
                number += 1
                since = time.monotonic()
                chaos.run_round(number)
                print(f"round {number}: as the model says, after {time.monotonic() - since:.1f} s", flush=True)
        except (Violation, LabError, CniError) as violation:
            print(f"seed {options.seed}, round {chaos.round}: {violation}", file=sys.stderr)
            for host in chaos.hosts:
                print(f"--- {host.name}\n{host.log_tail(25)}", file=sys.stderr)
            return 1
    faults = ", ".join(f"{name.removeprefix('do_')} {count}" for name, count in sorted(chaos.counts.items()))
    print(f"seed {options.seed}: {number or 1} rounds in {time.monotonic() - began:.0f} s, all as the model says; {faults}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
