"""Who speaks with whom in the interop matrix (interop_matrix.py), and what is done to all of them at once.

Three agents: `ebgp` in an AS of its own; `ibgp` and `reflector` in the daemons' AS, which are the reflector's clients.
Five daemons, each with two sessions to each agent: one over IPv4, one over IPv6. Two feeders in ASes of their own announce
the same prefixes with different attributes to all agents and to all daemons that pass routes on. So thirty sessions carry
all cells, and all daemons are killed, or all agents restarted, at the same moment.
"""

import dataclasses

from bgp_feeder import Feeder, feed
from capture_check import complaints, messages, segments
from daemons.bird import Bird
from daemons.daemon import Neighbor, Route
from daemons.exabgp import Exabgp
from daemons.frr import Frr
from daemons.gobgp import Gobgp
from daemons.openbgpd import Openbgpd
from lab import Node, wait_until

THEIR_AS, OUR_AS = 65050, 64512
KINDS = ("eBGP", "iBGP", "client")
PRODUCTS = (Bird, Frr, Gobgp, Openbgpd, Exabgp)
HOLD_TIME = 9
# Of the sessions that are signed; KEY_FILE stands for the file that holds it, which each host has for itself.
KEY, KEY_FILE = "seven-locks-and-a-weir", object()
# What both feeders announce to the agents and to the daemons: one prefix with all attributes, and many.
FEED_US, FEED_THEM = "10.91.1.0/24", "10.92.1.0/24"
# (More than one message of 4096 octets holds.)
BULK_US = [f"10.93.{number // 4}.{number % 4 * 64}/26" for number in range(900)]
BULK_THEM = [f"10.94.{number // 4}.{number % 4 * 64}/26" for number in range(900)]
COMMUNITIES, LARGE_COMMUNITIES = (f"{THEIR_AS}:1", f"{THEIR_AS}:2"), (f"{THEIR_AS}:1:2",)


class Failed(Exception):
    """A cell is not as it must be."""


def require(condition, text):
    if not condition:
        raise Failed(text)


@dataclasses.dataclass
class Cell:
    """One daemon's sessions with one agent. A transport is 4 or 6: the session over IPv4, or that over IPv6."""

    topology: object
    daemon: object
    host: object
    kind: str

    def name(self, transport):
        """The session's name at the daemon."""
        return f"{self.kind}{transport}"

    def peer(self, transport):
        """The session's name at the agent."""
        return f"{self.daemon.name}{transport}"

    def row(self, transport):
        return self.host.peer(self.peer(transport))

    def transport(self, family):
        """The session that carries a family for sure."""
        return 4 if family == "ipv4" or self.daemon.both_families else 6

    def at_ours(self, transport, prefix):
        """The paths of a prefix that the agent has from the daemon."""
        return [row for row in self.host.ctl("routes", "adj-rib-in", "--peer", self.peer(transport), prefix)
                if row["prefix"] == prefix]

    def at_theirs(self, transport, prefix):
        """The paths of a prefix that the daemon has from the agent."""
        return [path for path in self.daemon.received(self.name(transport)) if path.prefix == prefix]

    def messages(self, transport):
        """What went over the wire between the two, both ways."""
        pair = {self.daemon.ipv4, self.host.ipv4} if transport == 4 else {self.daemon.ipv6, self.host.ipv6}
        return [one for one in messages(self.topology.captures[self.host].path) if {one.source, one.target} == pair]

    def segments(self, transport):
        """The same as TCP segments."""
        pair = {self.daemon.ipv4, self.host.ipv4} if transport == 4 else {self.daemon.ipv6, self.host.ipv6}
        return [one for one in segments(self.topology.captures[self.host].path) if {one.source, one.target} == pair]

    def up(self, *transports):
        wait_until(lambda: self.daemon.established(*map(self.name, transports)) and
                   self.host.established(*map(self.peer, transports)), 20,
                   lambda: f"{self.daemon.product}: {self.daemon.states()}; we: " +
                           ", ".join(f"{self.row(one)['state']} {self.row(one)['last_error']}" for one in transports))


def own_prefix(daemon, family):
    return f"10.{100 + daemon.number}.0.0/24" if family == "ipv4" else f"fd00:{daemon.number}::/48"


class Topology:
    def __init__(self, lab):
        self.hosts = {"eBGP": lab.add_host("ebgp", OUR_AS), "iBGP": lab.add_host("ibgp", THEIR_AS),
                      "client": lab.add_host("reflector", THEIR_AS)}
        self.daemons = [product(lab, product.product.lower(), 51 + number, THEIR_AS)
                        for number, product in enumerate(PRODUCTS)]
        source = Node(lab, "source", 90)
        self.feeders = [Feeder(source, f"192.0.2.{91 + number}", 65101 + number) for number in range(2)]
        self.cells = [Cell(self, daemon, host, kind) for daemon in self.daemons for kind, host in self.hosts.items()]
        self.monitors, self.captures = {}, {}
        self._deleted_before, self._kept = {}, {}

    def configure(self, options):
        """options(cell, transport): what the session has beyond the usual, as keys of our peer and of their Neighbor."""
        for host in self.hosts.values():
            host.config["pools"] = ["10.0.0.0/8", "fd00::/8"]
            host.config["log"]["level"] = "info"
            host.config["peers"] = [{"name": f"feeder{feeder.as_number}", "address": feeder.address, "as": feeder.as_number,
                                     "passive": True, "families": ["ipv4"]} for feeder in self.feeders]
        neighbors = {daemon: [] for daemon in self.daemons}
        for cell in self.cells:
            for transport in (4, 6):
                ours, theirs = self._session(cell, transport, *options(cell, transport))
                cell.host.config["peers"].append(ours)
                neighbors[cell.daemon].append(theirs)
        for daemon in self.daemons:
            add_path = any(one.add_path for one in neighbors[daemon])
            if daemon.passes_on:
                neighbors[daemon] += [
                    Neighbor(f"feeder{feeder.as_number}", feeder.address, daemon.ipv4, feeder.as_number, ("ipv4",),
                             graceful_restart=False, passive=True, hold_time=90) for feeder in self.feeders]
            routes = [Route(own_prefix(daemon, "ipv4"), COMMUNITIES, LARGE_COMMUNITIES, 77),
                      Route(own_prefix(daemon, "ipv6"), COMMUNITIES, LARGE_COMMUNITIES)]
            if add_path and not daemon.passes_on:
                routes.append(Route(own_prefix(daemon, "ipv4"), (f"{THEIR_AS}:3",)))
            if not daemon.passes_on:
                routes += [Route(prefix) for prefix in BULK_THEM]
            daemon.configure(neighbors[daemon], routes, transit=("10.92.0.0/16", "10.94.0.0/16"))
        for feeder in self.feeders:
            for host in self.hosts.values():
                feeder.add(host.ipv4, self._feed(feeder, FEED_US, BULK_US))
            for daemon in self.daemons:
                if daemon.passes_on:
                    feeder.add(daemon.ipv4, self._feed(feeder, FEED_THEM, BULK_THEM))

    @staticmethod
    def _session(cell, transport, ours, theirs):
        daemon, host = cell.daemon, cell.host
        if transport == 4:
            families, addresses = ("ipv4", "ipv6") if daemon.both_families else ("ipv4",), (daemon.ipv4, host.ipv4)
        else:
            families = ("ipv4", "ipv6") if theirs.get("extended_next_hop") else ("ipv6",)
            addresses = (daemon.ipv6, host.ipv6)
        if ours.get("md5_key_file") is KEY_FILE:
            file = host.directory / "bgp.key"
            file.write_text(KEY + "\n")
            ours = {**ours, "md5_key_file": str(file)}
        client = {"route_reflector_client": True} if cell.kind == "client" else {}
        return ({"name": cell.peer(transport), "address": addresses[0], "as": THEIR_AS, "hold_time": HOLD_TIME,
                 "connect_retry": 1, "families": list(families), "export": "all", **client, **ours},
                Neighbor(cell.name(transport), addresses[1], addresses[0], host.as_number, families,
                         next_hop_ipv4=daemon.ipv6 if transport == 6 else daemon.ipv4, next_hop_ipv6=daemon.ipv6,
                         hold_time=HOLD_TIME, **theirs))

    @staticmethod
    def _feed(feeder, prefix, bulk):
        return [feed([prefix], feeder.as_number, feeder.address, ["64999:7"], ["64999:7:8"], 50),
                *(feed(bulk[at:at + 500], feeder.as_number, feeder.address) for at in range(0, len(bulk), 500))]

    def start(self):
        for host in self.hosts.values():
            self.captures[host] = host.capture("tcp port 179")
            self.monitors[host] = host.start(["ip", "monitor", "route"], log=host.directory / "routes.log")
            host.start_agent()
        for daemon in self.daemons:
            daemon.launch()
        for feeder in self.feeders:
            feeder.start()

    def _deleted_routes(self, host):
        """What `ip monitor` has seen vanish from the host's kernel up to now."""
        return [line for line in self.monitors[host].log().splitlines() if line.startswith("Deleted")]

    def _before_restart(self):
        for cell in self.cells:
            cell.up(4, 6)
            wait_until(lambda: {own_prefix(cell.daemon, family) for family in ("ipv4", "ipv6")} <= set(cell.host.routes()),
                       10, f"{cell.daemon.product}'s routes in the kernel")
        self._deleted_before = {host: len(self._deleted_routes(host)) for host in self.hosts.values()}
        self._kept = {}

    def lower_hop_limits(self, cells):
        """What the daemons send seems to come from one hop further away, for as long as it takes to lose the sessions."""
        daemons = {id(cell.daemon): cell.daemon for cell in cells}.values()
        for daemon in daemons:
            daemon.run("nft", "add table ip6 farther; add chain ip6 farther out { type filter hook output priority 0; }; "
                              "add rule ip6 farther out tcp dport 179 ip6 hoplimit set 254; "
                              "add rule ip6 farther out tcp sport 179 ip6 hoplimit set 254")
        for cell in cells:
            wait_until(lambda: not cell.host.established(cell.peer(6)), HOLD_TIME + 5, f"{cell.peer(6)} is lost")
        for daemon in daemons:
            daemon.run("nft", "delete", "table", "ip6", "farther")

    def kill_and_restart_daemons(self, cells):
        """cells: those that must keep the daemon's routes meanwhile."""
        self._before_restart()
        for daemon in self.daemons:
            daemon.kill()
        for cell in cells:
            prefix = own_prefix(cell.daemon, "ipv4")
            self._kept[cell.daemon, cell.kind] = wait_until(
                lambda: [row for row in cell.at_ours(4, prefix) if row["stale"]], 5,
                lambda: f"{cell.daemon.product}: stale routes: {cell.at_ours(4, prefix)}")
        for daemon in self.daemons:
            daemon.launch()

    def restart_agents(self, cells):
        """cells: those whose daemon must keep our routes meanwhile."""
        self._before_restart()
        for host in self.hosts.values():
            host.stop_agent()
        for cell in cells:
            wait_until(lambda: not cell.daemon.established(cell.name(4)), 10, f"{cell.daemon.product} notices")
            self._kept[cell.daemon, cell.kind] = cell.at_theirs(4, cell.host.blocks[0])
        for host in self.hosts.values():
            host.start_agent()

    def restarted(self, cell):
        """After either: the routes were kept, the session is back, and the kernel lost no route of the daemon's."""
        require(self._kept.get((cell.daemon, cell.kind)), "the routes were dropped while one side was away")
        cell.up(4, 6)
        for family in ("ipv4", "ipv6"):
            transport, theirs = cell.transport(family), own_prefix(cell.daemon, family)
            ours = cell.host.blocks[0 if family == "ipv4" else 1]
            wait_until(lambda: [row for row in cell.at_ours(transport, theirs) if not row["stale"]], 20,
                       lambda: f"fresh again: {cell.at_ours(transport, theirs)}")
            wait_until(lambda: [path for path in cell.at_theirs(transport, ours) if not path.stale], 20,
                       lambda: f"fresh again: {cell.at_theirs(transport, ours)}")
            gone = [line for line in self._deleted_routes(cell.host)[self._deleted_before[cell.host]:] if theirs in line]
            require(not gone, f"the kernel lost {gone}")

    def dissect(self):
        """What tshark finds fault with in what the agents sent."""
        return [f"{kind}: {line}" for kind, host in self.hosts.items()
                for line in complaints(self.captures[host].finish(), f"ip.src == {host.ipv4} || ipv6.src == {host.ipv6}")]
