"""FRR's bgpd as a Daemon. Without zebra: no cell needs FRR's kernel routes, and so its next hops count as reachable."""

import ipaddress
import json

from daemons.daemon import Daemon, Path
from lab import run

class Frr(Daemon):
    product = "FRR"

    def _write_configuration(self):
        lines = [f"log file {self.directory / 'bgpd.log'} debugging", "debug bgp neighbor-events"]
        # One route-map for all routes with the same attributes.
        maps = {}
        for route in self.announced:
            attributes = (route.communities, route.large_communities, route.med)
            if attributes in maps:
                continue
            maps[attributes] = f"own-{len(maps)}"
            lines.append(f"route-map {maps[attributes]} permit 10")
            if route.communities:
                lines.append(f" set community {' '.join(route.communities)}")
            if route.large_communities:
                lines.append(f" set large-community {' '.join(route.large_communities)}")
            if route.med is not None:
                lines.append(f" set metric {route.med}")
        for command, family in (("ip", "ipv4"), ("ipv6", "ipv6")):
            inside = [one for one in self.transit if (":" in one) == (family == "ipv6")]
            covering = [ipaddress.ip_network(one) for one in inside]
            inside += [route.prefix for route in self.announced if route.family == family and
                       not any(ipaddress.ip_network(route.prefix).subnet_of(one) for one in covering)]
            longest = 128 if family == "ipv6" else 32
            lines += [f"{command} prefix-list {family} permit {one}" +
                      (f" le {longest}" if not one.endswith(f"/{longest}") else "") for one in inside]
        for one in self.neighbors:
            for family, word in (("ipv4", "ip"), ("ipv6", "ipv6")):
                lines += [f"route-map to-{one.name}-{family} permit 10", f" match {word} address prefix-list {family}"]
                if family == "ipv6" and one.next_hop_ipv6:
                    lines.append(f" set ipv6 next-hop global {one.next_hop_ipv6}")
                # (An IPv6 one, of a session with RFC 8950, is not for this command, and is its own choice anyway.)
                if family == "ipv4" and one.next_hop_ipv4 and ":" not in one.next_hop_ipv4:
                    lines.append(f" set ip next-hop {one.next_hop_ipv4}")
        lines += [f"router bgp {self.as_number}", f" bgp router-id {self.ipv4}", " no bgp ebgp-requires-policy",
                  " no bgp network import-check", " no bgp default ipv4-unicast", " coalesce-time 0",
                  " bgp graceful-restart", " bgp graceful-restart preserve-fw-state"]
        for one in self.neighbors:
            def add(text):
                lines.append(f" neighbor {one.remote} {text}")
            add(f"remote-as {one.as_number}")
            add(f"update-source {one.local}")
            add(f"timers {one.hold_time // 3} {one.hold_time}")
            add("timers connect 1")
            add("advertisement-interval 0")
            if not one.graceful_restart:
                add("graceful-restart-disable")
            if one.key:
                add(f"password {one.key}")
            if one.gtsm:
                add("ttl-security hops 1")
            if one.role:
                add(f"local-role {one.role}")
            if one.extended_next_hop:
                add("capability extended-nexthop")
            if one.passive:
                add("passive")
        for family in ("ipv4", "ipv6"):
            lines.append(f" address-family {family} unicast")
            lines += [f"  network {route.prefix} route-map {maps[route.communities, route.large_communities, route.med]}"
                      for route in self.announced if route.family == family]
            for one in self.neighbors:
                if family not in one.families:
                    continue
                lines += [f"  neighbor {one.remote} activate",
                          f"  neighbor {one.remote} route-map to-{one.name}-{family} out"]
                if one.reflector_client:
                    lines.append(f"  neighbor {one.remote} route-reflector-client")
                if one.add_path:
                    lines.append(f"  neighbor {one.remote} addpath-tx-all-paths")
            lines.append(" exit-address-family")
        (self.directory / "bgpd.conf").write_text("\n".join(lines) + "\n")

    def _start(self):
        return self.start(["/usr/lib/frr/bgpd", "--no_zebra", "--skip_runas", "--config_file", self.directory / "bgpd.conf",
                           "--pid_file", self.directory / "pid", "--vty_socket", self.directory, "--vty_port", "0"],
                          log=self.directory / "stderr.log")

    def vtysh(self, *commands):
        words = [word for command in commands for word in ("-c", command)]
        return run("vtysh", "--vty_socket", self.directory, "-d", "bgpd", *words, check=False, timeout=30)

    def _json(self, command):
        try:
            return json.loads(self.vtysh(command))
        except ValueError:
            return {}

    def _answers(self):
        return "BGP" in self.vtysh("show version") or bool(self._json("show bgp neighbors json"))

    def states(self):
        rows = self._json("show bgp neighbors json")
        return {one.name: rows.get(one.remote, {}).get("bgpState", "Idle") for one in self.neighbors}

    def last_notification(self, name):
        """What the neighbour said last when it ended a session, in FRR's words; empty: nothing yet."""
        remote = self.neighbor(name).remote
        return self._json(f"show bgp neighbors {remote} json").get(remote, {}).get("lastNotificationReason", "")

    def capabilities(self, name):
        row = self._json(f"show bgp neighbors {self.neighbor(name).remote} json").get(self.neighbor(name).remote, {})
        said = row.get("neighborCapabilities", {})
        found = {family for family in ("ipv4", "ipv6")
                 if said.get("multiprotocolExtensions", {}).get(f"{family}Unicast", {}).get("advertisedAndReceived")}
        for key, meaning in (("routeRefresh", "refresh"), ("enhancedRouteRefresh", "enhanced-refresh"),
                             ("gracefulRestart", "graceful-restart"), ("extendedMessage", "extended-messages"),
                             ("role", "role"), ("extendedNexthop", "extended-next-hop")):
            if str(said.get(key, "")).startswith("advertisedAndReceived"):
                found.add(meaning)
        add_path = said.get("addPath", {}).get("ipv4Unicast", {})
        if add_path.get("rxAdvertisedAndReceived") and add_path.get("txAdvertisedAndReceived"):
            found.add("add-path")
        return found

    def received(self, name):
        remote, paths = self.neighbor(name).remote, []
        for family in ("ipv4", "ipv6"):
            for prefix, rows in self._json(f"show bgp {family} unicast json detail").get("routes", {}).items():
                for row in rows:
                    if row.get("peer", {}).get("peerId") == remote:
                        paths.append(self._path(prefix, row))
        return paths

    def count(self, name):
        """How many routes of all families it has from the neighbour."""
        remote, tables = self.neighbor(name).remote, self._json("show bgp summary json")
        return sum(table.get("peers", {}).get(remote, {}).get("pfxRcd", 0) for table in tables.values()
                   if isinstance(table, dict))

    def path(self, name, prefix):
        """The path of one prefix from the neighbour, or None."""
        family = "ipv6" if ":" in prefix else "ipv4"
        rows = self._json(f"show bgp {family} unicast {prefix} json").get("paths", [])
        return next((self._path(prefix, row) for row in rows
                     if row.get("peer", {}).get("peerId") == self.neighbor(name).remote), None)

    @staticmethod
    def _path(prefix, row):
        as_path = [number for segment in row.get("aspath", {}).get("segments", []) for number in segment["list"]]
        hops = [hop["ip"] for hop in row.get("nexthops", []) if hop.get("scope") != "link-local"]
        return Path(prefix, hops[0] if hops else "", tuple(as_path), row.get("origin", "").lower(), row.get("metric"),
                    row.get("locPrf"), frozenset(row.get("community", {}).get("list", [])),
                    frozenset(row.get("largeCommunity", {}).get("list", [])), row.get("originatorId", ""),
                    tuple(row.get("clusterList", {}).get("list", [])), bool(row.get("stale")))

    def request_refresh(self, name):
        remote = self.neighbor(name).remote
        self.vtysh(*(f"clear bgp {family} {remote} soft in" for family in self.neighbor(name).families))

    def clear(self, name):
        self.vtysh(f"clear bgp {self.neighbor(name).remote}")
