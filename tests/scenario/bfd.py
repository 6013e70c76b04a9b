#!/usr/bin/python3
"""BFD finds a lost path long before the hold time does, beside another agent, BIRD and FRR, in both families; and it does not
mistake a restart for one.
"""

import shutil
import signal
import unittest

from lab import Lab, Node, run, wait_until

# Nothing but BFD can end a session within the deadlines here.
HOLD_TIME = 90
BFD = {"transmit_interval": 100, "receive_interval": 100}
# Our agents speak BFD at a real-time priority. Other daemons do not, and must not be thought dead on a busy machine.
BFD_PATIENT = {"transmit_interval": 300, "receive_interval": 300, "multiplier": 5}


def watched(bfd=BFD, **more):
    return {"hold_time": HOLD_TIME, "bfd": dict(bfd), **more}


def peer_with_bird(host, bird):
    """A session in each family, watched by BFD; what BIRD's configuration has to say of them."""
    neighbours = []
    for version, ours, theirs in ((4, host.ipv4, bird.ipv4), (6, host.ipv6, bird.ipv6)):
        host.config["peers"].append({"name": f"bird{version}", "address": theirs, "as": 64512,
                                     "families": [f"ipv{version}"], **watched(BFD_PATIENT)})
        neighbours.append(f"""protocol bgp agent{version} {{
            local {theirs} as 64512; neighbor {ours} as 64512; direct; hold time {HOLD_TIME}; bfd graceful;
            connect delay time 1; connect retry time 1; error wait time 1, 2; graceful restart yes;
            ipv{version} {{ import all; export all; }};
        }}""")
    return neighbours


class Bfd(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)

    def sessions(self, host):
        return {row["address"]: row for row in host.ctl("bfd")}

    def wait_up(self, host, *addresses, detection_time=300):
        for address in addresses:
            # The diagnostic of the first second is a slow timer's; then the configured timers hold.
            wait_until(lambda: (row := self.sessions(host).get(address)) and row["state"] == "Up" and
                       row["detection_time_us"] <= detection_time * 1000, 15, lambda: f"{host.name}: {self.sessions(host)}")

    def two_hosts(self):
        a, b = (self.lab.add_host(name) for name in ("host-a", "host-b"))
        for ours, theirs in ((a, b), (b, a)):
            ours.peer_with(theirs, **watched())
            ours.config["peers"].append({"name": f"{theirs.name}-6", "address": theirs.ipv6, "as": 64512,
                                         "families": ["ipv6"], **watched()})
            ours.start_agent()
        for ours, theirs in ((a, b), (b, a)):
            wait_until(lambda: ours.established(theirs.name, f"{theirs.name}-6"), 20, "BGP sessions")
            self.wait_up(ours, theirs.ipv4, theirs.ipv6)
            wait_until(lambda: set(theirs.blocks) <= set(ours.routes()), 10, "routes")
        return a, b

    def test_a_lost_host_is_out_of_the_tables_at_once_and_comes_back(self):
        a, b = self.two_hosts()
        b.cut_off()
        wait_until(lambda: not set(b.blocks) & set(a.routes()), 5, lambda: f"no routes to host-b: {a.routes()}")
        for address in (b.ipv4, b.ipv6):
            row = self.sessions(a)[address]
            self.assertEqual((row["state"], row["diagnostic"]), ("Down", "Control Detection Time Expired"))
        self.assertIn("BFD Down", a.peer("host-b")["last_error"])
        self.assertIn("the path to the peer is lost", a.log_path.read_text())
        b.reconnect()
        wait_until(lambda: set(b.blocks) <= set(a.routes()), 20, "routes to host-b again")
        self.wait_up(a, b.ipv4, b.ipv6)
        self.assertEqual(self.sessions(a)[b.ipv4]["ups"], 2)

    def test_a_restart_is_no_lost_path(self):
        a, b = self.two_hosts()
        for number in (signal.SIGTERM, signal.SIGKILL):
            b.stop_agent(number)
            wait_until(lambda: self.sessions(a)[b.ipv4]["state"] == "Down", 10, "BFD has seen it")
            self.assertLessEqual(set(b.blocks), set(a.routes()), "kept: the host still forwards")
            b.start_agent()
            wait_until(lambda: a.established("host-b", "host-b-6"), 20, "BGP sessions")
            self.wait_up(a, b.ipv4, b.ipv6)
            self.assertLessEqual(set(b.blocks), set(a.routes()))

    def test_timers_change_and_bfd_ends_without_a_session_that_flaps(self):
        a, b = self.two_hosts()
        a.config["peers"][0]["bfd"] = {"transmit_interval": 200, "receive_interval": 200, "multiplier": 5}
        del a.config["peers"][1]["bfd"]
        a.reload_agent()
        wait_until(lambda: self.sessions(b)[a.ipv4]["detection_time_us"] == 1_000_000, 10, lambda: self.sessions(b))
        wait_until(lambda: self.sessions(b)[a.ipv6]["state"] == "Down", 10, lambda: self.sessions(b))
        self.assertEqual(list(self.sessions(a)), [b.ipv4])
        self.assertEqual(self.sessions(b)[a.ipv4]["ups"], 1)
        self.assertEqual([a.peer(name)["connections"] for name in ("host-b", "host-b-6")], [1, 1])

    def test_beside_bird(self):
        a = self.lab.add_host("host-a")
        bird = self.lab.add_bird("bird", 60, 64512)
        a.config["pools"] = ["10.0.0.0/8", "fd00::/8"]
        neighbours = peer_with_bird(a, bird)
        bird.configure("""protocol bfd { interface "*" { interval 300 ms; multiplier 5; }; }
            protocol static { ipv4; route 10.99.0.0/24 blackhole; }
            protocol static { ipv6; route fd00:99::/64 blackhole; }
            """ + "\n".join(neighbours))
        a.start_agent()
        bird.launch()
        told = {"10.99.0.0/24", "fd00:99::/64"}
        wait_until(lambda: told <= set(a.routes()), 20, lambda: f"{a.routes()} {a.log_tail()}")
        self.wait_up(a, bird.ipv4, bird.ipv6, detection_time=1500)
        wait_until(lambda: bird.birdc("show bfd sessions").count(" Up ") == 2, 5, lambda: bird.birdc("show bfd sessions"))

        def known_to_bird():
            return all(block in bird.birdc(f"show route {block}", check=False) for block in a.blocks)

        bird.cut_off()
        wait_until(lambda: not told & set(a.routes()), 10, lambda: f"BIRD's routes are gone: {a.routes()}")
        bird.reconnect()
        wait_until(lambda: told <= set(a.routes()) and known_to_bird(), 20, "routes both ways again")
        self.wait_up(a, bird.ipv4, bird.ipv6, detection_time=1500)
        for number in (signal.SIGTERM, signal.SIGKILL):
            a.stop_agent(number)
            wait_until(lambda: " Up " not in bird.birdc("show bfd sessions"), 10, "BIRD's BFD has seen it")
            self.assertTrue(known_to_bird(), bird.birdc("show route all"))
            a.start_agent()
            wait_until(lambda: a.established("bird4", "bird6"), 20, "BGP sessions")
            self.assertTrue(known_to_bird(), bird.birdc("show route all"))
            self.wait_up(a, bird.ipv4, bird.ipv6, detection_time=1500)

    def test_authenticated_beside_bird(self):
        """Each type of RFC 5880 section 6.7, in both families; what has another key, or none, is not heard."""
        a = self.lab.add_host("host-a")
        bird = self.lab.add_bird("bird", 60, 64512)
        key = a.directory / "bfd.key"
        neighbours = peer_with_bird(a, bird)

        def configure_bird(authentication, password):
            bird.configure("""protocol bfd { interface "*" { interval 300 ms; multiplier 5;
                authentication %s; password "%s" { id 7; }; }; }
                """ % (authentication, password) + "\n".join(neighbours))

        def configure_ours(authentication):
            for peer in a.config["peers"]:
                peer["bfd"] = {**BFD_PATIENT, "authentication": authentication, "key_file": str(key), "key_id": 7}

        # No key yet: the BGP session lives, and BFD says why it does not.
        configure_bird("meticulous keyed sha1", "a secret of us two")
        configure_ours("meticulous-keyed-sha1")
        a.start_agent()
        bird.launch()
        wait_until(lambda: a.established("bird4", "bird6"), 20, lambda: a.log_tail())
        row = self.sessions(a)[bird.ipv4]
        self.assertEqual((row["state"], row["packets_sent"], row["authentication"]), ("Down", 0, "meticulous-keyed-sha1"))
        self.assertIn(str(key), row["last_error"])
        key.write_text("a secret of us two\n")
        a.reload_agent()
        self.wait_up(a, bird.ipv4, bird.ipv6, detection_time=1500)
        # A restarted agent begins with another sequence number, and so does a restarted BIRD.
        a.stop_agent(signal.SIGKILL)
        a.start_agent()
        self.wait_up(a, bird.ipv4, bird.ipv6, detection_time=1500)
        bird.process.stop(signal.SIGKILL)
        bird.launch()
        self.wait_up(a, bird.ipv4, bird.ipv6, detection_time=1500)
        # Another key at one end is a lost path.
        key.write_text("another secret\n")
        a.reload_agent()
        wait_until(lambda: all(row["state"] != "Up" and "the hash is wrong" in row["last_error"]
                               for row in self.sessions(a).values()), 20, lambda: self.sessions(a))
        for ours, theirs in (("simple-password", "simple"), ("keyed-md5", "keyed md5"),
                             ("meticulous-keyed-md5", "meticulous keyed md5"), ("keyed-sha1", "keyed sha1")):
            with self.subTest(ours):
                key.write_text("sixteen octets..")
                configure_ours(ours)
                a.reload_agent()
                configure_bird(theirs, "sixteen octets..")
                self.wait_up(a, bird.ipv4, bird.ipv6, detection_time=1500)
                wait_until(lambda: bird.birdc("show bfd sessions").count(" Up ") == 2, 5,
                           lambda: bird.birdc("show bfd sessions"))
        self.assertNotIn("sixteen octets..", a.log_path.read_text())
        self.assertNotIn("secret", a.log_path.read_text())

    def test_beside_frr(self):
        a = self.lab.add_host("host-a")
        frr = Node(self.lab, "frr", 61)
        for version, theirs in ((4, frr.ipv4), (6, frr.ipv6)):
            a.config["peers"].append({"name": f"frr{version}", "address": theirs, "as": 65061,
                                      "families": [f"ipv{version}"], **watched(BFD_PATIENT, connect_retry=1)})
        lines = ["router bgp 65061", f" bgp router-id {frr.ipv4}", " no bgp ebgp-requires-policy",
                 " no bgp default ipv4-unicast", " no bgp network import-check"]
        for address in (a.ipv4, a.ipv6):
            lines += [f" neighbor {address} remote-as 64512", f" neighbor {address} timers 30 {HOLD_TIME}",
                      f" neighbor {address} timers connect 1", f" neighbor {address} bfd 5 300 300"]
        for version, address in ((4, a.ipv4), (6, a.ipv6)):
            lines += [f" address-family ipv{version} unicast", f"  neighbor {address} activate", " exit-address-family"]
        frr.directory.joinpath("bgpd.conf").write_text("\n".join(lines) + "\n")
        frr.directory.joinpath("bfdd.conf").write_text("")
        frr.directory.joinpath("zebra.conf").write_text("")
        # zebra gives root up.
        shutil.chown(frr.directory, "frr", "frr")
        self.lab.directory.chmod(0o711)
        shared = ["--vty_socket", frr.directory, "--vty_port", "0", "--socket", frr.directory / "zserv"]
        for daemon, more in (("zebra", []), ("bfdd", ["--bfdctl", frr.directory / "bfdd.sock"]), ("bgpd", [])):
            frr.start([f"/usr/lib/frr/{daemon}", *shared, "--config_file", frr.directory / f"{daemon}.conf",
                       "--pid_file", frr.directory / f"{daemon}.pid", *more], log=frr.directory / f"{daemon}.log")
            wait_until(lambda: frr.directory.joinpath(f"{daemon}.vty").exists(), 10, f"{daemon} answers")
        a.start_agent()

        def vtysh(daemon, command):
            return run("vtysh", "--vty_socket", frr.directory, "-d", daemon, "-c", command, check=False)

        wait_until(lambda: a.established("frr4", "frr6"), 30, lambda: f"{a.log_tail()} {vtysh('bgpd', 'show bgp summary')}")
        self.wait_up(a, frr.ipv4, frr.ipv6, detection_time=1500)
        wait_until(lambda: vtysh("bfdd", "show bfd peers").count("Status: up") == 2, 5,
                   lambda: vtysh("bfdd", "show bfd peers"))
        frr.cut_off()
        wait_until(lambda: not a.established("frr4") and not a.established("frr6"), 10, "we see the lost path")
        wait_until(lambda: "Status: up" not in vtysh("bfdd", "show bfd peers"), 10, "FRR sees it, too")
        frr.reconnect()
        wait_until(lambda: a.established("frr4", "frr6"), 30, "BGP sessions again")
        self.wait_up(a, frr.ipv4, frr.ipv6, detection_time=1500)


if __name__ == "__main__":
    unittest.main()
