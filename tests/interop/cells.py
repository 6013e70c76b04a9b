"""The checks of the interop matrix: each takes a Cell (topology.py) and raises if the feature does not do what it promises.

Both ends are asked what was negotiated, by their own tools; routes and attributes are compared as each end has them.
"""

import time

from bgp_peer import ROUTE_REFRESH, UPDATE, prefix_bytes
from lab import wait_until
from topology import BULK_THEM, BULK_US, COMMUNITIES, FEED_THEM, FEED_US, LARGE_COMMUNITIES, OUR_AS, THEIR_AS, own_prefix, require


def negotiated(cell, transport, capability):
    cell.up(transport)
    have = cell.daemon.capabilities(cell.name(transport))
    require(capability in have, f"{cell.daemon.product} sees {sorted(have)}")


def check_family(cell, family):
    """Routes with their attributes in both directions, the next hop in the kernel, and what is passed on inside the AS."""
    transport = cell.transport(family)
    theirs, ours = own_prefix(cell.daemon, family), cell.host.blocks[0 if family == "ipv4" else 1]
    negotiated(cell, transport, family)
    require(family in cell.row(transport)["families"], f"we see {cell.row(transport)['families']}")

    row = wait_until(lambda: cell.at_ours(transport, theirs), 10, f"{theirs} from {cell.daemon.product}")[0]
    require(not row["filtered"] and row["origin"] == "igp", row)
    require(row["as_path"] == (str(THEIR_AS) if cell.kind == "eBGP" else ""), row)
    require({*COMMUNITIES, *LARGE_COMMUNITIES} <= set(row["communities"]), row)
    require(row["next_hop"] == getattr(cell.daemon, family), row)
    kernel = wait_until(lambda: cell.host.routes().get(theirs), 5, f"{theirs} in the kernel")
    require(kernel.get("gateway") == getattr(cell.daemon, family), kernel)

    path = wait_until(lambda: cell.at_theirs(transport, ours), 10,
                      lambda: f"{ours} at {cell.daemon.product}: {cell.daemon.received(cell.name(transport))}")[0]
    as_path = (OUR_AS,) if cell.kind == "eBGP" else ()
    require(path.as_path == as_path and path.origin == "igp" and path.next_hop == getattr(cell.host, family), path)
    require(cell.kind == "eBGP" or path.local_pref == 100, path)
    check_passed_on(cell, family)


def check_passed_on(cell, family):
    """What other daemons and the feeders announced to the agent, as it reaches this one."""
    transport = cell.transport(family)
    for other in cell.topology.daemons if cell.kind != "eBGP" else ():
        prefix = own_prefix(other, family)
        if other is cell.daemon:
            continue
        if cell.kind == "iBGP":
            require(not cell.at_theirs(transport, prefix), f"{prefix}: what came by iBGP is not for iBGP peers")
        else:
            path = wait_until(lambda: cell.at_theirs(transport, prefix), 10, f"{prefix} reflected")[0]
            require(path.originator == other.ipv4 and path.clusters == (cell.host.ipv4,), path)
            require(path.next_hop == getattr(other, family), path)
    if family == "ipv4":
        # The agents choose the first feeder's path: as long as the other's, but from the lower identifier.
        feeder = cell.topology.feeders[0]
        paths = wait_until(lambda: [one for one in cell.at_theirs(4, FEED_US) if one.as_path[-1] == feeder.as_number], 10,
                           lambda: f"{FEED_US} at {cell.daemon.product}: {cell.at_theirs(4, FEED_US)}")
        require(paths[0].as_path == ((OUR_AS,) if cell.kind == "eBGP" else ()) + (feeder.as_number,), paths)
        require(paths[0].communities == {"64999:7"} and paths[0].large_communities == {"64999:7:8"}, paths)


def check_ipv4(cell):
    check_family(cell, "ipv4")


def check_ipv6(cell):
    check_family(cell, "ipv6")


def check_4_over_6(cell):
    """RFC 8950: IPv4 routes with IPv6 next hops over the IPv6 session."""
    negotiated(cell, 6, "extended-next-hop")
    theirs, ours = own_prefix(cell.daemon, "ipv4"), cell.host.blocks[0]
    row = wait_until(lambda: cell.at_ours(6, theirs), 10, f"{theirs} over IPv6")[0]
    require(not row["filtered"] and row["next_hop"] == cell.daemon.ipv6, row)
    path = wait_until(lambda: cell.at_theirs(6, ours), 10, f"{ours} over IPv6")[0]
    require(path.next_hop == cell.host.ipv6, path)


def check_add_path(cell):
    """RFC 7911: both feeders' paths arrive, in both directions."""
    negotiated(cell, 4, "add-path")
    prefix = FEED_THEM if cell.daemon.passes_on else own_prefix(cell.daemon, "ipv4")
    rows = wait_until(lambda: len(found := cell.at_ours(4, prefix)) == 2 and found, 10,
                      lambda: f"two paths of {prefix}: {cell.at_ours(4, prefix)}")
    require(len({str((row["as_path"], row["communities"])) for row in rows}) == 2, rows)
    paths = wait_until(lambda: len(found := cell.at_theirs(4, FEED_US)) == 2 and found, 10,
                       lambda: f"two paths of {FEED_US}: {cell.at_theirs(4, FEED_US)}")
    require({path.as_path[-1] for path in paths} == {one.as_number for one in cell.topology.feeders}, paths)


def check_refresh(cell):
    """RFC 2918: they ask, and everything comes again."""
    negotiated(cell, 4, "refresh")
    began = time.time()
    cell.daemon.request_refresh(cell.name(4))
    own = prefix_bytes(cell.host.blocks[0])

    def answered():
        heard = [one for one in cell.messages(4) if one.time >= began]
        asked = next((one.time for one in heard if one.kind == ROUTE_REFRESH and one.source == cell.daemon.ipv4), None)
        return asked and any(one.kind == UPDATE and one.time >= asked and own in one.body for one in heard
                             if one.source == cell.host.ipv4)

    wait_until(answered, 10, "ROUTE-REFRESH and then the routes on the wire", interval=0.2)
    cell.up(4)


def check_md5(cell, transport):
    """RFC 2385: every segment of ours is signed, and so is all data of theirs."""
    cell.up(transport)
    seen = cell.segments(transport)
    require(len({one.source for one in seen if one.data}) == 2, "no data in both directions")
    ours = {one.source for one in seen} & {cell.host.ipv4, cell.host.ipv6}
    unsigned = [one for one in seen if not one.signed and (one.data or one.source in ours)]
    require(not unsigned, f"{len(unsigned)} of {len(seen)} segments are not signed: {unsigned[:1]}")


def check_md5_ipv4(cell):
    check_md5(cell, 4)


def check_md5_ipv6(cell):
    check_md5(cell, 6)


def check_gtsm(cell):
    """RFC 5082: both send with 255; what came with less was not taken, and the session is back."""
    cell.up(6)
    ours = {one.ttl for one in cell.segments(6) if one.data and one.source == cell.host.ipv6}
    theirs = {one.ttl for one in cell.segments(6) if one.data and one.source == cell.daemon.ipv6}
    require(ours == {255} and theirs == {254, 255}, f"hop limits: {ours} from us, {theirs} from them")


def check_role(cell):
    """RFC 9234: they are our provider, mark what they send us, and do not get what other providers sent us."""
    negotiated(cell, 4, "role")
    only_to_customer = b"\xc0\x23\x04" + THEIR_AS.to_bytes(4)
    require(any(one.kind == UPDATE and one.source == cell.daemon.ipv4 and only_to_customer in one.body
                for one in cell.messages(4)), "no OTC attribute from the provider")
    told = {row["prefix"] for row in cell.host.ctl("routes", "adj-rib-out", "--peer", cell.peer(4))}
    providers = {own_prefix(one, "ipv4") for one in cell.topology.daemons if any(two.role for two in one.neighbors)}
    require(cell.host.blocks[0] in told and not told & providers, f"told to one provider: {told & providers} of another")


def wait_for_bulk(cell):
    for prefix in (BULK_THEM[-1], BULK_THEM[0]):
        wait_until(lambda: cell.at_ours(4, prefix), 15, f"{prefix} from {cell.daemon.product}")
    wait_until(lambda: cell.at_theirs(4, BULK_US[-1]), 15, f"{BULK_US[-1]} at {cell.daemon.product}")


def longest_messages(cell):
    """{source: octets}"""
    longest = dict.fromkeys((cell.host.ipv4, cell.daemon.ipv4), 0)
    for one in cell.messages(4):
        longest[one.source] = max(longest[one.source], 19 + len(one.body))
    return longest


def check_extended_messages(cell):
    """RFC 8654: nine hundred prefixes travel in messages of more than 4096 octets, and in both directions where the daemon
    gathers so many.

    (After the restarts, when each side has had its whole table to send at once.)
    """
    negotiated(cell, 4, "extended-messages")
    wait_for_bulk(cell)
    longest = longest_messages(cell)
    for _ in range(3):
        # A busy daemon begins to send before it has gathered all; a session that begins anew is another chance.
        if longest[cell.daemon.ipv4] > 4096 or not cell.daemon.gathers_routes:
            break
        before = cell.row(4)["connections"]
        cell.daemon.clear(cell.name(4))
        wait_until(lambda before=before: cell.row(4)["connections"] > before, 20, "the session began anew")
        wait_for_bulk(cell)
        longest = longest_messages(cell)
    senders = [("us", cell.host.ipv4)] + [(cell.daemon.product, cell.daemon.ipv4)] * cell.daemon.gathers_routes
    for name, source in senders:
        require(longest[source] > 4096, f"the longest message from {name} has {longest[source]} octets")


def check_restarted(cell):
    cell.topology.restarted(cell)
