"""OpenBGPD (the portable one) as a Daemon. It knows no kernel routes on Linux and takes every next hop for reachable."""

import json
import pathlib

from daemons.daemon import Daemon, Path, as_numbers
from lab import run

# Where its processes lock themselves in: the home directory of its user, which only the service's start would make.
CHROOT = pathlib.Path("/run/openbgpd")


class Openbgpd(Daemon):
    product = "OpenBGPD"
    # 7.7 on Linux announces the other family's routes with a next hop of all zeros.
    both_families = False

    def __init__(self, lab, name, number, as_number):
        super().__init__(lab, name, number, as_number)
        self.control = self.directory / "bgpd.sock"

    def _write_configuration(self):
        lines = [f"AS {self.as_number}", f"router-id {self.ipv4}", "connect-retry 1", f'socket "{self.control}"',
                 "log updates", *(f"listen on {one}" for one in sorted({one.local for one in self.neighbors}))]
        for route in self.announced:
            sets = [f"community {one}" for one in route.communities]
            sets += [f"large-community {one}" for one in route.large_communities]
            if route.med is not None:
                sets.append(f"med {route.med}")
            lines.append(f"network {route.prefix}" + (f" set {{ {' '.join(sets)} }}" if sets else ""))
        for one in self.neighbors:
            lines += [f"neighbor {one.remote} {{", f'  descr "{one.name}"', f"  remote-as {one.as_number}",
                      f"  local-address {one.local}", f"  holdtime {one.hold_time}", "  holdtime min 3",
                      f"  announce IPv4 {'unicast' if 'ipv4' in one.families else 'none'}",
                      f"  announce IPv6 {'unicast' if 'ipv6' in one.families else 'none'}",
                      "  announce enhanced refresh yes",
                      f"  announce restart {'yes' if one.graceful_restart else 'no'}"]
            if one.key:
                lines.append(f"  tcp md5sig password {one.key}")
            if one.gtsm:
                lines.append("  ttl-security yes")
            if one.role:
                lines.append(f"  announce policy {one.role}")
            if one.add_path:
                lines += ["  announce add-path recv yes", "  announce add-path send all"]
            if one.passive:
                lines.append("  passive")
            if one.reflector_client:
                lines.append("  route-reflector")
            lines.append("}")
        lines += ["allow from any", "deny to any"]
        for one in self.neighbors:
            for prefix in [*self.transit, *(route.prefix for route in self.announced)]:
                family = "ipv6" if ":" in prefix else "ipv4"
                if family not in one.families:
                    continue
                lines.append(f"allow to {one.remote} prefix {prefix} or-longer")
        path = self.directory / "bgpd.conf"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)  # it refuses a configuration that others can read

    def _start(self):
        CHROOT.mkdir(mode=0o755, exist_ok=True)
        return self.start(["/usr/sbin/bgpd", "-d", "-f", self.directory / "bgpd.conf"], log=self.directory / "bgpd.log")

    def bgpctl(self, *words):
        return run("bgpctl", "-s", self.control, "-j", *words, check=False)

    def _json(self, *words):
        try:
            return json.loads(self.bgpctl(*words))
        except ValueError:
            return {}

    def _answers(self):
        return "neighbors" in self._json("show", "neighbor")

    def _neighbors(self):
        return {row["remote_addr"]: row for row in self._json("show", "neighbor").get("neighbors", [])}

    def states(self):
        rows = self._neighbors()
        return {one.name: rows.get(one.remote, {}).get("state", "Idle") for one in self.neighbors}

    def capabilities(self, name):
        """Its "capabilities" of a session are those that both ends announced."""
        said = self._neighbors()[self.neighbor(name).remote].get("session", {}).get("capabilities", {})
        found = {one[:4].lower() for one in said.get("multiprotocol", [])}
        for key, meaning in (("refresh", "refresh"), ("enhanced_refresh", "enhanced-refresh"),
                             ("graceful_restart", "graceful-restart"), ("add_path", "add-path"), ("open_policy_role", "role")):
            if said.get(key):
                found.add(meaning)
        return found

    def received(self, name):
        return [self._path(row) for row in
                self._json("show", "rib", "in", "detail", "neighbor", self.neighbor(name).remote).get("rib", [])]

    @staticmethod
    def _path(row):
        more = {one["type"]: one for one in row.get("attributes", [])}
        return Path(row["prefix"], row["exit_nexthop"], as_numbers(row["aspath"]), row["origin"].lower(), row["metric"],
                    row["localpref"], frozenset(row.get("communities", [])), frozenset(row.get("large_communities", [])),
                    row.get("originator", more.get("Originator Id", {}).get("originator", "")),
                    tuple(more.get("Cluster Id List", {}).get("cluster_list", [])), bool(row.get("stale")))

    def request_refresh(self, name):
        self.bgpctl("neighbor", self.neighbor(name).remote, "refresh")

    def clear(self, name):
        self.bgpctl("neighbor", self.neighbor(name).remote, "clear")
