"""gobgpd as a Daemon. Its configuration cannot originate routes: the command line tool adds them after each start."""

import base64
import json

from daemons.daemon import Daemon, Path
from lab import NETNS_DIR, run

ORIGINS = {0: "igp", 1: "egp", 2: "incomplete"}
CAPABILITY_NAMES = {"RouteRefreshCapability": "refresh", "GracefulRestartCapability": "graceful-restart",
                    "AddPathCapability": "add-path", "ExtendedNexthopCapability": "extended-next-hop"}


class Gobgp(Daemon):
    product = "GoBGP"

    def _write_configuration(self):
        # JSON is one of the forms it reads, with the same keys as its TOML.
        statements = []
        for one in self.neighbors:
            for family in one.families:
                next_hop = {"ipv4": one.next_hop_ipv4, "ipv6": one.next_hop_ipv6}[family]
                actions = {"route-disposition": "accept-route"}
                if next_hop:
                    actions["bgp-actions"] = {"set-next-hop": next_hop}
                statements.append({
                    "name": f"{one.name}-{family}",
                    "conditions": {"match-prefix-set": {"prefix-set": family},
                                   "match-neighbor-set": {"neighbor-set": one.name}},
                    "actions": actions})
        policy = {"name": "ours", "statements": statements}
        config = {
            "global": {"config": {"as": self.as_number, "router-id": self.ipv4,
                                  "local-address-list": sorted({one.local for one in self.neighbors})},
                       "apply-policy": {"config": {"export-policy-list": ["ours"],
                                                   "default-export-policy": "reject-route",
                                                   "default-import-policy": "accept-route"}}},
            "neighbors": [self._neighbor(one) for one in self.neighbors],
            "defined-sets": {
                "prefix-sets": [{"prefix-set-name": family, "prefix-list": self._prefixes(family)}
                                for family in ("ipv4", "ipv6")],
                "neighbor-sets": [{"neighbor-set-name": one.name,
                                   "neighbor-info-list": [f"{one.remote}/{128 if one.ipv6 else 32}"]}
                                  for one in self.neighbors]},
            "policy-definitions": [policy]}
        (self.directory / "gobgpd.json").write_text(json.dumps(config, indent=1))

    def _prefixes(self, family):
        prefixes = [one for one in self.transit if (":" in one) == (family == "ipv6")]
        prefixes += [route.prefix for route in self.announced if route.family == family]
        longest = 128 if family == "ipv6" else 32
        return [{"ip-prefix": one, "masklength-range": f"{one.split('/')[1]}..{longest}"} for one in dict.fromkeys(prefixes)]

    def _neighbor(self, one):
        families = []
        for family in one.families:
            entry = {"config": {"afi-safi-name": f"{family}-unicast"},
                     "mp-graceful-restart": {"config": {"enabled": one.graceful_restart}}}
            if one.add_path:
                entry["add-paths"] = {"config": {"receive": True, "send-max": 8}}
            families.append(entry)
        neighbor = {
            "config": {"peer-as": one.as_number, "neighbor-address": one.remote,
                       **({"auth-password": one.key} if one.key else {})},
            "timers": {"config": {"connect-retry": 1, "hold-time": one.hold_time, "keepalive-interval": one.hold_time / 3,
                                  "idle-hold-time-after-reset": 1}},
            "transport": {"config": {"local-address": one.local, "passive-mode": one.passive}},
            # Off in its default; without it a malformed attribute ends the session.
            "error-handling": {"config": {"treat-as-withdraw": True}},
            "graceful-restart": {"config": {"enabled": one.graceful_restart, "restart-time": 30, "deferral-time": 3,
                                            "notification-enabled": True}},
            "afi-safis": families}
        if one.reflector_client:
            neighbor["route-reflector"] = {"config": {"route-reflector-client": True, "route-reflector-cluster-id": self.ipv4}}
        if one.gtsm:
            neighbor["ttl-security"] = {"config": {"enabled": True, "ttl-min": 255}}
        return neighbor

    def _start(self):
        restarted = ["--graceful-restart"] if self.process else []
        return self.start(["gobgpd", "--config-file", self.directory / "gobgpd.json", "--config-type", "json",
                           "--api-hosts", "127.0.0.1:50051", "--pprof-disable", "--log-level", "info", "--log-plain",
                           *restarted], log=self.directory / "gobgpd.log")

    def launch(self):
        """Behind a closed door: a session that came up before the routes are there would be told that there are none."""
        self.cut_off()
        super().launch()
        self.reconnect()

    def gobgp(self, *words, check=True):
        return run("nsenter", f"--net={NETNS_DIR / self.netns}", "gobgp", *words, check=check)

    def _json(self, *words):
        try:
            return json.loads(self.gobgp("-j", *words, check=False))
        except ValueError:
            return []

    def _answers(self):
        return bool(self._json("global"))

    def _announce(self):
        for route in self.announced:
            words = ["global", "rib", "add", "-a", route.family, route.prefix, "origin", "igp"]
            paths = sum(other.prefix == route.prefix for other in self.announced)
            if paths > 1:
                words += ["identifier", 1 + self.announced.index(route)]
            if route.communities:
                words += ["community", ",".join(route.communities)]
            if route.large_communities:
                words += ["large-community", ",".join(route.large_communities)]
            if route.med is not None:
                words += ["med", route.med]
            self.gobgp(*words)

    def _neighbors(self):
        return {row["state"].get("neighbor_address", row["conf"]["neighbor_address"]): row for row in self._json("neighbor")}

    def states(self):
        names = {1: "Idle", 2: "Connect", 3: "Active", 4: "OpenSent", 5: "OpenConfirm", 6: "Established"}
        rows = self._neighbors()
        return {one.name: names.get(rows.get(one.remote, {}).get("state", {}).get("session_state"), "Idle")
                for one in self.neighbors}

    def capabilities(self, name):
        state = self._neighbors()[self.neighbor(name).remote]["state"]
        sides = []
        for side in (state.get("local_cap", []), state.get("remote_cap", [])):
            found = set()
            for capability in side:
                kind = capability["type_url"].rsplit(".", 1)[1]
                if kind == "MultiProtocolCapability":
                    # A message with one message (family) whose first field is the AFI.
                    afi = base64.b64decode(capability["value"])[3]
                    found.add({1: "ipv4", 2: "ipv6"}.get(afi, str(afi)))
                elif kind in CAPABILITY_NAMES:
                    found.add(CAPABILITY_NAMES[kind])
            sides.append(found)
        return sides[0] & sides[1]

    def received(self, name):
        paths = []
        for family in self.neighbor(name).families:
            table = self._json("neighbor", self.neighbor(name).remote, "adj-in", "-a", family)
            rows = table if isinstance(table, list) else [row for rows in table.values() for row in rows]
            for row in rows:
                for path in (row if isinstance(row, list) else [row]):
                    paths.append(self._path(path))
        return paths

    @staticmethod
    def _path(row):
        attributes = {one["type"]: one for one in row["attrs"]}

        def value(code, key="value", default=None):
            return attributes.get(code, {}).get(key, default)

        as_path = [number for segment in value(2, "as_paths", []) for number in segment["asns"]]
        return Path(row["nlri"]["prefix"], value(3, "nexthop") or value(14, "nexthop", ""), tuple(as_path),
                    ORIGINS.get(value(1, default=0)), value(4, "metric"), value(5),
                    frozenset(f"{one >> 16}:{one & 0xFFFF}" for one in value(8, "communities", [])),
                    frozenset(f"{one['ASN']}:{one['LocalData1']}:{one['LocalData2']}" for one in value(32, default=[])),
                    value(9, default=""), tuple(value(10, default=[])), row.get("stale", False))

    def request_refresh(self, name):
        self.gobgp("neighbor", self.neighbor(name).remote, "softresetin")

    def clear(self, name):
        # (After its own `reset` it stays idle for 30 s, whatever the configuration says.)
        for verb in ("disable", "enable"):
            self.gobgp("neighbor", self.neighbor(name).remote, verb)
