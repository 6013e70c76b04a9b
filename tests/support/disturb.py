#!/usr/bin/python3
"""Another process on a host that spoils what Towpath has in the kernel, one thing at a time, and measures how long it stays
spoiled: disturb.py COUNT SEED, in the host's namespace. Objects of others lie among them; each notification that the kernel
sends about one of those is counted. Prints one JSON document.

Speaks netlink itself, except for rules: a spoiled object is looked at again within a millisecond.
"""

import collections
import json
import random
import re
import socket
import struct
import subprocess
import sys
import time

OURS, PLUGINS, THEIRS = 84, 4, 99  # protocol numbers
OUR_NEXT_HOPS = range(0x54000001, 0x55000000)
REQUEST, ACK, REPLACE, EXCL, CREATE, DUMP = 1, 4, 0x100, 0x200, 0x400, 0x300
NEWLINK, GETLINK, NEWNEIGH, DELNEIGH, GETNEIGH = 16, 18, 28, 29, 30
NEWROUTE, DELROUTE, GETROUTE, NEWNEXTHOP, DELNEXTHOP, GETNEXTHOP = 24, 25, 26, 104, 105, 106
ERROR, DONE, DUMP_INTERRUPTED = 2, 3, 0x10
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH, RTA_TABLE, RTA_NH_ID = 1, 4, 5, 6, 9, 15, 30
NHA_ID, NHA_GROUP, NHA_OIF, NHA_GATEWAY = 1, 2, 5, 6
NDA_DST, NDA_LLADDR, IFLA_ADDRESS, IFLA_IFNAME = 1, 2, 1, 3
IFF_UP, PERMANENT = 1, 0x80
UNICAST, BLACKHOLE = 1, 6
MAIN = 254
DEADLINE = 10.0  # seconds after which something counts as not repaired

Route = collections.namedtuple("Route", "family destination length metric protocol type nhid gateway device several")
Link = collections.namedtuple("Link", "index name mac up")
Neighbour = collections.namedtuple("Neighbour", "family device address mac")
NextHop = collections.namedtuple("NextHop", "id protocol gateway device members")


def attribute(kind, payload):
    length = 4 + len(payload)
    return struct.pack("=HH", length, kind) + payload + bytes(-length % 4)


def number(kind, value):
    return attribute(kind, struct.pack("=I", value))


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def value(found, kind):
    return struct.unpack("=I", found[kind])[0] if kind in found else 0


def parse_route(body):
    family, length, _, _, table, protocol, _, kind, _ = struct.unpack_from("=BBBBBBBBI", body)
    found = attributes(body[12:])
    if family not in (socket.AF_INET, socket.AF_INET6) or value(found, RTA_TABLE) != MAIN:
        return None
    return Route(family, found.get(RTA_DST, b""), length, value(found, RTA_PRIORITY), protocol, kind, value(found, RTA_NH_ID),
                 found.get(RTA_GATEWAY), value(found, RTA_OIF), found.get(RTA_MULTIPATH))


def parse_next_hop(body):
    found = attributes(body[8:])
    group = found.get(NHA_GROUP, b"")
    members = tuple(struct.unpack_from("=IB", group, at) for at in range(0, len(group), 8))
    return NextHop(value(found, NHA_ID), body[2], found.get(NHA_GATEWAY), value(found, NHA_OIF), members)


def parse_link(body):
    _, _, _, index, flags, _ = struct.unpack_from("=BBHiII", body)
    found = attributes(body[16:])
    return Link(index, found[IFLA_IFNAME].rstrip(b"\0").decode(), found.get(IFLA_ADDRESS, b""), bool(flags & IFF_UP))


def parse_neighbour(body):
    family, _, _, device, state, _, _ = struct.unpack_from("=BBHiHBB", body)
    found = attributes(body[12:])
    return Neighbour(family, device, found.get(NDA_DST, b""), found.get(NDA_LLADDR, b"")) if state & PERMANENT else None


def messages(data):
    while len(data) >= 16:
        length, kind, flags, _, _ = struct.unpack_from("=IHHII", data)
        yield kind, flags, data[16:length]
        data = data[(length + 3) & ~3:]


class Kernel:
    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.bind((0, 0))

    def request(self, kind, flags, body):
        """The kernel's error number; 0 when it was done."""
        self.socket.send(struct.pack("=IHHII", 16 + len(body), kind, flags | REQUEST | ACK, 1, 0) + body)
        for answer, _, payload in messages(self.socket.recv(1 << 16)):
            if answer == ERROR:
                return -struct.unpack_from("=i", payload)[0]
        raise RuntimeError("no answer of the kernel")

    def dump(self, kind, body):
        while True:
            self.socket.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | DUMP, 1, 0) + body)
            found, interrupted, done = [], False, False
            while not done:
                for answer, flags, payload in messages(self.socket.recv(1 << 18)):
                    interrupted |= bool(flags & DUMP_INTERRUPTED)
                    if answer == DONE:
                        done = True
                    else:
                        found.append(payload)
            if not interrupted:
                return found

    def routes(self):
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for body in self.dump(GETROUTE, struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)):
                route = parse_route(body)
                if route and (route.protocol in (OURS, THEIRS) or is_to_container(route)):
                    found.append(route)
        return found

    def host_ends(self):
        """Of containers: their interfaces."""
        links = map(parse_link, self.dump(GETLINK, bytes(16)))
        return {link.index: link for link in links if link.name.startswith("tp")}

    def neighbours(self, devices):
        found = map(parse_neighbour, self.dump(GETNEIGH, bytes(12)))
        return [neighbour for neighbour in found if neighbour and neighbour.device in devices]

    def set_link(self, index, up, mac=None):
        body = struct.pack("=BBHiII", 0, 0, 0, index, IFF_UP if up else 0, IFF_UP)
        return self.request(NEWLINK, 0, body + (attribute(IFLA_ADDRESS, mac) if mac else b""))

    def write_neighbour(self, kind, flags, neighbour):
        body = struct.pack("=BBHiHBB", neighbour.family, 0, 0, neighbour.device, PERMANENT, 0, 0)
        return self.request(kind, flags, body + attribute(NDA_DST, neighbour.address) + attribute(NDA_LLADDR, neighbour.mac))

    def next_hops(self):
        return {hop.id: hop for hop in map(parse_next_hop, self.dump(GETNEXTHOP, bytes(8)))}

    def write_route(self, kind, flags, family, destination, length, metric, protocol=OURS, route_type=UNICAST, extra=b""):
        body = struct.pack("=BBBBBBBBI", family, length, 0, 0, MAIN, protocol, 255 if kind == DELROUTE else 0,
                           0 if kind == DELROUTE else route_type, 0)
        return self.request(kind, flags, body + attribute(RTA_DST, destination) + number(RTA_PRIORITY, metric) + extra)

    def write_next_hop(self, flags, hop):
        family = 0 if hop.members else socket.AF_INET if len(hop.gateway) == 4 else socket.AF_INET6
        body = struct.pack("=BBBBI", family, 0, hop.protocol, 0, 0) + number(NHA_ID, hop.id)
        if hop.members:
            body += attribute(NHA_GROUP, b"".join(struct.pack("=IBBH", *member, 0, 0) for member in hop.members))
        else:
            body += number(NHA_OIF, hop.device) + attribute(NHA_GATEWAY, hop.gateway)
        return self.request(NEWNEXTHOP, flags, body)

    def delete_next_hop(self, number_of_it):
        return self.request(DELNEXTHOP, 0, bytes(8) + number(NHA_ID, number_of_it))


def is_ours(hop):
    return hop.id in OUR_NEXT_HOPS and hop.protocol == OURS


def is_to_container(route):
    return route.protocol == PLUGINS and route.length == (32 if route.family == socket.AF_INET else 128)


def meaning(hop, hops):
    """What an object does, without numbers: those may be others after a repair."""
    if hop is None:
        return None
    if hop.members:
        return tuple(sorted((meaning(hops.get(member), hops), weight) for member, weight in hop.members))
    return hop.gateway, hop.device


def picture(kernel):
    """All that Towpath has in the kernel, by meaning."""
    hops = kernel.next_hops()
    host_ends = kernel.host_ends()
    routes, to_containers = {}, set()
    for route in kernel.routes():
        if is_to_container(route):
            to_containers.add((route.family, route.destination, route.metric, route.type, route.device))
        if route.protocol == OURS:
            hop = hops.get(route.nhid)
            routes[route[:4]] = (route.type, ("object", meaning(hop, hops)) if hop and is_ours(hop) else
                                 (route.gateway, route.several))
    objects = collections.Counter(repr((bool(hop.members), meaning(hop, hops))) for hop in hops.values() if is_ours(hop))
    return routes, objects, (host_ends, to_containers, set(kernel.neighbours(host_ends)))


def nft(command, *flags):
    return subprocess.run(["nft", *flags, command], check=True, stdout=subprocess.PIPE, text=True).stdout


def rules():
    """Our table without counters. The order of chains is nobody's business; None: there is none."""
    try:
        return sorted(nft("list table inet towpath", "-s").splitlines())
    except subprocess.CalledProcessError:
        return None


def foreign(kernel):
    hops = kernel.next_hops()
    return ([route for route in kernel.routes() if route.protocol == THEIRS],
            {number_of_it: hop for number_of_it, hop in hops.items() if not is_ours(hop)},
            nft("list table inet theirs", "-a"))


class Onlooker:
    """Counts what happens to objects of others."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
        self.socket.bind((0, 0))
        for group in (7, 11, 32):  # IPv4 routes, IPv6 routes, next hops
            self.socket.setsockopt(270, 1, group)  # SOL_NETLINK, NETLINK_ADD_MEMBERSHIP
        self.seen = 0

    def count(self):
        while True:
            try:
                data = self.socket.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self.seen
            for kind, _, body in messages(data):
                if kind in (NEWROUTE, DELROUTE):
                    route = parse_route(body)
                    self.seen += route is not None and route.protocol == THEIRS
                elif kind in (NEWNEXTHOP, DELNEXTHOP):
                    hop = parse_next_hop(body)
                    # One of ours that was given to another owner is ours all the same.
                    self.seen += hop.id not in OUR_NEXT_HOPS or hop.id == OUR_NEXT_HOPS[-1]


class Disturber:
    def __init__(self, kernel, seed):
        self.kernel, self.random = kernel, random.Random(seed)
        self.kinds = [getattr(self, name) for name in sorted(vars(type(self))) if name.startswith("do_")]

    def strangers(self, family):
        """An address on the link of a next hop of ours, and that link."""
        hops = [hop for hop in self.kernel.next_hops().values() if is_ours(hop) and not hop.members
                and len(hop.gateway) == (4 if family == socket.AF_INET else 16)]
        hop = self.random.choice(hops)
        return hop.gateway[:-1] + bytes([self.random.randrange(200, 250)]), hop.device

    def route(self):
        return self.random.choice([route for route in self.kernel.routes() if route.protocol == OURS])

    def hop(self, group=None):
        return self.random.choice([hop for hop in self.kernel.next_hops().values() if is_ours(hop)
                                   and (group is None or bool(hop.members) == group)])

    def do_delete_route(self):
        return self.kernel.write_route(DELROUTE, 0, *self.route()[:4])

    def do_replace_route_by_gateway(self):
        route = self.route()
        gateway, device = self.strangers(route.family)
        return self.kernel.write_route(NEWROUTE, REPLACE | CREATE, *route[:4],
                                       extra=attribute(RTA_GATEWAY, gateway) + number(RTA_OIF, device))

    def do_replace_route_by_blackhole(self):
        route = self.random.choice([route for route in self.kernel.routes() if route.protocol == OURS and route.nhid])
        return self.kernel.write_route(NEWROUTE, REPLACE | CREATE, *route[:4], route_type=BLACKHOLE)

    def do_point_route_elsewhere(self):
        routes = [route for route in self.kernel.routes() if route.protocol == OURS and route.nhid]
        one = self.random.choice(routes)
        other = self.random.choice([route for route in routes if route.family == one.family and route.nhid != one.nhid])
        return self.kernel.write_route(NEWROUTE, REPLACE | CREATE, *one[:4], extra=number(RTA_NH_ID, other.nhid))

    def do_add_route_of_ours(self):
        family, destination, length = self.random.choice(
            [(socket.AF_INET, bytes([10, 65, self.random.randrange(256), 0]), 24),
             (socket.AF_INET6, bytes([0xFD, 0, 0, 0x65, 0, self.random.randrange(256)]) + bytes(10), 48)])
        gateway, device = self.strangers(family)
        return self.kernel.write_route(NEWROUTE, EXCL | CREATE, family, destination, length, 32,
                                       extra=attribute(RTA_GATEWAY, gateway) + number(RTA_OIF, device))

    def do_delete_next_hop(self):
        return self.kernel.delete_next_hop(self.hop().id)

    def do_replace_next_hop(self):
        hop = self.hop(group=False)
        gateway, device = self.strangers(socket.AF_INET if len(hop.gateway) == 4 else socket.AF_INET6)
        return self.kernel.write_next_hop(REPLACE | CREATE, hop._replace(gateway=gateway, device=device))

    def do_take_next_hop_over(self):
        hop = self.hop()
        return self.kernel.write_next_hop(REPLACE | CREATE, hop._replace(protocol=THEIRS))

    def do_take_member_out_of_group(self):
        hop = self.hop(group=True)
        left = self.random.sample(hop.members, len(hop.members) - 1)
        return self.kernel.write_next_hop(REPLACE | CREATE, hop._replace(members=tuple(left)))

    def container_route(self):
        return self.random.choice([route for route in self.kernel.routes() if is_to_container(route)])

    def host_end(self):
        return self.random.choice(list(self.kernel.host_ends().values()))

    def neighbour(self):
        return self.random.choice(self.kernel.neighbours(self.kernel.host_ends()))

    def do_container_delete_route(self):
        return self.kernel.write_route(DELROUTE, 0, *self.container_route()[:4], protocol=PLUGINS)

    def do_container_replace_route(self):
        return self.kernel.write_route(NEWROUTE, REPLACE | CREATE, *self.container_route()[:4], protocol=PLUGINS,
                                       route_type=BLACKHOLE)

    def do_container_delete_neighbour(self):
        return self.kernel.write_neighbour(DELNEIGH, 0, self.neighbour())

    def do_container_replace_neighbour(self):
        wrong = self.neighbour()._replace(mac=bytes([2, 0, 0, 0, 0, self.random.randrange(256)]))
        return self.kernel.write_neighbour(NEWNEIGH, REPLACE | CREATE, wrong)

    def do_container_set_interface_down(self):
        return self.kernel.set_link(self.host_end().index, up=False)

    def do_container_set_interface_down_and_up(self):
        index = self.host_end().index
        return self.kernel.set_link(index, up=False) or self.kernel.set_link(index, up=True)

    def do_container_change_address_of_interface(self):
        return self.kernel.set_link(self.host_end().index, up=True, mac=bytes([2, 0, 0, 0, 1, self.random.randrange(256)]))

    def do_nft_flush_chain(self):
        chains = re.findall(r"chain (\S+) {", nft("list table inet towpath"))
        nft(f"flush chain inet towpath {self.random.choice(chains)}")

    def do_nft_delete_rule(self):
        handle = self.random.choice(re.findall(r"verdict.*handle (\d+)|drop.*handle (\d+)|accept.*handle (\d+)",
                                               nft("list chain inet towpath anti_spoofing", "-a")))
        nft(f"delete rule inet towpath anti_spoofing handle {''.join(handle)}")

    def do_nft_insert_rule(self):
        nft("insert rule inet towpath anti_spoofing accept")

    def do_nft_flush_maps(self):
        maps = re.findall(r"map (\S+) {", nft("list table inet towpath"))
        nft("; ".join(f"flush map inet towpath {name}" for name in maps))

    def do_nft_delete_table(self):
        nft("delete table inet towpath")


def place_foreign_objects(kernel):
    """Beside and among ours: the same prefixes, a number of our range, a chain of the same name."""
    nft("add table inet theirs; add chain inet theirs anti_spoofing; add rule inet theirs anti_spoofing accept")
    ours = [hop for hop in kernel.next_hops().values() if is_ours(hop) and not hop.members]
    for at, hop in enumerate(ours):
        mine = hop._replace(id=at + 1, protocol=THEIRS)
        if kernel.write_next_hop(EXCL | CREATE, mine):
            raise RuntimeError("cannot make a foreign next hop")
    kernel.write_next_hop(EXCL | CREATE, ours[0]._replace(id=OUR_NEXT_HOPS[-1], protocol=THEIRS))
    by_length = {len(hop.gateway): at + 1 for at, hop in enumerate(ours)}
    for route in kernel.routes():
        if route.protocol == OURS:
            size = 4 if route.family == socket.AF_INET else 16
            kernel.write_route(NEWROUTE, EXCL | CREATE, *route[:3], 77, protocol=THEIRS,
                               extra=number(RTA_NH_ID, by_length[size]))


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    kernel = Kernel()
    expected, expected_rules = picture(kernel), rules()
    place_foreign_objects(kernel)
    before = foreign(kernel)
    onlooker = Onlooker()
    disturber = Disturber(kernel, seed)
    times, open_ends, refused = collections.defaultdict(list), [], 0
    while sum(map(len, times.values())) < count and not open_ends:
        disturbance = disturber.random.choice(disturber.kinds)
        name = disturbance.__name__.removeprefix("do_")
        if disturbance():
            refused += 1  # the kernel would not have it
            if refused > count:
                break
            continue
        begun = time.monotonic()
        # To list the rules takes longer than most repairs.
        while picture(kernel) != expected or (name.startswith("nft_") and rules() != expected_rules):
            if time.monotonic() - begun > DEADLINE:
                open_ends.append(name)
                break
        else:
            times[name].append((time.monotonic() - begun) * 1000)
    onlooker.count()
    json.dump({"routes": len(expected[0]), "next_hops": sum(expected[1].values()), "times_ms": times,
               "host_ends": len(expected[2][0]), "routes_to_containers": len(expected[2][1]), "not_repaired": open_ends, "refused": refused, "foreign_routes": len(before[0]),
               "rules": expected_rules, "foreign_next_hops": len(before[1]), "foreign_same": foreign(kernel) == before,
               "foreign_notifications": onlooker.seen}, sys.stdout)


if __name__ == "__main__":
    main()
