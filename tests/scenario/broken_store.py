"""A state store that somebody damaged under a host with containers: every program says so, and the containers work on."""

import shutil
import subprocess
import unittest

from lab import NETNS_DIR, CniError, Lab, LabError, wait_until


class BrokenStore(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host = self.lab.add_host("host-a")
        self.host.start_agent()
        self.db = self.host.state / "db"
        self.words = f"state store {self.db}/data.mdb is damaged"
        self.way_out = f"remove {self.db}, restart towpathd, and attach the containers of this host again"

    def towpathctl(self, *words):
        """(exit code, standard error)"""
        done = subprocess.run(
            ["nsenter", f"--net={NETNS_DIR / self.host.netns}", self.lab.bin / "towpathctl", "--state-dir", self.host.state, *words],
            text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return done.returncode, done.stderr

    def damage(self, name):
        data = self.db / "data.mdb"
        if name == "cut short":
            data.write_bytes(data.read_bytes()[:8192])
        else:
            whole = data.read_bytes()
            data.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))

    def test_damage_is_told_and_the_way_out_works(self):
        for name in ("cut short", "garbage"):
            with self.subTest(name):
                one, other = self.host.add_container("c1"), self.host.add_container("c2")
                self.host.stop_agent()
                self.damage(name)
                for words in (["endpoints"], ["ipam"], ["ipam", "check"]):
                    code, error = self.towpathctl(*words)
                    self.assertEqual((code, len(error.splitlines())), (1, 1), error)
                    self.assertIn(self.words, error)
                    self.assertIn(self.way_out, error)
                with self.assertRaises(LabError) as refused:
                    self.host.start_agent()
                self.assertIn("towpathd ended with 1", str(refused.exception))
                self.assertIn("cannot start", str(refused.exception))
                self.assertIn(self.words, str(refused.exception))
                for verb in (self.host.network.add, self.host.network.delete):
                    with self.assertRaises(CniError) as refused:
                        verb(one.id, one.path)
                    self.assertEqual(refused.exception.code, 5, refused.exception)
                    self.assertIn(self.words, str(refused.exception))
                self.assertTrue(one.pings(other.ipv4) and one.pings(other.ipv6), "containers do not notice")
                for container in (one, other):
                    self.lab._del_netns(container.netns)
                for file in self.db.iterdir():
                    file.unlink()
                self.db.rmdir()
                self.host.start_agent()
                new = self.host.add_container("c3")
                self.assertTrue(new.pings(self.host.ipv4))
                self.host.del_container(new)

    def test_only_the_data_file_is_taken_away_under_the_agent(self):
        self.host.add_container("c1")
        (self.db / "data.mdb").unlink()
        wait_until(lambda: {row["block"] for row in self.host.ctl("ipam", check=False)} == set(self.host.blocks), 10,
                   lambda: f"the agent writes its blocks again\n{self.host.log_tail()}")
        new = self.host.add_container("c2")
        self.assertTrue(new.pings(self.host.ipv4))
        wait_until(lambda: self.host.ctl("status")[0]["endpoints"] == 1, 10, "the agent sees what is written now")

    def test_a_store_that_is_taken_away_under_the_agent(self):
        one, other = self.host.add_container("c1"), self.host.add_container("c2")
        shutil.rmtree(self.db)
        wait_until(lambda: {row["block"] for row in self.host.ctl("ipam", check=False)} == set(self.host.blocks), 10,
                   lambda: f"the agent writes its blocks again\n{self.host.log_tail()}")
        new = self.host.add_container("c3")
        self.assertNotIn(new.ipv4, (one.ipv4, other.ipv4))
        self.assertNotIn(new.ipv6, (one.ipv6, other.ipv6))
        self.assertTrue(new.pings(one.ipv4) and other.pings(new.ipv6))
        log = self.host.log_path.read_text()
        self.assertEqual(log.count("the state store was taken away"), 1, log)
        # What an operator does next: the old ones go and come back.
        for container in (one, other):
            self.host.network.delete(container.id, container.path)
            self.host.network.add(container.id, container.path)
        self.assertEqual({row["container_id"] for row in self.host.ctl("endpoints")}, {one.id, other.id, new.id})
        self.assertEqual(self.host.ctl("ipam", "check"), [])


if __name__ == "__main__":
    unittest.main()
