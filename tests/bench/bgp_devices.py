"""The BGP speakers that ./dev bench bgp and routes compare, each set up for the same work.

Model
  A Device is a node on the switch with one program (and its children) on core 1. start(peers, family) writes the program's own
  configuration for passive sessions with these peers, takes every route, gives every route, and returns when it listens. Peers
  in its own AS are clients of it as a route reflector (RFC 4456), and live in the crowd. Those of another AS are on the switch.
  None writes routes to the kernel but with `installs`, which Towpath and Bird know.

What is measured is of all processes of the program: memory as PSS, CPU as user and system time.
"""

import dataclasses
import ipaddress
import json
import os
import pathlib
import re
import time

from daemons.openbgpd import CHROOT
from lab import LabError, Node, run, wait_until

OWN_AS = 64512
HOLD_TIME = 90
# Where the crowd lives: prefixes that are local to its node by a route, so that each session has an address of its own.
CROWD = {"ipv4": ipaddress.ip_network("10.200.0.0/16"), "ipv6": ipaddress.ip_network("2001:db8:200::/64")}


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    address: str
    as_number: int


class Device:
    """Subclasses set `name`, and write _configure() and _command()."""

    name = ""

    def __init__(self, lab, number, crowd_node=None, installs=False):
        self.node = Node(lab, self.name.split()[0].lower(), number)
        self.directory = self.node.directory
        self.crowd_node, self.installs = crowd_node, installs
        for version, family in (("-4", "ipv4"), ("-6", "ipv6")):
            if crowd_node:
                self.node.run("ip", version, "route", "add", CROWD[family], "via", getattr(crowd_node, family))
        self.process = None

    def address(self, family):
        return self.node.ipv6 if family == "ipv6" else self.node.ipv4

    def start(self, peers, family):
        self._configure(peers, family)
        self.process = self.node.start(["taskset", "-c", "1", *self._command()], log=self.directory / "bench.log")

        def listens():
            if not self.process.running():
                raise LabError(f"{self.name} ended with {self.process.popen.returncode}: {self.process.log()[-3000:]}")
            # Asked of the kernel: a connection of ours would be a peer that it does not know.
            return re.search(r":179\s", self.node.run("ss", "-Hltn")) and self._knows(peers)

        wait_until(listens, 60, f"{self.name} listens", interval=0.05)
        self.settle()

    def stop(self):
        if self.process:
            for pid in self._pids():
                os.kill(pid, 9)
            self.process.popen.wait()
            self.process = None

    def _pids(self):
        """Our program is the leader of a session of the kernel's kind; its children are in it."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(int(entry.name))
        return found

    def pss(self):
        total = 0
        for pid in self._pids():
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) * 1024
        return total

    def cpu_seconds(self):
        ticks = 0
        for pid in self._pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def settle(self):
        """Waits until it rests: what it still has to do after the last prefix left counts as its CPU time too."""
        seen = {"cpu": -1.0, "since": 0.0}

        def calm():
            now = self.cpu_seconds()
            # A program with many sessions is never quite at rest.
            if now - seen["cpu"] > 0.015:
                seen.update(cpu=now, since=time.monotonic())
            return time.monotonic() - seen["since"] > 0.3

        wait_until(calm, 180, f"{self.name} comes to rest", interval=0.05)

    def _configure(self, peers, family):
        raise NotImplementedError

    def _command(self):
        raise NotImplementedError

    def _knows(self, peers):
        """For those that listen before they have read who may come."""
        return True


class Towpath(Device):
    name = "towpath"

    def _configure(self, peers, family):
        lines = ["node: device", f"router_id: {self.node.ipv4}", f"as: {OWN_AS}",
                 f"listen: [{{address: '{self.address(family)}'}}]", "pools: [16.0.0.0/4, 2400::/12]", "blocks: []",
                 f"state_dir: {self.directory}", f"control_socket: {self.directory}/towpathd.sock", "log: {level: warning}",
                 f"kernel: {{install: {str(self.installs).lower()}}}", "peers:"]
        for peer in peers:
            client = ", route_reflector_client: true" if peer.as_number == OWN_AS else ""
            lines.append(f"  - {{name: {peer.name}, address: '{peer.address}', as: {peer.as_number}, passive: true, "
                         f"hold_time: {HOLD_TIME}, families: [{family}], export: all{client}}}")
        (self.directory / "towpathd.yaml").write_text("\n".join(lines) + "\n")

    def _command(self):
        return [self.node.lab.bin / "towpathd", "--config", self.directory / "towpathd.yaml"]


class Bird(Device):
    name = "BIRD"

    def _configure(self, peers, family):
        lines = [f"router id {self.node.ipv4};", "protocol device {}",
                 "filter all_bgp { if source = RTS_BGP then accept; reject; }"]
        if self.crowd_node:  # the next hops of clients are looked up in its own table
            via = f"route {CROWD[family]} via {getattr(self.crowd_node, family)};"
            lines.append(f"protocol static {{ {family} {{ import all; }}; {via} }}")
        if self.installs:
            lines.append(f"protocol kernel {{ {family} {{ export filter all_bgp; }}; }}")
        for peer in peers:
            client = "multihop; rr client;" if peer.as_number == OWN_AS else ""
            lines.append(f"protocol bgp {peer.name} {{ local {self.address(family)} as {OWN_AS}; "
                         f"neighbor {peer.address} as {peer.as_number}; passive; hold time {HOLD_TIME}; {client} "
                         f"{family} {{ import all; export filter all_bgp; }}; }}")
        (self.directory / "bird.conf").write_text("\n".join(lines) + "\n")

    def _command(self):
        return ["bird", "-f", "-c", self.directory / "bird.conf", "-s", self.directory / "bird.ctl", "-P", self.directory / "pid"]

    def _knows(self, peers):
        shown = run("birdc", "-s", self.directory / "bird.ctl", "show protocols", check=False)
        return len(re.findall(r"\sPassive\s*$", shown, re.M)) == len(peers)


class Frr(Device):
    name = "FRR"

    def _configure(self, peers, family):
        lines = [f"router bgp {OWN_AS}", f" bgp router-id {self.node.ipv4}", " no bgp default ipv4-unicast",
                 " no bgp ebgp-requires-policy", " no bgp network import-check"]
        groups = {}
        for peer in peers:
            groups.setdefault(peer.as_number, f"as-{peer.as_number}")
        for as_number, group in groups.items():
            lines += [f" neighbor {group} peer-group", f" neighbor {group} remote-as {as_number}", f" neighbor {group} passive",
                      f" neighbor {group} timers {HOLD_TIME // 3} {HOLD_TIME}", f" neighbor {group} ebgp-multihop 8"
                      if as_number != OWN_AS else "!", f" neighbor {group} advertisement-interval 0"]
        lines += [f" neighbor {peer.address} peer-group {groups[peer.as_number]}" for peer in peers]
        lines.append(f" address-family {family} unicast")
        for as_number, group in groups.items():
            lines.append(f"  neighbor {group} activate")
            if as_number == OWN_AS:
                lines.append(f"  neighbor {group} route-reflector-client")
        lines.append(" exit-address-family")
        (self.directory / "bgpd.conf").write_text("\n".join(lines) + "\n")

    def _command(self):
        return ["/usr/lib/frr/bgpd", "--no_zebra", "--skip_runas", "--config_file", self.directory / "bgpd.conf", "--pid_file",
                self.directory / "pid", "--vty_socket", self.directory, "--vty_port", "0", "--limit-fds", "8192"]

    def _knows(self, peers):
        shown = run("vtysh", "--vty_socket", self.directory, "-d", "bgpd", "-c", "show running-config", check=False)
        # It resets the sessions of a family that is activated later.
        groups = {f"as-{peer.as_number}" for peer in peers}
        return f"neighbor {peers[-1].address} peer-group" in shown and all(f"neighbor {one} activate" in shown for one in groups)


class Openbgpd(Device):
    name = "OpenBGPD"

    def _configure(self, peers, family):
        lines = [f"AS {OWN_AS}", f"router-id {self.node.ipv4}", "fib-update no", f"listen on {self.address(family)}",
                 f'socket "{self.directory}/bgpd.sock"', "nexthop qualify via default"]
        for peer in peers:
            client = "  route-reflector\n" if peer.as_number == OWN_AS else "  multihop 8\n"
            lines.append(f"neighbor {peer.address} {{\n  descr \"{peer.name}\"\n  remote-as {peer.as_number}\n  passive\n"
                         f"  holdtime {HOLD_TIME}\n{client}"
                         f"  announce IPv4 {'unicast' if family == 'ipv4' else 'none'}\n"
                         f"  announce IPv6 {'unicast' if family == 'ipv6' else 'none'}\n}}")
        lines += ["allow from any", "allow to any"]
        path = self.directory / "bgpd.conf"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)
        CHROOT.mkdir(mode=0o755, exist_ok=True)

    def _command(self):
        return ["/usr/sbin/bgpd", "-d", "-f", self.directory / "bgpd.conf"]


class Gobgp(Device):
    name = "GoBGP"

    def _configure(self, peers, family):
        neighbors = []
        for peer in peers:
            one = {"config": {"peer-as": peer.as_number, "neighbor-address": peer.address},
                   "timers": {"config": {"hold-time": HOLD_TIME, "keepalive-interval": HOLD_TIME // 3}},
                   "transport": {"config": {"local-address": self.address(family), "passive-mode": True}},
                   "afi-safis": [{"config": {"afi-safi-name": f"{family}-unicast"}}]}
            if peer.as_number == OWN_AS:
                one["route-reflector"] = {"config": {"route-reflector-client": True,
                                                     "route-reflector-cluster-id": self.node.ipv4}}
            else:
                one["ebgp-multihop"] = {"config": {"enabled": True, "multihop-ttl": 8}}
            neighbors.append(one)
        config = {"global": {"config": {"as": OWN_AS, "router-id": self.node.ipv4, "port": 179,
                                        "local-address-list": [self.address(family)]}},
                  "neighbors": neighbors}
        (self.directory / "gobgpd.json").write_text(json.dumps(config))

    def _command(self):
        return ["gobgpd", "--config-file", self.directory / "gobgpd.json", "--config-type", "json", "--api-hosts",
                "127.0.0.1:50051", "--pprof-disable", "--log-level", "error", "--log-plain"]


DEVICES = {"towpath": Towpath, "bird": Bird, "frr": Frr, "openbgpd": Openbgpd, "gobgp": Gobgp}


def make(lab, names, crowd_node):
    return [DEVICES[name](lab, 60 + number, crowd_node) for number, name in enumerate(names)]
