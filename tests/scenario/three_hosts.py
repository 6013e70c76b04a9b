"""Three hosts on a switch, as a user runs them: containers reach each other, routes come and go with their host, the agent
may stop and start, and the tools tell the truth about all of it.
"""

import concurrent.futures
import unittest

from lab import CniError, CniNetwork, Container, Lab, LabError, run, wait_until


def routes_to(host, other):
    return [block for block in other.blocks if block in host.routes()]


class Cluster:
    """Builds the hosts once for all tests of a class; each test leaves them as it found them."""

    as_numbers = (64512, 64512, 64512)

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.hosts = [cls.lab.add_host(f"host-{letter}", number) for letter, number in zip("abc", cls.as_numbers)]
        cls.make_mesh()
        for host in cls.hosts:
            host.start_agent()
        cls.wait_converged()
        cls.containers = [host.add_container(f"{host.name[-1]}{number}") for host in cls.hosts for number in (1, 2)]
        for container in cls.containers:
            container.serve()

    @classmethod
    def make_mesh(cls):
        cls.lab.full_mesh()

    @classmethod
    def wait_converged(cls, deadline=20):
        for host in cls.hosts:
            for other in cls.hosts:
                if other is not host:
                    wait_until(lambda: len(routes_to(host, other)) == 2, deadline,
                               lambda: f"{host.name} has the routes to {other.name}: {host.routes()}, "
                                       f"{host.ctl('peers', check=False)}\n{host.log_tail()}")

    def reach(self, source, target):
        """What fails of ping and TCP in both families."""
        failures = [f"{source.name} does not ping {address}" for address in (target.ipv4, target.ipv6)
                    if not source.pings(address)]
        for address, own in ((target.ipv4, source.ipv4), (target.ipv6, source.ipv6)):
            seen = source.call(address)
            if seen != own:
                failures.append(f"{source.name} called {address} and was seen as {seen}")
        return failures

    def assert_all_reach_all(self):
        pairs = [(s, t) for s in self.containers for t in self.containers if s is not t]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            failures = [text for found in pool.map(lambda pair: self.reach(*pair), pairs) for text in found]
        self.assertEqual(failures, [])


class ThreeHosts(Cluster, unittest.TestCase):
    def test_all_containers_reach_all(self):
        self.assert_all_reach_all()

    def test_host_reaches_its_own_and_other_containers(self):
        host = self.hosts[0]
        for container in self.containers:
            for address in (container.ipv4, container.ipv6):
                host.run("ping", "-n", "-q", "-c1", "-W2", address)

    def test_addresses_come_from_the_hosts_own_blocks(self):
        for container in self.containers:
            self.assertTrue(container.ipv4.startswith(f"10.64.{container.host.number}."), container.ipv4)
            self.assertTrue(container.ipv6.startswith(f"fd00:64:0:{container.host.number}:"), container.ipv6)

    def test_own_blocks_are_blackholes_of_worse_metric(self):
        host = self.hosts[0]
        rows = host.routes()
        for block in host.blocks:
            self.assertEqual((rows[block].get("type"), rows[block].get("metric")), ("blackhole", 4096), rows[block])

    def test_learned_routes_lead_to_the_other_host(self):
        a, b, _ = self.hosts
        rows = a.routes()
        self.assertEqual([(rows[block]["gateway"], rows[block]["dev"], rows[block]["metric"]) for block in b.blocks],
                         [(b.ipv4, "eth0", 32), (b.ipv6, "eth0", 32)])

    def test_packets_cross_the_wire_as_they_are(self):
        source, target = self.containers[0], self.containers[2]
        capture = source.host.capture("not arp and not port 179 and not icmp6[0] = 135 and not icmp6[0] = 136 and not ip6[6] = 0")
        self.assertEqual(self.reach(source, target), [])
        ends = {source.ipv4, source.ipv6, target.ipv4, target.ipv6}
        lines = [line for line in capture.stop() if " > " in line]
        foreign = [line for line in lines if not any(f" {end}" in line for end in ends)]
        self.assertEqual(foreign, [])
        self.assertTrue(any(f"IP {source.ipv4} > {target.ipv4}: ICMP echo request" in line for line in lines), lines)
        self.assertTrue(any(f"IP6 {source.ipv6} > {target.ipv6}: ICMP6, echo request" in line for line in lines), lines)

    def test_a_new_container_is_reachable_at_once(self):
        c = self.hosts[2]
        container = c.add_container("new")
        container.serve()
        for other in self.containers[:4]:
            self.assertEqual(self.reach(other, container) + self.reach(container, other), [])
        c.del_container(container)
        self.assertFalse(self.containers[0].pings(container.ipv4))
        self.assertNotIn(container.ipv4, run("ip", "-n", c.netns, "route"))

    def test_a_host_is_cut_off_and_comes_back(self):
        a, b, c = self.hosts
        b.cut_off()
        for host in (a, c):
            wait_until(lambda: not routes_to(host, b), 15, f"{host.name} drops the routes of the lost host")
            self.assertNotEqual(host.peer("host-b")["state"], "Established")
        self.assertEqual(len(routes_to(a, c)), 2)
        self.assertEqual(self.reach(self.containers[0], self.containers[4]), [])
        b.reconnect()
        self.wait_converged()
        self.assert_all_reach_all()

    def test_a_pulled_cable(self):
        b = self.hosts[1]
        b.unplug()
        for host in (self.hosts[0], self.hosts[2]):
            wait_until(lambda: not routes_to(host, b), 15, f"{host.name} drops the routes of the unplugged host")
        b.plug()
        # The kernel removed host-b's own routes over the dead link; its agent must have put them back.
        self.wait_converged()
        self.assert_all_reach_all()

    def test_an_address_that_comes_after_the_session(self):
        """Without an IPv6 address there is no next hop for IPv6 routes; they are told as soon as there is one."""
        a, b = self.hosts[0], self.hosts[1]
        run("ip", "-n", a.netns, "address", "del", f"{a.ipv6}/64", "dev", "eth0")
        others = [host for host in self.hosts if host is not a]
        names = [host.name for host in others]
        for host in others:
            host.stop_agent()
        for host in others:
            host.start_agent()
        wait_until(lambda: a.established(*names), 20, a.log_tail)
        wait_until(lambda: a.blocks[0] in b.routes() and a.blocks[1] not in b.routes(), 20, lambda: str(b.routes()))
        connections = [a.peer(name)["connections"] for name in names]
        run("ip", "-n", a.netns, "address", "add", f"{a.ipv6}/64", "dev", "eth0", "nodad")
        self.wait_converged()
        self.assertEqual([a.peer(name)["connections"] for name in names], connections, "in the same sessions")
        self.assert_all_reach_all()

    def test_sigterm_ends_cleanly_and_leaves_the_routes(self):
        a = self.hosts[0]
        before = a.routes()
        self.assertEqual(a.stop_agent(), 0, a.log_tail())
        self.assertEqual(a.routes(), before)
        a.start_agent()
        self.wait_converged()
        for other in self.hosts[1:]:
            wait_until(lambda: a.established(other.name), 15, f"session with {other.name} after the restart")
        self.assert_all_reach_all()

    def test_a_second_agent_on_the_same_state_is_refused(self):
        a = self.hosts[0]
        second = a.start([self.lab.bin / "towpathd", "--config", a.config_path], log=a.directory / "second.log")
        self.assertNotEqual(second.popen.wait(10), 0)
        self.assertTrue(a.agent.running())
        self.assertTrue(a.established("host-b", "host-c"))

    def test_tools_work_while_the_agent_is_down(self):
        a = self.hosts[0]
        a.stop_agent()
        try:
            rows = a.ctl("endpoints")
            self.assertEqual(sorted(address.split("/")[0] for row in rows for address in row["addresses"]),
                             sorted(address for c in self.containers[:2] for address in (c.ipv4, c.ipv6)))
            self.assertEqual({row["block"]: row["used"] for row in a.ctl("ipam")}, {block: 2 for block in a.blocks})
            with self.assertRaisesRegex(LabError, "exit 3"):
                a.ctl("peers")
            container = a.add_container("down")  # the plugin needs no agent
            self.assertTrue(container.pings(self.containers[2].ipv6))
            a.del_container(container)
        finally:
            a.start_agent()
            self.wait_converged()

    def test_towpathctl_agrees_with_the_kernel(self):
        a = self.hosts[0]
        rib = {row["prefix"]: row for row in a.ctl("routes") if row["best"]}
        expected = {block: host for host in self.hosts for block in host.blocks}
        self.assertEqual(set(rib), set(expected))
        for prefix, host in expected.items():
            self.assertEqual(rib[prefix]["peer"], "local" if host is a else host.name)
        kernel = {row["prefix"]: row for row in a.ctl("routes", "kernel")}
        self.assertEqual(set(kernel), set(a.routes()))
        self.assertEqual(a.ctl("routes", "diff"), [])
        received = a.ctl("routes", "adj-rib-in", "--peer", "host-b")
        self.assertEqual({row["prefix"] for row in received}, set(self.hosts[1].blocks))
        sent = a.ctl("routes", "adj-rib-out", "--peer", "host-b")
        self.assertEqual({row["prefix"] for row in sent}, set(a.blocks))
        self.assertEqual([row["prefix"] for row in a.ctl("routes", self.hosts[1].blocks[0])], [self.hosts[1].blocks[0]])
        peers = {row["name"]: row for row in a.ctl("peers")}
        self.assertEqual({name: (row["state"], row["prefixes_received"], row["prefixes_accepted"], row["prefixes_sent"])
                          for name, row in peers.items()},
                         {name: ("Established", 2, 2, 2) for name in ("host-b", "host-c")})
        self.assertTrue(a.ctl("version"))
        for words in (["routes"], ["routes", "kernel"], ["peers"], ["endpoints"], ["ipam"], ["status"], ["version"]):
            self.assertTrue(a.ctl_table(*words).strip(), words)

    def test_routes_that_others_change_are_put_right(self):
        a, b, _ = self.hosts
        run("ip", "-n", a.netns, "route", "add", "10.64.99.0/26", "via", b.ipv4, "proto", "84", "metric", "32")
        wait_until(lambda: "10.64.99.0/26" not in a.routes(), 5, "what nobody wants is removed")
        foreign = ["10.64.98.0/26", "via", b.ipv4, "proto", "99"]
        run("ip", "-n", a.netns, "route", "add", *foreign)
        for family, block in zip(("-4", "-6"), b.blocks):
            run("ip", "-n", a.netns, family, "route", "del", block, "proto", "84")
        wait_until(lambda: len(routes_to(a, b)) == 2, 5, "what somebody deleted is put back")
        self.assertIn("10.64.98.0/26", a.routes(protocol=99), "the route of another owner stays")
        run("ip", "-n", a.netns, "route", "del", *foreign)
        wait_until(lambda: a.ctl("routes", "diff") == [], 5, "nothing differs")

    def test_reload_touches_only_what_changed(self):
        a, b, c = self.hosts
        before = {row["name"]: row["connections"] for row in a.ctl("peers")}
        a.config["blocks"].append("10.64.200.0/26")
        a.reload_agent()
        for host in (b, c):
            wait_until(lambda: "10.64.200.0/26" in host.routes(), 10, "the new block is announced")
        a.config["blocks"].remove("10.64.200.0/26")
        a.reload_agent()
        for host in (b, c):
            wait_until(lambda: "10.64.200.0/26" not in host.routes(), 10, "the block is withdrawn")
        wait_until(lambda: "10.64.200.0/26" not in a.routes(), 10, "the own blackhole is gone")
        self.assertEqual({row["name"]: row["connections"] for row in a.ctl("peers")}, before)
        taken = [peer for peer in a.config["peers"] if peer["name"] == "host-c"]
        a.config["peers"] = [peer for peer in a.config["peers"] if peer["name"] != "host-c"]
        a.reload_agent()
        wait_until(lambda: not routes_to(a, c), 10, "without the peer its routes are gone")
        self.assertEqual([(row["name"], row["connections"]) for row in a.ctl("peers")], [("host-b", before["host-b"])])
        a.config["peers"] += taken
        a.reload_agent()
        self.wait_converged()

    def test_a_bad_configuration_is_refused_whole(self):
        a = self.hosts[0]
        good = a.config_path.read_text()
        before = a.routes()
        a.config_path.write_text(good.replace("hold_time: 3", "hold_time: 2", 1).replace(
            f"router_id: {a.ipv4}", "router_id: 192.0.2.77"))
        mark = len(a.log_path.read_text())
        a.agent.send_signal(1)  # SIGHUP
        wait_until(lambda: "hold_time" in a.log_path.read_text()[mark:], 5, "the log names the key")
        a.config_path.write_text(good)
        self.assertEqual(a.routes(), before)
        self.assertTrue(a.established("host-b", "host-c"))
        text = run(self.lab.bin / "towpathd", "--config", a.config_path, "--check-config")
        del text
        a.config_path.write_text(good.replace("as: 64512", "as: 0", 1))
        with self.assertRaisesRegex(LabError, r"towpathd\.yaml.*\bas\b"):
            run(self.lab.bin / "towpathd", "--config", a.config_path, "--check-config")
        a.config_path.write_text(good)

    def test_a_full_block_refuses_with_one_clear_message(self):
        c = self.hosts[2]
        small = dict(c.network.conflist["plugins"][0], ipam={"type": "towpath-ipam", "blocks": ["10.64.77.0/30"]})
        network = CniNetwork(c, {**c.network.conflist, "name": "small", "plugins": [small]})
        sandboxes = [Container(c, f"small{number}") for number in range(5)]
        added = []
        with self.assertRaises(CniError) as refused:
            for sandbox in sandboxes:
                network.add(sandbox.id, sandbox.path)
                added.append(sandbox)
        self.assertGreaterEqual(len(added), 2, refused.exception)
        self.assertIn("10.64.77.0/30", refused.exception.message + refused.exception.details)
        self.assertNotIn("eth0", sandboxes[len(added)].run("ip", "-br", "link"))
        network.delete(added[0].id, added[0].path)
        network.add(sandboxes[len(added)].id, sandboxes[len(added)].path)  # there is room again
        for sandbox in sandboxes:
            network.delete(sandbox.id, sandbox.path)


class EbgpFabric(Cluster, unittest.TestCase):
    """An AS number for each host."""

    as_numbers = (64601, 64602, 4200000003)

    def test_all_containers_reach_all(self):
        self.assert_all_reach_all()

    def test_as_paths_name_the_neighbour(self):
        a, b, c = self.hosts
        paths = {row["prefix"]: row["as_path"] for row in a.ctl("routes") if row["best"]}
        self.assertEqual([paths[block] for block in b.blocks + c.blocks], ["64602", "64602", "4200000003", "4200000003"])


class Ipv4OverIpv6(Cluster, unittest.TestCase):
    """A network between the hosts that knows IPv6 alone (RFC 8950): they have no IPv4 address of their own."""

    @classmethod
    def make_mesh(cls):
        for host in cls.hosts:
            run("ip", "-n", host.netns, "-4", "address", "flush", "dev", "eth0")
            host.config["listen"] = [{"address": host.ipv6, "port": 179}]
            for other in cls.hosts:
                if other is not host:
                    host.peer_with(other, address=other.ipv6, extended_next_hop=True)

    def test_all_containers_reach_all(self):
        self.assert_all_reach_all()

    def test_ipv4_routes_have_ipv6_gateways(self):
        a, b, _ = self.hosts
        route = a.routes()[b.blocks[0]]
        self.assertEqual((route.get("via"), route["dev"]), ({"family": "inet6", "host": b.ipv6}, "eth0"), route)
        rows = {row["prefix"]: row["next_hop"] for row in a.ctl("routes")}
        self.assertEqual(rows[b.blocks[0]], b.ipv6)
        self.assertEqual(a.ctl("routes", "diff"), [])


if __name__ == "__main__":
    unittest.main()
