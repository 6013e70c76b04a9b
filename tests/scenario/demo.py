#!/usr/bin/python3
"""The demo: three hosts on one switch, all of them namespaces of this machine, and containers that reach each other.

usage: demo.py [--bin DIR] [--keep]        tell the story; --keep leaves the hosts running
       demo.py on NAME COMMAND...          run a command on a kept host or in a kept container
       demo.py --clean                     take the kept hosts away, and what killed runs left
"""

import concurrent.futures
import os
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from lab import Lab, LabError, NETNS_DIR, default_bin, remove_named, sweep, wait_until  # noqa: E402

KEPT = "demo"
KEPT_DIRECTORY = pathlib.Path(f"/run/towpath-lab-{KEPT}")
COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ
UNICODE = (sys.stdout.encoding or "").lower().startswith("utf")
TICK = "✓" if UNICODE else "ok"
ARROW = "→" if UNICODE else "->"


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOURS else text


def bold(text):
    return paint("1", text)


def dim(text):
    return paint("2", text)


class Story:
    """Numbered chapters with what happened below each."""

    def __init__(self):
        self.chapter_number = 0
        self.began = time.monotonic()

    def chapter(self, title, *sentences):
        self.chapter_number += 1
        print(f"\n{bold(f'{self.chapter_number}  {title}')}")
        for sentence in sentences:
            self.say(sentence)

    @staticmethod
    def say(text):
        print(f"   {text}", flush=True)

    @staticmethod
    def good(text):
        print(f"   {paint('32', TICK)} {text}", flush=True)

    @staticmethod
    def command(text):
        print(f"   {paint('36', '$ ' + text)}", flush=True)

    @staticmethod
    def output(text, indent="     "):
        for line in text.rstrip().splitlines():
            print(f"{indent}{line}".rstrip())
        sys.stdout.flush()


def seconds(began):
    return f"{time.monotonic() - began:.1f} s"


def everyone(containers):
    return [(one, other) for one in containers for other in containers if one is not other]


def block_routes(host, other):
    """Which of the other host's blocks this host's kernel has a route to."""
    return [block for block in other.blocks if block in host.routes()]


def build_hosts(story, lab):
    story.chapter("Three hosts on one switch",
                  "Each has its own agent (towpathd), its own configuration and its own blocks of addresses.",
                  "Each tells the others over BGP: \"these blocks live here\".")
    for name in ("host-a", "host-b", "host-c"):
        lab.add_host(name)
    lab.full_mesh()
    began = time.monotonic()
    for host in lab.hosts:
        host.start_agent()
        story.say(f"{bold(host.name)}  {host.ipv4}, {host.ipv6:<12} owns {host.blocks[0]} and {host.blocks[1]}")
    for host in lab.hosts:
        others = [other for other in lab.hosts if other is not host]
        wait_until(lambda: host.established(*(other.name for other in others)), 20,
                   lambda: f"{host.name} has all its sessions: {host.ctl('peers')}")
        wait_until(lambda: all(len(block_routes(host, other)) == 2 for other in others), 20,
                   f"{host.name} has routes to all blocks")
    story.good(f"every agent talks to every other, every kernel has its routes ({seconds(began)})")


def attach_containers(story, lab):
    story.chapter("Two containers on each host",
                  "Attached as a container runtime does it: CNI ADD with this network configuration:")
    story.output('{"cniVersion": "1.1.0", "name": "towpath",\n'
                 ' "plugins": [{"type": "towpath", "ipam": {"type": "towpath-ipam"}}]}')
    containers, times = [], []
    for host in lab.hosts:
        added = []
        for number in (1, 2):
            began = time.monotonic()
            container = host.add_container(f"{host.name[-1]}{number}")
            times.append((time.monotonic() - began) * 1000)
            container.serve()
            added.append(container)
        containers += added
        story.say(f"{host.name}:  " + "   ".join(f"{bold(c.name)} {c.ipv4} {c.ipv6}" for c in added))
    story.good(f"six containers, each ADD in about {sorted(times)[len(times) // 2]:.0f} ms, counted from outside")
    return containers


def talk(story, containers):
    story.chapter("Everybody talks to everybody",
                  "A ping and a TCP connection for each pair, over IPv4 and over IPv6.",
                  "Each TCP server answers with the address it sees the caller come from.")
    pairs = everyone(containers)
    began = time.monotonic()

    def check(pair):
        """The four ways to reach the other: {way: whether it went well}."""
        source, target = pair
        return {"IPv4 ping": source.pings(target.ipv4), "IPv6 ping": source.pings(target.ipv6),
                "IPv4 TCP": source.call(target.ipv4) == source.ipv4, "IPv6 TCP": source.call(target.ipv6) == source.ipv6}

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = dict(zip([(s.name, t.name) for s, t in pairs], pool.map(check, pairs)))
    names = [container.name for container in containers]
    story.say(dim("from\\to  " + "     ".join(f"{name:<4}" for name in names)))
    for source in names:
        cells = []
        for target in names:
            if source == target:
                cells.append(dim(f"{'·' if UNICODE else '.':<4}"))
            else:
                done = sum(results[source, target].values())
                cells.append(paint("32" if done == 4 else "31", f"{done}/4 "))
        story.say(f"{source:<9}" + "     ".join(cells))
    total = 4 * len(pairs)
    failed = [f"{way} {source} {ARROW} {target}" for (source, target), ways in results.items()
              for way, well in ways.items() if not well]
    if failed:
        raise LabError(f"{len(failed)} of {total} pings and connections failed: {', '.join(failed)}")
    story.good(f"{total // 2} of {total // 2} pings and {total // 2} of {total // 2} connections ({seconds(began)}); every "
               "caller came with its own address: no NAT")


def native_path(story, source, target):
    story.chapter("The path is native",
                  "Two plain hops through the hosts' own routing tables, and the wire carries the containers' packets as",
                  "they are: no tunnel, no overlay, no encapsulation.")
    for family, address in (("-4", target.ipv4), ("-6", target.ipv6)):
        story.command(f"traceroute {family} {address}".replace(" -4", "") + dim(f"   in {source.name}"))
        # -N1: one probe at a time, so that no hop runs into the kernel's limit for ICMP errors.
        text = source.run("traceroute", family, "-n", "-q1", "-w2", "-N1", address)
        hops = text.splitlines()[1:]
        names = [source.host.name, target.host.name, target.name]
        story.output("\n".join(f"{hop.rstrip():<44} {dim(name)}" for hop, name in zip(hops, names)))
        if len(hops) != 3 or address not in hops[2]:
            raise LabError(f"traceroute took another way: {hops}")
    story.command("tcpdump -i eth0" + dim(f"   on {source.host.name}, while {source.name} pings and calls {target.name}"))
    # All that is neither ARP, neighbour discovery, multicast listener reports (they have a hop-by-hop header) nor BGP: an
    # encapsulated packet would show up too.
    capture = source.host.capture("not arp and not port 179 and not (icmp6 and ip6[40] >= 133 and ip6[40] <= 137) and not ip6[6] = 0")
    source.pings(target.ipv4)
    source.pings(target.ipv6)
    source.call(target.ipv4)
    wait_until(lambda: sum("Flags [F" in line for line in capture.packets("-q", "-t") + capture.packets("-t")) >= 2, 5,
               "the capture shows the connection from its start to its end")
    lines = [line for line in capture.stop() if " > " in line]
    foreign = [line for line in lines
               if not re.search(rf"IP6? ({re.escape(source.ipv4)}|{re.escape(source.ipv6)}|"
                                rf"{re.escape(target.ipv4)}|{re.escape(target.ipv6)})[ .]", line)]
    shown = [line.split(" ", 1)[1] for line in lines][:6]
    story.output("\n".join(line if len(line) < 94 else line[:91] + "..." for line in shown))
    if foreign:
        raise LabError(f"unexpected packets on the wire: {foreign}")
    story.good(f"{len(lines)} packets on the wire, all of them from container to container, 0 encapsulated")


def dump_routes(story, lab):
    story.chapter("What each host knows", "The route dump: own blocks, and what came from whom.")
    for host in lab.hosts:
        story.command("towpathctl routes" + dim(f"   on {host.name}"))
        story.output(host.ctl_table("routes"))


def new_container(story, lab, containers):
    story.chapter("A new container",
                  "Its block is already known everywhere, so nobody has to learn anything: it is reachable at once.")
    host = lab.hosts[2]
    container = host.add_container("c3")
    added = time.monotonic()
    container.serve()
    for other in containers:
        if other.host is not host:
            for address in (container.ipv4, container.ipv6):
                wait_until(lambda: other.pings(address), 5, f"{other.name} reaches {address}")
    story.good(f"{bold(container.name)} {container.ipv4} {container.ipv6} on {host.name} answers everyone on the other hosts, "
               f"{seconds(added)} after ADD")
    containers.append(container)


def cut_and_return(story, lab, containers):
    a, b, c = lab.hosts
    others = (a, c)
    story.chapter(f"{b.name} is cut off",
                  f"The switch silently drops every frame of {b.name}. The others hear nothing for the hold time (3 s) and "
                  "give up.")
    b.cut_off()
    began = time.monotonic()
    for host in others:
        wait_until(lambda: not block_routes(host, b), 20, f"{host.name} has no route to {b.name} any more")
    story.good(f"its routes are gone on {a.name} and {c.name} ({seconds(began)}); {a.name} and {c.name} go on as if nothing "
               "had happened")
    story.command("towpathctl peers" + dim(f"   on {a.name}"))
    story.output(a.ctl_table("peers"))
    if not containers[0].pings(containers[4].ipv6):
        raise LabError("a container of host-a does not reach one of host-c while host-b is away")
    story.chapter(f"{b.name} is back")
    b.reconnect()
    began = time.monotonic()
    for host in others:
        wait_until(lambda: len(block_routes(host, b)) == 2, 30, f"{host.name} has the routes to {b.name} again")
    for other in containers:
        if other.host is not b:
            wait_until(lambda: other.pings(containers[2].ipv4) and other.pings(containers[3].ipv6), 10,
                       f"{other.name} reaches the containers of {b.name}")
    story.good(f"sessions and routes are back, its containers answer again ({seconds(began)})")


def tell(lab):
    story = Story()
    print(bold("Towpath") + ": containers on different hosts reach each other by plain Linux routes.")
    build_hosts(story, lab)
    containers = attach_containers(story, lab)
    talk(story, containers)
    native_path(story, containers[0], containers[2])
    dump_routes(story, lab)
    new_container(story, lab, containers)
    cut_and_return(story, lab, containers)
    print(f"\n{bold('That was Towpath')}, in {seconds(story.began)}.")


def kept_hint():
    print("\nThe hosts keep running. Try:\n"
          "  ./dev demo on a1 ping 10.64.2.1              from a container to another host's container\n"
          "  ./dev demo on host-a towpathctl routes       what host-a knows; also: peers, endpoints, ipam, status\n"
          "  ./dev demo on host-b ip route                the kernel's own view\n"
          "  ./dev demo on host-c tcpdump -ni eth0        the wire\n"
          f"  less {KEPT_DIRECTORY}/host-a/towpathd.yaml\n"
          "                                               its configuration; towpathd.log lies beside it\n"
          "  ./dev demo --clean                           take it all away")


def run_on(name, command):
    netns = NETNS_DIR / f"{KEPT}-{name}"
    if not netns.exists():
        names = sorted(path.name.removeprefix(f"{KEPT}-") for path in NETNS_DIR.glob(f"{KEPT}-*"))
        raise LabError(f"no '{name}' is running" + (f"; there are: {', '.join(names)}" if names
                                                    else "; start the demo with: ./dev demo --keep"))
    if command[0] == "towpathctl":
        state = KEPT_DIRECTORY / name / "state"
        program = (KEPT_DIRECTORY / "bin").read_text()
        command = [f"{program}/towpathctl", "--socket", str(state / "towpathd.sock"), "--state-dir", str(state)] + command[1:]
    os.execvp("nsenter", ["nsenter", f"--net={netns}"] + command)


def clean():
    if os.getuid() != 0:
        raise LabError("taking hosts away needs root")
    was_there = remove_named(f"{KEPT}-", KEPT_DIRECTORY)
    left = sweep()
    if was_there:
        print("The demo's hosts are gone.")
    if left:
        print(f"What {left} earlier run{'s' if left > 1 else ''} left that {'were' if left > 1 else 'was'} killed is gone.")
    if not was_there and not left:
        print("There is nothing to take away: no demo is kept running, and no earlier run left anything.")


def main(words):
    bin_dir = default_bin()
    if words[:1] == ["--bin"]:
        bin_dir, words = pathlib.Path(words[1]), words[2:]
    if words[:1] == ["on"] and len(words) >= 3:
        run_on(words[1], words[2:])
    if words == ["--clean"]:
        clean()
        return 0
    if words not in ([], ["--keep"]):
        print(__doc__, file=sys.stderr)
        return 2
    keep = words == ["--keep"]
    if keep and (KEPT_DIRECTORY.exists() or list(NETNS_DIR.glob(f"{KEPT}-*"))):
        raise LabError("an earlier demo is still running; take it away with: ./dev demo --clean")
    with Lab(bin_dir, name=KEPT if keep else None, survive=keep) as lab:
        tell(lab)
        if keep:
            (lab.directory / "bin").write_text(str(lab.bin))
            lab.leave_running()
            kept_hint()
        else:
            print("Everything is taken away again. To keep it running and play with it: ./dev demo --keep")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nInterrupted; everything is taken away again.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read us left. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
    except LabError as error:
        print(f"\n{paint('31', 'demo')}: {error}", file=sys.stderr)
        sys.exit(1)
