"""towpathctl ipam on a host with real containers and no agent: what was broken is found, and nothing else is."""

import fcntl
import json
import os
import pathlib
import subprocess
import threading
import unittest

from lab import NETNS_DIR, Container, Lab, ip_batch, run, wait_until


class IpamTools(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host = self.lab.add_host("host-a")
        self.host.network.conflist["plugins"][0]["ipam"]["blocks"] = self.host.blocks

    def ipam(self, *words):
        """(exit code, rows, standard error)"""
        done = subprocess.run(
            ["nsenter", f"--net={NETNS_DIR / self.host.netns}", self.lab.bin / "towpathctl", "--state-dir", self.host.state,
             "-o", "json", "ipam", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip().endswith("]") else None, done.stderr

    def findings(self):
        """{(kind, address, container): reason}, and the exit code must fit."""
        code, rows, error = self.ipam("check")
        self.assertEqual(error, "")
        self.assertEqual(code, 1 if rows else 0)
        return {(row["kind"], row["address"], row["container_id"]): row["reason"] for row in rows}

    def device(self, container):
        return next(row["host_ifname"] for row in self.host.ctl("endpoints") if row["container_id"] == container.id)

    def lose(self, container):
        """The sandbox ends, and nobody calls DEL."""
        device = self.device(container)
        self.lab._del_netns(container.netns)
        wait_until(lambda: device not in run("ip", "-n", self.host.netns, "-br", "link"), what=f"{device} goes away")

    def test_show(self):
        one, other = self.host.add_container("c1"), self.host.add_container("c2")
        self.host.del_container(other)
        self.assertEqual(self.ipam(), self.ipam("show"))
        code, rows, _ = self.ipam("show", "-v", "--resting", "--block", one.ipv4)
        self.assertEqual(code, 0)
        self.assertEqual([(row["block"], row["used"], row["pending"], row["resting"]) for row in rows], [(self.host.blocks[0], 1, 0, 1)])
        self.assertEqual([(row["address"], row["container_id"]) for row in rows[0]["allocations"]], [(one.ipv4, one.id)])
        self.assertEqual([row["address"] for row in rows[0]["resting_addresses"]], [other.ipv4])
        _, rows, _ = self.ipam("--container", one.id)
        self.assertEqual([row["allocations"][0]["address"] for row in rows], [one.ipv4, one.ipv6])

    def test_what_is_broken_is_found(self):
        one, other = self.host.add_container("c1"), self.host.add_container("c2")
        lost = self.host.add_container("c3")
        self.assertEqual(self.findings(), {})
        device = self.device(one)
        ip_batch(self.host.netns, f"route del {one.ipv4}/32 dev {device}", "route add 10.64.1.40/32 dev " + device,
                 f"address add {other.ipv6}/128 dev eth0 nodad")
        ip_batch(other.netns, f"address del {other.ipv4}/32 dev eth0")
        self.lose(lost)
        self.assertEqual(self.findings(), {
            ("sandbox-gone", lost.ipv4, lost.id): f"its sandbox {lost.path} is gone",
            ("sandbox-gone", lost.ipv6, lost.id): f"its sandbox {lost.path} is gone",
            ("no-route", one.ipv4, one.id): f"no route leads to it over {device}",
            ("not-in-sandbox", other.ipv4, other.id): f"the interface eth0 in {other.path} does not have it",
            ("no-allocation", "10.64.1.40", one.id): f"a route leads to it over {device}, but nobody has it",
            ("double-use", other.ipv6, other.id): "the host itself has it on eth0",
        })
        table = self.host.run(self.lab.bin / "towpathctl", "--state-dir", self.host.state, "ipam", "check", check=False)
        self.assertEqual(len(table.splitlines()), 1 + 6)
        # Put right by hand, and by the DEL that comes after all.
        ip_batch(self.host.netns, f"route add {one.ipv4}/32 dev {device}", "route del 10.64.1.40/32 dev " + device,
                 f"address del {other.ipv6}/128 dev eth0")
        ip_batch(other.netns, f"address add {other.ipv4}/32 dev eth0")
        self.host.network.delete(lost.id, "")
        self.assertEqual(self.findings(), {})

    def test_release(self):
        one, lost = self.host.add_container("c1"), self.host.add_container("c2")
        code, rows, error = self.ipam("release", one.ipv4)
        self.assertEqual((code, rows), (1, None))
        self.assertIn(f"{one.id}/eth0 is alive in its sandbox {one.path}", error)
        self.assertIn("--force", error)
        self.assertIn("no container has", self.ipam("release", "10.64.1.50")[2])
        self.assertIn(f"held by {one.id}/eth0, not by", self.ipam("release", one.ipv4, "--container", lost.id)[2])
        self.assertTrue(one.pings(lost.ipv4))
        self.lose(lost)
        code, rows, _ = self.ipam("release", lost.ipv6, "--container", lost.id)
        self.assertEqual((code, [row["address"] for row in rows]), (0, [lost.ipv4, lost.ipv6]))
        self.assertEqual(self.findings(), {})
        self.assertIn("no container has", self.ipam("release", lost.ipv6)[2])
        code, rows, _ = self.ipam("release", one.ipv4, "--force")
        self.assertEqual((code, [row["address"] for row in rows]), (0, [one.ipv4, one.ipv6]))
        self.assertNotRegex(run("ip", "-n", self.host.netns, "-br", "link"), "(?m)^t[pb]")
        self.assertEqual(self.host.ctl("endpoints"), [])
        self.assertEqual(self.findings(), {})
        self.host.network.delete(one.id, one.path)
        again = self.host.add_container("c3")
        self.assertNotIn(again.ipv4, (one.ipv4, lost.ipv4), "what was released rests")

    def test_repair_takes_nothing_from_the_living(self):
        self.host.network.conflist["plugins"][0]["capabilities"] = {"bandwidth": True}
        shaped = {"bandwidth": {"egressRate": 10_000_000, "egressBurst": 1_000_000}}
        one, other, lost = (self.host.add_container(name, capabilities=shaped) for name in ("c1", "c2", "c3"))
        device = self.device(one)
        self.lose(lost)
        ip_batch(self.host.netns, f"link del {device}")  # a mistake, and its sandbox lives
        ip_batch(self.host.netns, f"route del {other.ipv4}/32")
        broken = self.findings()
        self.assertEqual({kind for kind, *_ in broken}, {"sandbox-gone", "no-route", "not-in-sandbox"})
        links = run("ip", "-n", self.host.netns, "-br", "link")
        self.assertIn("tb", links, "the ifb of a vanished container stays")

        def repair(*words):
            code, rows, error = self.ipam("repair", *words)
            self.assertEqual((code, error), (1, ""))
            return {(row["kind"], row["address"]): (row["repair"], row["done"]) for row in rows}

        wanted = {(kind, address): ("release" if kind == "sandbox-gone" else "none", False) for kind, address, _ in broken}
        self.assertEqual(repair(), wanted)
        self.assertEqual(self.findings(), broken, "without --apply nothing changes")
        self.assertEqual(repair("--apply"), {key: (what, what == "release") for key, (what, _) in wanted.items()})
        self.assertEqual(self.findings(), {key: reason for key, reason in broken.items() if key[0] != "sandbox-gone"})
        self.assertEqual({row["container_id"] for row in self.host.ctl("endpoints")}, {one.id, other.id})
        self.assertEqual(run("ip", "-n", self.host.netns, "-br", "link").count("tb"), links.count("tb") - 1)

    def test_an_interface_without_a_record(self):
        one = self.host.add_container("c1")
        device = self.device(one)
        self.host.add_container("c2")
        self.host.network.delete(one.id, one.path)
        ip_batch(self.host.netns, f"link add {device} type veth peer name eth0 netns {one.netns}", f"link set {device} alias {one.id}/eth0")
        self.assertEqual(self.findings(), {("no-allocation", "", one.id): f"its interface {device} is there, and no record"})

    def test_with_another_main_plugin_the_processes_count(self):
        self.host.network.conflist["plugins"] = [{
            "type": "bridge", "bridge": "br0", "stateDir": str(self.host.state),
            "ipam": {"type": "towpath-ipam", "blocks": self.host.blocks}}]
        self.host.network.version = "1.0.0"
        one = self.host.add_container("c1")
        self.assertEqual(self.findings(), {})
        process = one.start(["sleep", "1000"])
        # nsenter has become sleep when it is in the namespace.
        wait_until(lambda: "sleep" in run("ip", "netns", "pids", one.netns) or str(process.pid) in run("ip", "netns", "pids", one.netns).split())
        self.lab._del_netns(one.netns)
        self.assertEqual(self.findings(), {}, "the path is gone, and the container lives")
        self.assertEqual(self.ipam("repair", "--apply"), (0, [], ""))
        process.stop()
        self.assertEqual(set(self.findings()), {("sandbox-gone", one.ipv4, one.id), ("sandbox-gone", one.ipv6, one.id)})
        self.assertEqual(self.ipam("repair", "--apply")[0], 0)
        self.assertEqual(self.host.ctl("endpoints"), [])

    def test_import_from_host_local(self):
        folder = self.host.directory / "host-local" / "net-1"
        ranges = [[{"subnet": block}] for block in self.host.blocks]
        network = self.host.network
        self.host.del_container(self.host.add_container("first"))  # makes the store, with these blocks
        plugin = {"type": "bridge", "bridge": "br0", "stateDir": str(self.host.state)}
        network.version, network.conflist["name"] = "1.0.0", "net-1"
        network.conflist["plugins"] = [plugin | {"ipam": {"type": "host-local", "dataDir": str(folder.parent), "ranges": ranges}}]
        containers = [self.host.add_container(f"c{number}") for number in range(3)]
        given = {(c.id, address) for c in containers for address in (c.ipv4, c.ipv6)}
        self.assertEqual(sum(file.name not in ("lock",) and "last" not in file.name for file in folder.iterdir()), 6)

        before = self.ipam("show", "-v")
        for name, content, why in (("10.64.1.50", "", "it is empty"), ("10.65.0.1", "x\r\neth0", "lies in none of the blocks"),
                                   ("10.64.1.51", f"{containers[0].id}\r\neth0\r\n\r\neth1", "no interface name")):
            (folder / name).write_text(content, newline="")
            code, _, error = self.ipam("import", folder)
            self.assertEqual(code, 1)
            self.assertIn(f"{folder}/{name}: ", error)
            self.assertIn(why, error)
            (folder / name).unlink()
            self.assertEqual(self.ipam("show", "-v"), before, "all or nothing")

        code, rows, error = self.ipam("import", f"{folder}/")
        self.assertEqual((code, error), (0, ""))
        self.assertEqual({(row["container_id"], row["address"]) for row in rows}, given)
        self.assertEqual({(row["network"], row["new"]) for row in rows}, {("net-1", True)})
        self.assertEqual({row["sandbox"] for row in rows}, {c.path for c in containers})
        code, rows, _ = self.ipam("import", folder)
        self.assertEqual((code, {row["new"] for row in rows}), (0, {False}), "once more changes nothing")
        self.assertEqual(self.findings(), {})

        # The network changes its IPAM, and its containers live on.
        network.conflist["plugins"] = [plugin | {"ipam": {"type": "towpath-ipam", "blocks": self.host.blocks}}]
        for container in containers:
            # As bridge would ask it. bridge's own CHECK fails on its bridge's MAC address, which each port changes.
            network._execute(network.conflist["plugins"][0] | {"type": "towpath-ipam"}, "CHECK", container.id, container.path, "eth0",
                             previous=container.result)
        new = self.host.add_container("c3")
        self.assertFalse({new.ipv4, new.ipv6} & {address for _, address in given})
        self.host.del_container(containers[0])
        self.assertEqual(self.findings(), {})
        self.lab._del_netns(containers[1].netns)
        wait_until(lambda: ("sandbox-gone", containers[1].ipv4, containers[1].id) in self.findings(), what="its end is seen")
        self.assertEqual(self.ipam("repair", "--apply")[0], 0)
        self.assertEqual({row["container_id"] for row in self.host.ctl("endpoints")}, {containers[2].id, new.id})

    def test_import_waits_for_the_lock_of_host_local(self):
        folder = self.host.directory / "net-1"
        folder.mkdir()
        self.host.add_container("c1")  # makes the store
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = self.host.start([self.lab.bin / "towpathctl", "--state-dir", self.host.state, "ipam", "import", folder],
                                      log=self.host.directory / "import.log")

            def waits():
                self.assertTrue(process.running(), process.log())
                files = pathlib.Path(f"/proc/{process.pid}/fd")
                return any(os.readlink(file) == str(folder / "lock") for file in files.iterdir())

            wait_until(waits, what="import has the lock's file open")
            (folder / "10.64.1.30").write_text("vanished\r\neth0", newline="")
            self.assertTrue(process.running(), process.log())
        wait_until(lambda: not process.running(), what="import ends")
        self.assertEqual(process.popen.returncode, 0, process.log())
        self.assertIn("10.64.1.30", process.log())
        self.assertEqual(self.findings(), {}, "whose sandbox is not known, that is not gone")
        self.assertEqual(self.ipam("release", "10.64.1.30")[0], 1)
        self.assertEqual(self.ipam("release", "10.64.1.30", "--force")[0], 0)

    def test_what_is_under_way_is_no_finding(self):
        containers = [Container(self.host, f"c{number}") for number in range(4)]
        self.host.add_container("stays")
        end = threading.Event()

        def work(container):
            while not end.is_set():
                self.host.network.add(container.id, container.path)
                self.host.network.delete(container.id, container.path)

        threads = [threading.Thread(target=work, args=(container,)) for container in containers]
        for thread in threads:
            thread.start()
        try:
            for _ in range(8):
                self.assertEqual(self.findings(), {})
                self.assertEqual(self.ipam("repair", "--apply"), (0, [], ""))
        finally:
            end.set()
            for thread in threads:
                thread.join()
        self.assertEqual(self.findings(), {})

    def test_a_store_that_is_not_there(self):
        code, rows, error = self.ipam("check")
        self.assertEqual((code, rows), (1, None))
        self.assertIn("no state store in", error)


if __name__ == "__main__":
    unittest.main()
