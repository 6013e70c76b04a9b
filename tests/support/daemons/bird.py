"""BIRD 2 as a Daemon."""

import re

from daemons.daemon import Daemon, Path, as_numbers
from lab import run


class Bird(Daemon):
    product = "BIRD"
    # Cuts the same table differently from run to run: the longest message had 709 octets, another time 2554.
    gathers_routes = False

    def __init__(self, lab, name, number, as_number):
        super().__init__(lab, name, number, as_number)
        self.config_path, self.control = self.directory / "bird.conf", self.directory / "bird.ctl"

    def _write_configuration(self):
        lines = [f'log "{self.directory / "bird.log"}" all;', f"router id {self.ipv4};", "protocol device {}",
                 self._export_function()]
        if any(one.reflector_client for one in self.neighbors):
            # Next hops of other hosts must lead somewhere.
            lines.append("protocol direct { ipv4; ipv6; }")
        for family in ("ipv4", "ipv6"):
            # A prefix twice in one protocol would be one route: each further path has a protocol of its own.
            protocols = []
            for route in self.announced:
                if route.family != family:
                    continue
                room = next((one for one in protocols if route.prefix not in one), None)
                if room is None:
                    protocols.append(room := {})
                room[route.prefix] = self._static(route)
            lines += [f"protocol static own_{family}_{number} {{ {family}; {' '.join(room.values())} }}"
                      for number, room in enumerate(protocols)]
        lines += [self._neighbor(one) for one in self.neighbors]
        self.config_path.write_text("\n".join(lines) + "\n")
        if self.process and self.process.running():
            self.birdc("configure")

    def _export_function(self):
        tests = []
        for family, net_type in (("ipv4", "NET_IP4"), ("ipv6", "NET_IP6")):
            inside = [prefix for prefix in self.transit if (":" in prefix) == (family == "ipv6")]
            if inside:
                tests.append(f"if net.type = {net_type} then return " + " || ".join(f"net ~ {one}" for one in inside) + ";")
        return "function ours() { if source = RTS_STATIC then return true; " + " ".join(tests) + " return false; }"

    @staticmethod
    def _static(route):
        actions = [f"bgp_community.add(({one.replace(':', ',')}));" for one in route.communities]
        actions += [f"bgp_large_community.add(({one.replace(':', ',')}));" for one in route.large_communities]
        if route.med is not None:
            actions.append(f"bgp_med = {route.med};")
        return f"route {route.prefix} blackhole {{ bgp_origin = ORIGIN_IGP; {' '.join(actions)} }};"

    def _neighbor(self, one):
        options = [f"local {one.local} as {self.as_number};", f"neighbor {one.remote} as {one.as_number};",
                   "connect delay time 1; connect retry time 1; error wait time 1, 2; startup hold time 30;",
                   f"hold time {one.hold_time};", "strict bind yes;"]
        options.append("graceful restart yes;" if one.graceful_restart else "graceful restart off;")
        if one.key:
            options.append(f'password "{one.key}";')
        if one.gtsm:
            options.append("ttl security yes;")
        if one.role:
            options.append(f"local role {one.role};")
        if one.extended_messages:
            options.append("enable extended messages;")
        if one.passive:
            options.append("passive;")
        if one.reflector_client:
            options.append("rr client;")
        for family in one.families:
            next_hop = {"ipv4": one.next_hop_ipv4, "ipv6": one.next_hop_ipv6}[family]
            options.append(f"{family} {{ import all; export where ours(); "
                           f"{self._next_hop(one, next_hop)}"
                           f"{' add paths on;' if one.add_path else ''}"
                           f"{' extended next hop;' if one.extended_next_hop and family == 'ipv4' else ''} }};")
        return f"protocol bgp {one.name} {{\n  " + "\n  ".join(options) + "\n}"

    @staticmethod
    def _next_hop(one, address):
        if one.reflector_client:
            return "next hop keep;"
        return f"next hop address {address};" if address else "next hop self;"

    def _start(self):
        # -R: it announces that it restarted (RFC 4724); on a first start that says nothing wrong.
        return self.start(["bird", "-f", "-R", "-c", self.config_path, "-s", self.control, "-P", self.directory / "pid"],
                          log=self.directory / "stderr.log")

    def _answers(self):
        return "Router ID" in self.birdc("show status", check=False)

    def birdc(self, command, check=True):
        return run("birdc", "-s", self.control, *command.split(), check=check)

    def states(self):
        states = {}
        for line in self.birdc("show protocols", check=False).splitlines():
            words = line.split()
            if len(words) > 4 and words[1] == "BGP":
                states[words[0]] = words[5] if len(words) > 5 else words[3]
        return states

    def capabilities(self, name):
        text = self.birdc(f"show protocols all {name}")
        sides = [set(), set()]
        for number, title in enumerate(("Local capabilities", "Neighbor capabilities")):
            match = re.search(rf"^    {title}\n((?:      .*\n)+)", text, re.M)
            for line in match.group(1).splitlines() if match else []:
                word, indent = line.strip(), len(line) - len(line.lstrip())
                if indent > 6 and word.startswith("AF announced") and "Multiprotocol" in previous:
                    sides[number] |= {f for f in ("ipv4", "ipv6") if f in word}
                if indent == 6:
                    previous = word
                    for start, meaning in (("Route refresh", "refresh"), ("Enhanced refresh", "enhanced-refresh"),
                                           ("Graceful restart", "graceful-restart"), ("ADD-PATH", "add-path"),
                                           ("Extended message", "extended-messages"), ("Role", "role"),
                                           ("Extended next hop", "extended-next-hop")):
                        if word.startswith(start):
                            sides[number].add(meaning)
        return sides[0] & sides[1]

    def received(self, name):
        paths, fields, prefix = [], None, ""

        def finish():
            if fields is not None:
                local_pref, med = fields.get("local_pref"), fields.get("med")
                paths.append(Path(
                    prefix, fields.get("next_hop", "").split()[0] if fields.get("next_hop") else "",
                    as_numbers(fields.get("as_path", "")), fields.get("origin", "").lower(),
                    int(med) if med else None, int(local_pref) if local_pref else None,
                    frozenset(self._tuples(fields.get("community", ""))),
                    frozenset(self._tuples(fields.get("large_community", ""))), fields.get("originator_id", ""),
                    tuple(fields.get("cluster_list", "").split()), fields["stale"]))

        for line in self.birdc(f"show route all protocol {name}").splitlines():
            head = re.match(r"(\S*)\s+(?:unicast|blackhole|unreachable) \[(\S+) ", line)
            if head:
                finish()
                prefix = head.group(1) or prefix
                # Behind the preference: kept over the neighbour's restart.
                fields = {"stale": bool(re.search(r"\(\d+[^)]*s[^)]*\)", line))}
            elif fields is not None and (match := re.match(r"\tBGP\.(\w+): ?(.*)", line)):
                fields[match.group(1)] = match.group(2).strip()
        finish()
        return paths

    @staticmethod
    def _tuples(text):
        return [one.replace(", ", ":").replace(",", ":") for one in re.findall(r"\(([^)]*)\)", text)]

    def request_refresh(self, name):
        self.birdc(f"reload in {name}")

    def clear(self, name):
        self.birdc(f"restart {name}")
