#!/usr/bin/python3
"""The interop matrix: five BGP daemons x three kinds of session x what a session can do, and each cell tried.

FEATURES is the table. A cell is tried unless the daemon does not do it (`lacks`, with the reason), the kind of session rules
it out (`kinds`), or the agent does not do it yet (`pending`). The table is printed; the program fails if a cell does.

What the agents send is captured on the way and dissected by tshark in the end: no malformed message, no expert error.
Who speaks with whom is in topology.py, what is asked of a cell in cells.py.
"""

import dataclasses
import sys
import time
import traceback

import cells
from lab import Lab
from topology import KEY, KEY_FILE, KINDS, PRODUCTS, Topology


@dataclasses.dataclass(frozen=True)
class Feature:
    title: str
    check: object
    pending: bool = False           # the agent does not do it yet
    lacks: dict = dataclasses.field(default_factory=dict)   # product: why it has no such cell
    kinds: tuple = KINDS
    kinds_reason: str = ""
    ours: dict = dataclasses.field(default_factory=dict)    # keys of the agent's peer
    theirs: dict = dataclasses.field(default_factory=dict)  # keys of the daemon's Neighbor
    transports: tuple = (4,)        # the sessions for which it is switched on
    before: object = None           # what is done to everybody once, before the cells: f(topology, cells to try)

    def reason(self, cell):
        """Why there is no such cell; empty: there is."""
        return self.lacks.get(cell.daemon.product, "") or ("" if cell.kind in self.kinds else self.kinds_reason)

    def tried(self, cell):
        return not self.pending and not self.reason(cell)


FEATURES = (
    Feature("IPv4", cells.check_ipv4),
    Feature("IPv6", cells.check_ipv6),
    Feature("4 over 6", cells.check_4_over_6, transports=(6,), ours={"extended_next_hop": True},
            theirs={"extended_next_hop": True}, lacks={"OpenBGPD": "7.7 has no RFC 8950"}),
    Feature("ADD-PATH", cells.check_add_path, pending=True, ours={"add_path": "both"}, theirs={"add_path": True}),
    Feature("roles", cells.check_role, transports=(4, 6), ours={"role": "customer"},
            theirs={"role": "provider"},
            kinds=("eBGP",), kinds_reason="roles are not for sessions inside an AS (RFC 9234 section 4.1)",
            lacks={"GoBGP": "3.10 has no RFC 9234", "ExaBGP": "4.2 has no RFC 9234"}),
    Feature("MD5", cells.check_md5_ipv4, ours={"md5_key_file": KEY_FILE}, theirs={"key": KEY}),
    Feature("MD5 on IPv6", cells.check_md5_ipv6, transports=(6,), ours={"md5_key_file": KEY_FILE}, theirs={"key": KEY},
            lacks={"OpenBGPD": "7.7 on Linux answers no signed connection over IPv6"}),
    Feature("GTSM", cells.check_gtsm, transports=(6,), ours={"ttl_security": 1}, theirs={"gtsm": True},
            before=Topology.lower_hop_limits),
    Feature("refresh", cells.check_refresh, lacks={"GoBGP": "3.10 keeps all that it hears and never asks"}),
    # These two end all sessions of everybody.
    Feature("they restart", cells.check_restarted, before=Topology.kill_and_restart_daemons,
            lacks={"OpenBGPD": "7.7 helps others to restart, and of its own it announces End-of-RIB and no more"}),
    Feature("we restart", cells.check_restarted, before=Topology.restart_agents,
            lacks={"ExaBGP": "has no routing table that could keep routes"}),
    Feature("ext. messages", cells.check_extended_messages, ours={"extended_messages": True},
            theirs={"extended_messages": True},
            lacks={"GoBGP": "3.10 has no RFC 8654", "OpenBGPD": "7.7 has no RFC 8654",
                   "ExaBGP": "4.2 sends its routes once, and not to a peer that comes back"}),
)


def options(cell, transport):
    ours, theirs = {}, {}
    for feature in FEATURES:
        if transport in feature.transports and feature.tried(cell):
            ours.update(feature.ours)
            theirs.update(feature.theirs)
    return ours, theirs


def run_feature(feature, topology, results, failures):
    tried = [cell for cell in topology.cells if feature.tried(cell)]
    broken = None
    try:
        if tried and feature.before:
            feature.before(topology, tried)
    except Exception as error:  # any: each of the cells shows it, and the other features are to be tried all the same
        broken = error
    for cell in topology.cells:
        key = (cell.daemon.product, cell.kind, feature.title)
        if cell not in tried:
            results[key] = "n/a" if feature.reason(cell) else "pending"
            continue
        try:
            if broken:
                raise broken
            feature.check(cell)
            results[key] = "ok"
        except Exception as error:  # any: as above
            results[key] = "FAIL"
            where = traceback.extract_tb(error.__traceback__)
            line = next((one.lineno for one in reversed(where) if one.filename.endswith("cells.py")), where[-1].lineno)
            failures.append(f"{' / '.join(key)}: {type(error).__name__}: {error} (line {line})")


def print_table(results):
    titles = [feature.title for feature in FEATURES]
    print("\n| daemon | session | " + " | ".join(titles) + " |")
    print("|---|---|" + "---|" * len(titles))
    for product in PRODUCTS:
        for kind in KINDS:
            print(f"| {product.product} | {kind} | " +
                  " | ".join(results[product.product, kind, title] for title in titles) + " |")
    print("\nn/a:")
    for feature in FEATURES:
        for product, why in feature.lacks.items():
            print(f"- {feature.title}, {product}: {why}")
        if feature.kinds_reason:
            print(f"- {feature.title}: {feature.kinds_reason}")


def main():
    began = time.monotonic()
    results, failures = {}, []
    with Lab() as lab:
        topology = Topology(lab)
        topology.configure(options)
        topology.start()
        for feature in FEATURES:
            started = time.monotonic()
            run_feature(feature, topology, results, failures)
            print(f"{feature.title}: {time.monotonic() - started:.1f} s", flush=True)
        failures += topology.dissect()
        for host in topology.hosts.values() if failures else ():
            print(f"--- {host.name}\n{host.log_tail(30)}")
    print_table(results)
    for failure in failures:
        print("FAILED", failure)
    counts = {word: sum(value == word for value in results.values()) for word in ("ok", "FAIL", "pending", "n/a")}
    print("\n" + ", ".join(f"{count} {word}" for word, count in counts.items()) + f", {time.monotonic() - began:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
