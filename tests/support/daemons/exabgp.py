"""ExaBGP as a Daemon. It has no routing table: it announces what its configuration says, passes nothing on, and what it
hears it writes, as JSON, to a program of ours, here a shell that keeps it in a file. Commands come to it the same way back.
"""

import json
import os

from daemons.daemon import Daemon, Path


CAPABILITY_NAMES = {"route-refresh": "refresh", "enhanced-route-refresh": "enhanced-refresh",
                    "graceful restart": "graceful-restart", "addpath": "add-path", "extended-message": "extended-messages",
                    "nexthop": "extended-next-hop"}


def as_path_numbers(said):
    """A list of numbers, and of lists for sets."""
    for one in said:
        if isinstance(one, list):
            yield from as_path_numbers(one)
        else:
            yield one


class Exabgp(Daemon):
    product = "ExaBGP"
    passes_on = False

    def __init__(self, lab, name, number, as_number):
        super().__init__(lab, name, number, as_number)
        self.heard, self.commands = self.directory / "heard.json", self.directory / "commands"
        os.mkfifo(self.commands)

    def _write_configuration(self):
        pipe = self.directory / "pipe.sh"
        # Opened for reading and writing: the FIFO never ends.
        pipe.write_text(f"#!/bin/sh\ncat <>'{self.commands}' &\nexec cat >>'{self.heard}'\n")
        pipe.chmod(0o755)
        blocks = [f"process pipe {{ run {pipe}; encoder json; }}"]
        blocks += [self._neighbor(one) for one in self.neighbors]
        (self.directory / "exabgp.conf").write_text("\n".join(blocks) + "\n")

    def _neighbor(self, one):
        lines = [f"neighbor {one.remote} {{", f"  router-id {self.ipv4};", f"  local-address {one.local};",
                 f"  local-as {self.as_number};", f"  peer-as {one.as_number};", f"  hold-time {one.hold_time};",
                 "  adj-rib-out false;", f"  description \"{one.name}\";"]
        if one.key:
            lines.append(f"  md5-password '{one.key}';")
        if one.gtsm:
            lines += ["  outgoing-ttl 255;", "  incoming-ttl 255;"]
        lines.append("  family { " + " ".join(f"{family} unicast;" for family in one.families) + " }")
        if one.extended_next_hop:
            lines.append("  nexthop { ipv4 unicast ipv6; }")
        lines.append("  capability { asn4 enable; route-refresh enable; "
                     f"extended-message {'enable' if one.extended_messages else 'disable'}; "
                     f"add-path {'send/receive' if one.add_path else 'disable'}; "
                     f"{'graceful-restart 30;' if one.graceful_restart else ''} "
                     f"{'nexthop enable;' if one.extended_next_hop else ''} }}")
        for family in one.families:
            next_hop = {"ipv4": one.next_hop_ipv4 or self.ipv4, "ipv6": one.next_hop_ipv6 or self.ipv6}[family]
            routes = [self._route(route, next_hop, one.add_path) for route in self.announced if route.family == family]
            lines.append(f"  announce {{ {family} {{ " + " ".join(routes) + " } }")
        lines += ["  api { processes [ pipe ]; neighbor-changes; receive { parsed; update; open; refresh; notification; } "
                  "send { parsed; open; refresh; } }", "}"]
        return "\n".join(lines)

    def _route(self, route, next_hop, add_path):
        words = [f"unicast {route.prefix} next-hop {next_hop} origin igp"]
        if add_path:
            words.append(f"path-information 0.0.0.{1 + self.announced.index(route)}")
        if route.communities:
            words.append(f"community [ {' '.join(route.communities)} ]")
        if route.large_communities:
            words.append(f"large-community [ {' '.join(route.large_communities)} ]")
        if route.med is not None:
            words.append(f"med {route.med}")
        return " ".join(words) + ";"

    def _start(self):
        self.heard.write_text("")
        return self.start(["exabgp", self.directory / "exabgp.conf"], log=self.directory / "exabgp.log",
                          env={"exabgp.daemon.user": "root", "exabgp.api.ack": "false", "exabgp.api.cli": "false",
                               "exabgp.log.network": "true", "exabgp.tcp.delay": "0",
                               "exabgp.daemon.drop": "false"})

    def _answers(self):
        return "loaded" in self.log_tail() or bool(self._messages())

    def _messages(self):
        rows = []
        for line in self.heard.read_text(errors="replace").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                pass  # the last line, not yet whole
        return rows

    def _about(self, name):
        """What was said to and by a neighbour since its session last began."""
        remote, rows = self.neighbor(name).remote, []
        for row in self._messages():
            if row.get("neighbor", {}).get("address", {}).get("peer") == remote:
                if row["type"] == "state" and row["neighbor"]["state"] in ("connected", "down"):
                    rows = []
                rows.append(row)
        return rows

    def states(self):
        return {one.name: next(("Established" for row in self._about(one.name)
                                if row["type"] == "state" and row["neighbor"]["state"] == "up"), "Idle")
                for one in self.neighbors}

    def capabilities(self, name):
        sides = []
        for direction in ("send", "receive"):
            said = next(row["neighbor"]["open"]["capabilities"] for row in self._about(name)
                        if row["type"] == "open" and row["neighbor"]["direction"] == direction)
            found = set()
            for capability in said.values():
                found |= {family.split("/")[0] for family in capability.get("families", [])} \
                    if capability["name"] == "multiprotocol" else {CAPABILITY_NAMES.get(capability["name"], "")}
            sides.append(found)
        return (sides[0] & sides[1]) - {""}

    def received(self, name):
        paths = {}
        for row in self._about(name):
            update = row["neighbor"].get("message", {}).get("update") if row["type"] == "update" else None
            if not update or row["neighbor"]["direction"] != "receive":
                continue
            for table, prefixes in update.get("withdraw", {}).items():
                for one in prefixes:
                    paths.pop((table, one["nlri"], one.get("path-information")), None)
            for table, hops in update.get("announce", {}).items():
                for next_hop, prefixes in hops.items():
                    for one in prefixes:
                        paths[table, one["nlri"], one.get("path-information")] = \
                            self._path(one["nlri"], next_hop, update.get("attribute", {}))
        return list(paths.values())

    @staticmethod
    def _path(prefix, next_hop, said):
        return Path(prefix, next_hop, tuple(as_path_numbers(said.get("as-path", []))), said.get("origin", ""), said.get("med"),
                    said.get("local-preference"), frozenset(":".join(map(str, one)) for one in said.get("community", [])),
                    frozenset(":".join(map(str, one)) for one in said.get("large-community", [])),
                    said.get("originator-id", ""), tuple(said.get("cluster-list", [])))

    def _command(self, text):
        with open(self.commands, "w") as file:
            file.write(text + "\n")

    def request_refresh(self, name):
        for family in self.neighbor(name).families:
            self._command(f"neighbor {self.neighbor(name).remote} announce route-refresh {family} unicast")

    def clear(self, name):
        self._command(f"neighbor {self.neighbor(name).remote} teardown 4")
