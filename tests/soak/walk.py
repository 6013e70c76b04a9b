#!/usr/bin/python3
"""./dev soak: a random walk through the life of one host, held against a model.

Each step is a CNI call (ADD, DEL, CHECK, GC, STATUS), the end of a sandbox, the death or return of the agent, or a reboot. One
call of a plugin in four is killed at a random system call. The model knows what must be there, what must not, and what may be
(after a call that was killed, and after the end of a sandbox, until somebody cleans up). After each round of steps all that an
attachment has is compared with it: endpoint records, addresses, links, routes, intermediate devices for the bandwidth, and
(while the agent is there) elements of the nf_tables maps and what it announces of borrowed addresses. At the end everything is deleted, and nothing may be left.

The steps follow from the seed alone, not from what happened before: the same seed is the same walk. (What the agent does
meanwhile keeps its own time, so a fault that depends on it may need several runs.)

The steps are divided among several walks side by side, one for each processor, with seeds that follow each other; a walk with
--walks 1 and its seed is the same one again.

usage: walk.py [--steps N] [--seed S] [--walks N] [--bin DIR] [--tools DIR]
"""

import argparse
import collections
import contextlib
import ctypes
import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from lab import Lab, LabError, inside, libc, run, wait_until  # noqa: E402

CLONE_NEWNS = 0x20000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2
BOOT_ID = "/proc/sys/kernel/random/boot_id"
SLOTS = 72             # more than the block has addresses: it is full at times
CAPACITY = 63          # of 10.64.1.0/26, whose first address serves nobody
PORTS = range(20000, 20024)
# Addresses of another host's block that containers ask for, and what the two families of them begin with.
BORROWED = 12
ELSEWHERE = (("10.64.200.", "d"), ("fd00:64:0:c8::", "x"))
# About as many system calls as an ADD makes.
LAST_SYSTEM_CALL = 260
ROUND = 25
STEPS_PER_REPORT = 20000
# The agent cleans up behind a sandbox that ended, and puts port mappings right, in its own time.
HEALED_WITHIN = 30.0

LIVE, MAYBE = "live", "maybe"


class Violation(Exception):
    """Something is not as the model says."""


@dataclasses.dataclass
class Attachment:
    state: str                       # LIVE: all of it is there; MAYBE: any part may be
    addresses: tuple = ()            # of LIVE
    result: dict | None = None
    ports: tuple = ()
    shaped: bool = False


@dataclasses.dataclass(frozen=True)
class Step:
    """One step as the seed gives it."""

    what: str
    slot: int
    ifname: str
    kill_at: int                     # 0: it lives
    ask: str                         # what an ADD asks for
    number: int                      # a port, an address, a choice: read as the step needs it


def steps(seed):
    source = random.Random(seed)
    kinds = collections.Counter(add=340, delete=300, check=130, gc=25, status=15, sandbox=110, agent=8, reboot=1)
    names, weights = list(kinds), list(kinds.values())
    while True:
        what = source.choices(names, weights)[0]
        yield Step(what=what, slot=source.randrange(SLOTS), ifname="eth0" if source.random() < 0.85 else "eth1",
                   kill_at=source.randint(1, LAST_SYSTEM_CALL) if source.random() < 0.25 else 0,
                   ask=source.choices(("", "address", "borrow", "port", "bandwidth"), (54, 12, 6, 14, 14))[0],
                   number=source.randrange(1 << 30))


def digits(attachment):
    """What the names of an attachment's links have in common (endpoint_names.h), to tell whose a link is."""
    value, mask = 0xCBF29CE484222325, (1 << 64) - 1
    for byte in attachment.encode():
        value = ((value ^ byte) * 0x100000001B3) & mask
    value = ((value ^ (value >> 32)) * 0xD6E8FEB86659FD93) & mask
    value ^= value >> 32
    return f"{value >> 12:013x}"


class Walk:
    def __init__(self, lab, tools, boot_id):
        self.lab, self.kill_at_program, self.boot_id = lab, tools / "kill_at", boot_id
        self.host = lab.add_host("host-a")
        self.model = {}              # (container id, ifname): Attachment
        self.sandboxes = set()       # slots
        self.counts = collections.Counter()
        self.recent = collections.deque(maxlen=40)
        self.known_names = {digits(f"{key[0]}/{key[1]}"): key for key in self.keys()}
        self.host.config["log"] = {"level": "info"}
        self.host.start_agent()

    # the CNI calls -----------------------------------------------------------------------------------------------------

    def call(self, verb, key=None, netns="", kill_at=0, config=None):
        """(exit status, what it printed); the status is 137 for a call that was killed."""
        keys = dict(self.host.network.conflist["plugins"][0], cniVersion="1.1.0", name="towpath", **(config or {}))
        environment = {"CNI_COMMAND": verb, "CNI_PATH": str(self.lab.bin), "PATH": os.environ["PATH"]}
        if key:
            environment.update(CNI_CONTAINERID=key[0], CNI_IFNAME=key[1], CNI_NETNS=netns)
        words = [str(self.lab.bin / "towpath")]
        if kill_at:
            words = [str(self.kill_at_program), str(kill_at)] + words
        with inside(self.host.netns):
            done = subprocess.run(words, input=json.dumps(keys), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=environment, timeout=120)
        self.counts[verb + (" killed" if done.returncode == 137 else " refused" if done.returncode else "")] += 1
        if done.returncode not in (0, 1, 137):
            raise Violation(f"{verb} {key}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.returncode, done.stdout

    @staticmethod
    def code(text):
        try:
            return json.loads(text)["code"], text
        except (ValueError, KeyError):
            raise Violation(f"no error document: {text!r}") from None

    def netns(self, slot):
        return f"/run/netns/{self.lab.prefix}s{slot}"

    def key(self, step):
        return f"soak-{os.getpid()}-c{step.slot}", step.ifname

    @staticmethod
    def keys():
        return [(f"soak-{os.getpid()}-c{slot}", ifname) for slot in range(SLOTS) for ifname in ("eth0", "eth1")]

    def slot_of(self, key):
        return int(key[0].rsplit("c", 1)[1])

    def add(self, step):
        if step.slot not in self.sandboxes:
            self.make_sandbox(step.slot)
        key, config, wanted, ports = self.key(step), {}, None, ()
        if step.ask == "address":
            wanted = (f"10.64.1.{1 + step.number % CAPACITY}", f"fd00:64:0:1::{1 + step.number % CAPACITY:x}")
            config["runtimeConfig"] = {"ips": list(wanted)}
        if step.ask == "borrow":
            wanted = tuple(f"{network}{1 + step.number % BORROWED:{form}}" for network, form in ELSEWHERE)
            config["runtimeConfig"] = {"ips": list(wanted)}
            config["ipam"] = {"type": "towpath-ipam", "borrow": True}
        if step.ask == "port":
            ports = (PORTS[step.number % len(PORTS)],)
            config["runtimeConfig"] = {"portMappings": [{"hostPort": ports[0], "containerPort": 80, "protocol": "tcp"}]}
        if step.ask == "bandwidth":
            config["runtimeConfig"] = {"bandwidth": {"ingressRate": 10 ** 9, "ingressBurst": 10 ** 7, "egressRate": 10 ** 9,
                                                     "egressBurst": 10 ** 7}}
        status, text = self.call("ADD", key, self.netns(step.slot), step.kill_at, config)
        before = self.model.get(key)
        if status == 137:
            # Killed before it began, it changed nothing; nobody knows.
            if before is None or before.state == MAYBE:
                self.model[key] = Attachment(MAYBE, ports=ports + (before.ports if before else ()))
            return
        if status == 0:
            if before is not None and before.state == LIVE:
                raise Violation(f"ADD of {key} succeeded a second time: {text}")
            result = json.loads(text)
            addresses = tuple(entry["address"].split("/")[0] for entry in result["ips"])
            if len(addresses) != 2:
                raise Violation(f"ADD of {key} gave {addresses}")
            if wanted and set(addresses) != set(wanted):
                raise Violation(f"ADD of {key} asked for {wanted} and got {addresses}")
            for other, attachment in self.model.items():
                if other != key and attachment.state == LIVE and set(attachment.addresses) & set(addresses):
                    raise Violation(f"ADD of {key} gave {addresses}, which {other} has")
            self.model[key] = Attachment(LIVE, addresses, result, ports, step.ask == "bandwidth")
            self.counts["ADD of borrowed addresses"] += step.ask == "borrow"
            return
        code, text = self.code(text)
        others = [attachment for other, attachment in self.model.items() if other != key]
        unknown = [attachment for attachment in others if attachment.state == MAYBE]
        excuse = {
            4: before is not None,
            11: len(self.model) >= CAPACITY or (ports and self.host.agent is None),
            102: any(set(ports) & set(attachment.ports) for attachment in others),
            103: wanted and (unknown or before or any(set(wanted) & set(attachment.addresses) for attachment in others)),
        }.get(code, False)
        # The sandbox may have an interface of an attachment that is not known for sure.
        if not excuse:
            raise Violation(f"ADD of {key} failed without a reason: {text}")
        if before is not None and before.state == MAYBE and code != 4:
            before.ports += ports

    def delete(self, step):
        key = self.key(step)
        before = self.model.get(key)
        config = {"prevResult": before.result} if before is not None and before.result and step.number % 2 else {}
        there = step.slot in self.sandboxes and step.number % 3
        status, text = self.call("DEL", key, self.netns(step.slot) if there else "", step.kill_at, config)
        if status == 137:
            if before is not None:
                self.model[key] = dataclasses.replace(before, state=MAYBE, result=None)
        elif status == 0:
            self.model.pop(key, None)
        else:
            raise Violation(f"DEL of {key} failed: {text}")

    def check(self, step):
        key = self.key(step)
        before = self.model.get(key)
        if before is None or before.result is None:
            return
        status, text = self.call("CHECK", key, self.netns(step.slot), step.kill_at, {"prevResult": before.result})
        if status == 1 and before.state == LIVE:
            raise Violation(f"CHECK of {key} failed: {text}")

    def gc(self, step):
        source = random.Random(step.number)
        valid = [key for key in self.keys() if source.random() < 0.7]
        attachments = [{"containerID": key[0], "ifname": key[1]} for key in valid]
        status, text = self.call("GC", kill_at=step.kill_at, config={"cni.dev/valid-attachments": attachments})
        if status == 1:
            raise Violation(f"GC failed: {text}")
        for key in [key for key in self.model if key not in valid]:
            if self.slot_of(key) in self.sandboxes:
                continue             # it lives: GC does not touch it
            if status == 0:
                del self.model[key]

    def status(self, step):
        status, text = self.call("STATUS", kill_at=step.kill_at)
        if status == 1 and self.code(text)[0] not in (50, 51):
            raise Violation(f"STATUS failed: {text}")
        if status == 1 and self.code(text)[0] == 50 and len(self.model) < CAPACITY:
            raise Violation(f"STATUS says that the block is full: {text}")

    # what happens around them ------------------------------------------------------------------------------------------

    def make_sandbox(self, slot):
        """As `ip netns add` does, without the cost of a program."""
        path = pathlib.Path(self.netns(slot))
        path.touch()
        with inside(self.host.netns):  # which brings us home again
            if libc.unshare(CLONE_NEWNET) != 0 or libc.mount(b"/proc/thread-self/ns/net", bytes(path), None, MS_BIND, None) != 0:
                raise LabError(f"no sandbox {path}: {os.strerror(ctypes.get_errno())}")
        self.lab._namespaces.append(path.name)
        self.sandboxes.add(slot)

    def end_sandbox(self, slot):
        path = pathlib.Path(self.netns(slot))
        if libc.umount2(bytes(path), MNT_DETACH) != 0:
            raise LabError(f"{path} does not end: {os.strerror(ctypes.get_errno())}")
        path.unlink()
        self.lab._namespaces.remove(path.name)
        self.sandboxes.discard(slot)

    def sandbox(self, step):
        """A sandbox ends without DEL."""
        if step.slot not in self.sandboxes:
            return
        self.end_sandbox(step.slot)
        for key, attachment in self.model.items():
            if self.slot_of(key) == step.slot:
                # The link goes with the sandbox, when the kernel gets to it; the rest when somebody cleans up.
                self.model[key] = dataclasses.replace(attachment, state=MAYBE, result=None)

    def agent(self, step):
        if self.host.agent is None:
            self.host.start_agent()
            self.counts["agent started"] += 1
        else:
            self.host.stop_agent(signal.SIGKILL)
            self.counts["agent killed"] += 1

    def reboot(self, step):
        """What a boot leaves: a state directory on a disk, or not even that."""
        if self.host.agent is not None:
            self.host.stop_agent(signal.SIGKILL)
        for slot in list(self.sandboxes):
            self.end_sandbox(slot)
        wait_until(lambda: not [name for name in self.links() if name.startswith("tp")], 30, "the links of the sandboxes end")
        for name in self.links():
            if name.startswith("tb"):
                run("ip", "-n", self.host.netns, "link", "del", name)
        for family in ("-4", "-6"):
            run("ip", "-n", self.host.netns, family, "route", "flush", "proto", 84, check=False)
        self.host.run("nft", "flush", "ruleset")
        self.boot_id.write_text(f"{random.Random(step.number).getrandbits(32):08x}-0000-4000-8000-000000000000\n")
        if step.number % 2:
            run("rm", "-rf", self.host.state / "db")
        self.model.clear()
        self.host.start_agent()
        self.counts["reboots"] += 1

    # the comparison ----------------------------------------------------------------------------------------------------

    def links(self):
        return {row["ifname"]: row for row in json.loads(run("ip", "-n", self.host.netns, "-j", "link") or "[]")}

    def local_rows(self, *words):
        return self.host.ctl(*words) if (self.host.state / "db").exists() else []

    def compare(self):
        live = {key: attachment for key, attachment in self.model.items() if attachment.state == LIVE}

        def hold(what, found, must, may=()):
            missing, extra = set(must) - set(found), set(found) - set(must) - set(may)
            if missing or extra:
                raise Violation(f"{what}: missing {sorted(missing)}, too many {sorted(extra)}")

        endpoints = {(row["container_id"], row["ifname"]): row for row in self.local_rows("endpoints")}
        hold("endpoint records", endpoints, live, self.model)
        owner = {}
        for key, row in endpoints.items():
            for address in row["addresses"]:
                if address in owner:
                    raise Violation(f"{address} is used by {owner[address]} and {key}")
                owner[address] = key
        for key, attachment in live.items():
            hold(f"addresses of {key}", endpoints[key]["addresses"], attachment.addresses)
        blocks = [row for row in self.local_rows("ipam", "--allocations")]
        allocated = [one["address"] for row in blocks for one in row["allocations"]]
        hold("allocations", allocated, owner)
        for row in blocks:
            if row["used"] != len(row["allocations"]):
                raise Violation(f"{row['block']} counts {row['used']} of {len(row['allocations'])}")
        # What a sandbox that ended takes along goes in the kernel's own time, and what a killed call left waits for DEL: of
        # these there may be anything, known by the alias.
        maybe = {f"{key[0]}/{key[1]}" for key, attachment in self.model.items() if attachment.state == MAYBE}
        # A link that was made and not yet named belongs to a record that says so.
        recorded = {digits("/".join(key)) for key in endpoints if key not in live}
        links = {name: row for name, row in self.links().items() if name.startswith(("tp", "tb"))}
        of_live = {endpoints[key]["host_ifname"] for key in live}
        of_live |= {"tb" + endpoints[key]["host_ifname"][2:] for key, attachment in live.items() if attachment.shaped}
        leaving = {name for name, row in links.items() if row.get("ifalias", "") in maybe or name[2:] in recorded}
        hold("links", {name if name in of_live | leaving else f"{name} of {self.known_names.get(name[2:])}, alias "
                       f"{row.get('ifalias')}": row for name, row in links.items()}, of_live, leaving)
        routes = set()
        for family, length in (("-4", "/32"), ("-6", "/128")):
            for row in json.loads(run("ip", "-n", self.host.netns, "-j", family, "route", "show") or "[]"):
                if row.get("dev", "").startswith("tp") and row["dev"] not in leaving and row.get("type", "unicast") == "unicast":
                    if not row["dst"].startswith("fe80"):
                        routes.add(row["dst"].removesuffix(length))
        hold("routes", routes, {address for attachment in live.values() for address in attachment.addresses})

    def compare_ports(self):
        """Elements of the maps; the agent follows the records in its own time."""
        if self.host.agent is None:
            return
        must = {port for attachment in self.model.values() if attachment.state == LIVE for port in attachment.ports}
        may = {port for attachment in self.model.values() for port in attachment.ports}

        def right():
            found = set()
            for row in json.loads(self.host.run("nft", "-j", "list", "ruleset"))["nftables"]:
                for element in row.get("map", {}).get("elem", []):
                    found |= {number for number in self.numbers(element[0]) if number in PORTS}
            right.found = found
            return must <= found <= may

        wait_until(right, HEALED_WITHIN, lambda: f"ports {sorted(must)}, perhaps {sorted(may)}, not {sorted(right.found)}")

    def compare_borrowed(self):
        """What the agent announces beside its blocks."""
        if self.host.agent is None:
            return
        must = {address for attachment in self.model.values() if attachment.state == LIVE for address in attachment.addresses
                if any(address.startswith(network) for network, _ in ELSEWHERE)}
        maybe = any(attachment.state == MAYBE for attachment in self.model.values())

        def right():
            told = [row["prefix"].split("/") for row in self.host.ctl("routes", "loc-rib")]
            right.found = {address for address, length in told if length == ("128" if ":" in address else "32")}
            return must <= right.found and (maybe or must == right.found)

        wait_until(right, HEALED_WITHIN, lambda: f"borrowed: {sorted(must)}, not {sorted(right.found)}", interval=0.2)

    def numbers(self, value):
        if isinstance(value, int):
            yield value
        elif isinstance(value, dict):
            for one in value.values():
                yield from self.numbers(one)
        elif isinstance(value, list):
            for one in value:
                yield from self.numbers(one)

    # -------------------------------------------------------------------------------------------------------------------

    def go(self, count, seed):
        stream = steps(seed)
        for number in range(1, count + 1):
            step = next(stream)
            self.recent.append(f"{number}: {step}")
            getattr(self, step.what)(step)
            self.counts["steps"] += 1
            if number % ROUND == 0:
                # A link that goes away with its sandbox may be caught between two dumps.
                try:
                    self.compare()
                except Violation:
                    time.sleep(0.5)
                    self.compare()
            if number % (ROUND * 20) == 0:
                self.compare_ports()
                self.compare_borrowed()
            if number % STEPS_PER_REPORT == 0:
                print(f"seed {seed}: {number} steps", flush=True)
        self.finish()

    def finish(self):
        """All is deleted; nothing is left."""
        if self.host.agent is None:
            self.host.start_agent()
        for slot in range(SLOTS):
            for ifname in ("eth0", "eth1"):
                self.delete(Step("delete", slot, ifname, 0, "", slot))
        if self.model:
            raise Violation(f"after all DELs the model has {list(self.model)}")
        self.compare()
        self.compare_ports()
        self.compare_borrowed()
        left = [row for row in self.local_rows("ipam") if row["used"]]
        if left:
            raise Violation(f"addresses in use: {left}")


def hide_boot_id(directory):
    """A boot id of our own for everything that we start: in a mount namespace of ours."""
    if libc.unshare(CLONE_NEWNS) != 0:
        raise LabError("no mount namespace")
    run("mount", "--make-rprivate", "/")
    path = directory / "boot_id"
    path.write_text("11111111-0000-4000-8000-000000000000\n")
    run("mount", "--bind", path, BOOT_ID)
    return path


def walk(bin_directory, tools, count, seed):
    """One walk; the exit status."""
    began = time.monotonic()
    # The mount namespace first: the laboratory's namespaces are then mounted in ours alone.
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        boot_id = hide_boot_id(pathlib.Path(scratch))
        stack.callback(run, "umount", BOOT_ID)
        lab = stack.enter_context(Lab(bin_directory))
        walk = Walk(lab, tools, boot_id)
        try:
            walk.go(count, seed)
        except (Violation, LabError) as error:
            print("\n".join(walk.recent))
            print(f"the agent's last words:\n{walk.host.log_tail(20)}")
            print(f"step {walk.counts['steps'] + 1}, seed {seed}: {error}", flush=True)
            return 1
        took = time.monotonic() - began
        print(f"seed {seed}: {walk.counts['steps']} steps in {took:.0f} s, nothing lost, nothing twice, nothing left: " +
              ", ".join(f"{name} {number}" for name, number in sorted(walk.counts.items()) if name != "steps"), flush=True)
    return 0


def walk_side_by_side(options):
    """A process for each walk, because a mount namespace is a process's own. The first that fails ends all."""
    share, rest = divmod(options.steps, options.walks)
    walks = []
    for number in range(options.walks):
        words = [sys.executable, __file__, "--walks", 1, "--steps", share + (number < rest), "--seed", options.seed + number,
                 "--bin", options.bin] + (["--tools", options.tools] if options.tools else [])
        walks.append(subprocess.Popen([str(word) for word in words]))
    try:
        while any(one.poll() is None for one in walks) and not any(one.poll() for one in walks):
            time.sleep(0.2)
    finally:
        for one in walks:
            if one.poll() is None:
                one.send_signal(signal.SIGINT)  # it clears up
        statuses = [one.wait() for one in walks]
    return 1 if any(statuses) else 0


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--walks", type=int, default=os.cpu_count())
    parser.add_argument("--bin", type=pathlib.Path, default=root / "build" / "release" / "bin")
    parser.add_argument("--tools", type=pathlib.Path, default=None, help="where kill_at is; next to --bin in soak/")
    options = parser.parse_args()
    if options.walks > 1:
        return walk_side_by_side(options)
    print(f"{options.steps} steps, seed {options.seed}", flush=True)
    return walk(options.bin, options.tools or options.bin.resolve().parent / "soak", options.steps, options.seed)


if __name__ == "__main__":
    sys.exit(main())
