"""The life of an agent: start, reload, end, death and return, and what it does about routes that others touch."""

import signal
import subprocess
import unittest

from lab import NETNS_DIR, Lab, LabError, run, wait_until

EXTRA = "10.64.2.64/26"  # a block of host-b that comes and goes


class Lifecycle(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.a, self.b = self.lab.add_host("host-a"), self.lab.add_host("host-b")
        self.lab.full_mesh()
        for host in (self.a, self.b):
            host.config["restart_deferral"] = 60
            host.start_agent()
        self.wait_routes(self.a, self.a.blocks + self.b.blocks)
        self.wait_routes(self.b, self.a.blocks + self.b.blocks)

    def wait_routes(self, host, prefixes, deadline=15):
        wait_until(lambda: set(host.routes()) == set(prefixes), deadline,
                   lambda: f"{host.name} has {sorted(prefixes)}, not {sorted(host.routes())}\n{host.log_tail()}")

    def announce_extra(self):
        self.b.config["blocks"].append(EXTRA)
        self.b.reload_agent()
        self.wait_routes(self.a, self.a.blocks + self.b.blocks + [EXTRA])

    def withdraw_extra(self):
        self.b.config["blocks"].remove(EXTRA)
        self.b.reload_agent()
        wait_until(lambda: EXTRA not in self.b.routes(), 10, "host-b gives up the block")

    def status(self, host):
        return host.ctl("status")[0]

    def watch_routes(self, host):
        """Everything that happens to the routes of the agent, as `ip monitor` lines; () ends it."""
        log = host.directory / "monitor.log"
        log.unlink(missing_ok=True)
        process = host.start(["ip", "monitor", "route"], log=log)

        def listens():  # it does when it shows a change that we make
            run("ip", "-n", host.netns, "route", "replace", "blackhole", "203.0.113.0/24")
            run("ip", "-n", host.netns, "route", "del", "blackhole", "203.0.113.0/24")
            return "203.0.113.0/24" in process.log()
        wait_until(listens, 10, "ip monitor listens")

        def end():
            process.stop()
            return [line for line in process.log().splitlines() if "proto 84" in line]
        return end

    def return_after(self, number):
        """The agent of host-a goes while host-b is silent; a stale route must last until host-b has spoken."""
        self.announce_extra()
        end_of_watch = self.watch_routes(self.a)
        before = self.a.routes()
        self.a.agent.send_signal(number)
        self.a.agent.popen.wait(10)
        self.assertEqual(self.a.routes(), before, "nothing is removed at the end")
        self.withdraw_extra()
        self.b.agent.send_signal(signal.SIGSTOP)
        try:
            self.a.start_agent()
            status = self.status(self.a)
            self.assertEqual((status["deletes_allowed"], status["waiting_for"], status["in_sync"]), (False, ["host-b"], False))
            self.assertEqual(status["routes_adopted"], len(before))
            self.assertEqual(set(self.a.routes()), set(before), "adopted, not removed")
        finally:
            self.b.agent.send_signal(signal.SIGCONT)
        self.wait_routes(self.a, self.a.blocks + self.b.blocks, 30)
        wait_until(lambda: self.status(self.a)["in_sync"], 5, "in sync")
        self.assertEqual(self.a.ctl("routes", "diff"), [])
        changes = end_of_watch()
        self.assertEqual([line for line in changes if EXTRA not in line], [], "what stayed valid was not touched")
        self.assertEqual([line.startswith("Deleted") for line in changes], [True], changes)

    def test_sigterm_and_return(self):
        self.return_after(signal.SIGTERM)

    def test_sigkill_and_return(self):
        self.return_after(signal.SIGKILL)

    def test_a_dead_peer_does_not_keep_stale_routes_for_ever(self):
        self.a.stop_agent()
        self.b.stop_agent(signal.SIGKILL)
        self.a.config["restart_deferral"] = 2
        self.a.start_agent()
        self.assertEqual(set(self.a.routes()), set(self.a.blocks + self.b.blocks))
        self.wait_routes(self.a, self.a.blocks, 10)
        self.assertTrue(self.status(self.a)["deletes_allowed"])

    def test_a_bad_file_leaves_everything_as_it_is(self):
        self.b.config["peers"][0]["hold_time"] = 2
        self.b.config["blocks"] = []
        self.b.config["nodes"] = "x"
        before = self.b.peer("host-a")
        self.b.reload_agent()
        wait_until(lambda: self.status(self.b)["reloads_refused"] == 1, 5, "the refusal is counted")
        log = self.b.log_path.read_text()
        for words in ("peers[0].hold_time: value '2': must be 0 or at least 3 seconds", "nodes: unknown key; did you mean 'node'?",
                      "the old one stays in force"):
            self.assertIn(words, log)
        self.assertEqual(set(self.a.routes()), set(self.a.blocks + self.b.blocks))
        after = self.b.peer("host-a")
        self.assertEqual(after["connections"], before["connections"])
        self.assertGreaterEqual(after["since_seconds"], before["since_seconds"])

    def test_what_needs_a_restart_is_refused_by_name(self):
        self.a.config["kernel"] = {"protocol": 99}
        self.a.reload_agent()
        wait_until(lambda: self.status(self.a)["reloads_refused"] == 1, 5, "the refusal is counted")
        self.assertIn("kernel.protocol: value '99': cannot change from '84' while towpathd runs", self.a.log_path.read_text())

    def test_a_new_peer_leaves_the_other_session_alone(self):
        c = self.lab.add_host("host-c")
        for host in (self.a, self.b):
            c.peer_with(host)
        before = self.a.peer("host-b")
        c.start_agent()
        self.a.peer_with(c)
        self.a.reload_agent()
        wait_until(lambda: self.a.established("host-b", "host-c"), 10, lambda: self.a.log_tail())
        after = self.a.peer("host-b")
        self.assertEqual(after["connections"], before["connections"])
        self.assertGreaterEqual(after["since_seconds"], before["since_seconds"])
        self.wait_routes(self.a, self.a.blocks + self.b.blocks + c.blocks)

    def test_a_route_with_an_unreachable_next_hop_waits_with_its_reason(self):
        self.b.config["peers"][0]["next_hop"] = {"ipv4": "198.51.100.2", "ipv6": "2001:db8:99::2"}
        self.b.reload_agent()
        wait_until(lambda: self.status(self.a)["next_hops_unreachable"] == 2, 10,
                   lambda: f"{self.status(self.a)}\n{self.a.log_tail()}")
        for block in self.b.blocks:
            self.assertEqual([row.get("reason") for row in self.a.ctl("routes", "loc-rib", block)], ["no route to the next hop"])
        wait_until(lambda: set(self.a.routes()) == set(self.a.blocks), 5, lambda: f"{self.a.routes()}")
        self.assertEqual(self.status(self.a)["routes_refused"], 0)
        self.assertIn("no route to a next hop", self.a.log_path.read_text())
        # A link appears on which the next hops are.
        run("ip", "-n", self.a.netns, "address", "add", "198.51.100.1/24", "dev", "eth0")
        run("ip", "-n", self.a.netns, "address", "add", "2001:db8:99::1/64", "dev", "eth0", "nodad")
        self.wait_routes(self.a, self.a.blocks + self.b.blocks)
        self.assertEqual(self.a.routes()[self.b.blocks[0]]["gateway"], "198.51.100.2")

    def test_routes_of_others_are_not_touched(self):
        self.a.stop_agent()
        for block in self.b.blocks:
            # Another owner has the same prefix at the same metric.
            run("ip", "-n", self.a.netns, "route", "del", block, "proto", "84")
            run("ip", "-n", self.a.netns, "route", "add", block, "dev", "eth0", "metric", "32", "proto", "static")
        self.a.start_agent()
        wait_until(lambda: len(self.a.ctl("routes", "diff")) == 2, 10, lambda: f"{self.a.ctl('routes', 'diff')}")
        self.assertEqual(set(self.a.routes(protocol="static")), set(self.b.blocks))
        for block in self.b.blocks:
            run("ip", "-n", self.a.netns, "route", "del", block, "proto", "static")
        self.wait_routes(self.a, self.a.blocks + self.b.blocks)

    def test_what_others_do_to_our_routes_is_put_right(self):
        for block in self.b.blocks + self.a.blocks:
            run("ip", "-n", self.a.netns, "route", "del", block, "proto", "84")
        run("ip", "-n", self.a.netns, "route", "add", "10.64.99.0/26", "via", self.b.ipv4, "proto", "84", "metric", "32")
        self.wait_routes(self.a, self.a.blocks + self.b.blocks)

    def test_only_one_agent_for_a_state_directory(self):
        second = subprocess.run([self.lab.bin / "towpathd", "--config", self.a.config_path], stderr=subprocess.PIPE, text=True)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"another towpathd (pid {self.a.agent.pid}) uses state_dir", second.stderr)
        self.assertTrue(self.a.established("host-b"))

    def test_without_the_capability_it_says_so(self):
        self.a.stop_agent()
        before = self.a.routes()
        done = subprocess.run(
            ["nsenter", f"--net={NETNS_DIR / self.a.netns}", "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin",
             self.lab.bin / "towpathd", "--config", self.a.config_path], stderr=subprocess.PIPE, text=True, timeout=30)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('msg="cannot start" reason="this process may not change the network: it needs CAP_NET_ADMIN"', done.stderr)
        self.assertEqual(self.a.routes(), before)

    def test_the_control_socket_comes_and_goes(self):
        self.assertEqual(self.a.socket.stat().st_mode & 0o7777, 0o660)
        self.a.stop_agent()
        self.assertFalse(self.a.socket.exists())
        with self.assertRaisesRegex(LabError, "exit 3: towpathctl: agent not reachable at .*: is towpathd running?"):
            self.a.ctl("peers")
        self.assertEqual([row["used"] for row in self.a.ctl("ipam")], [0, 0])
        self.assertEqual(self.a.ctl("endpoints"), [])
        self.a.start_agent()
        self.a.stop_agent(signal.SIGKILL)
        self.assertTrue(self.a.socket.exists())
        self.a.start_agent()  # replaces the stale one
        self.assertTrue(self.a.ctl("version"))

    def test_a_reader_that_leaves_is_no_error(self):
        control = f"{self.lab.bin}/towpathctl --socket {self.a.socket} -o json routes"
        done = subprocess.run(["bash", "-o", "pipefail", "-c", f"{control} | true"], stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_unknown_peer_and_wrong_words(self):
        with self.assertRaisesRegex(LabError, r"exit 1: towpathctl: the agent refused \(404\): peer: value 'host-x': no such peer"):
            self.a.ctl("routes", "--peer", "host-x")
        with self.assertRaisesRegex(LabError, "exit 2"):
            self.a.ctl("routes", "fib")

    def test_check_config(self):
        good = run(self.lab.bin / "towpathd", "--config", self.a.config_path, "--check-config")
        self.assertEqual(good, f"{self.a.config_path}: valid\n")
        bad = self.a.directory / "bad.yaml"
        bad.write_text("node: a\n")
        with self.assertRaisesRegex(LabError, r"exit 1: .*bad.yaml:1: router_id: is missing\n.*bad.yaml:1: as: is missing"):
            run(self.lab.bin / "towpathd", "--config", bad, "--check-config")


if __name__ == "__main__":
    unittest.main(verbosity=2)
