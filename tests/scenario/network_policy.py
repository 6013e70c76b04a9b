"""Network policy on one host, from files to traffic: in force before ADD returns, when files change, without the agent, and
after somebody took the rules away.
"""

import json
import socket
import unittest

from lab import CniError, Lab, LabError, inside, wait_until


def policy(name, namespace="shop", **spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec}


DENY_ALL = policy("deny", podSelector={})


class Flow:
    """A connection whose two ends both send, asked for or not."""

    ports = iter(range(9100, 9999))

    def __init__(self, test, client, server, kind, address):
        self.kind, self.address = kind, address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        port = next(self.ports)
        with inside(server.netns):
            self.server = socket.socket(family, kind)
            self.server.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
        with inside(client.netns):
            self.client = socket.socket(family, kind)
        if kind == socket.SOCK_STREAM:
            self.server.listen()
            self.client.connect((address, port))
            listener, (self.server, _) = self.server, self.server.accept()
            listener.close()
        else:
            self.client.connect((address, port))
            self.client.send(b"first")
            self.server.connect(self.server.recvfrom(100)[1])
        for end in (self.client, self.server):
            end.settimeout(0.2)
            test.addCleanup(end.close)

    def passes(self):
        """True if what the client sends arrives. The server sends, too, as it might when it has not noticed."""
        self.client.setblocking(False)
        self.server.setblocking(False)
        for end in (self.client, self.server):
            try:
                while end.recv(1000):
                    pass
            except OSError:
                pass
        self.client.settimeout(0.2)
        self.server.settimeout(0.2)
        try:
            self.server.send(b"unasked")
            self.client.send(b"request")
            return bool(self.server.recv(1000))
        except OSError:
            return False


class NetworkPolicy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.host = cls.lab.add_host("host-a")
        cls.policies = cls.host.directory / "policies"
        cls.plugin = cls.host.network.conflist["plugins"][0]
        cls.plugin["networkPolicies"] = cls.host.config["network_policies"] = str(cls.policies)
        cls.host.start_agent()
        cls.number = 0

    def tearDown(self):
        if self.host.agent is None:
            self.host.start_agent()
        for container in list(self.host.containers.values()):
            self.host.del_container(container)
        self.switch_off()

    def add(self, namespace="shop", **labels):
        type(self).number += 1
        self.plugin["args"] = {"cni": {"labels": [{"key": key, "value": value} for key, value in labels.items()]}}
        try:
            container = self.host.add_container(f"c{self.number}", args=f"K8S_POD_NAMESPACE={namespace}")
        finally:
            del self.plugin["args"]
        container.serve()
        return container

    def write(self, *objects, name="policies.json"):
        """All objects in one file that takes the place of the one before."""
        self.policies.mkdir(exist_ok=True)
        part = self.policies / ".part"
        part.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
        part.rename(self.policies / name)

    def put(self, *objects):
        """The same, and waits until it is in force."""
        before = self.status()["policies_readings"]
        self.write(*objects)
        count = sum(one["kind"] == "NetworkPolicy" for one in objects)
        wait_until(lambda: (status := self.status())["policies_readings"] > before and status["policies"] == count and
                   not status["policies_problem"], what=self.status)

    def switch_off(self):
        if self.policies.exists():
            for file in self.policies.iterdir():
                file.unlink()
            self.policies.rmdir()
        wait_until(lambda: not self.status()["policies_on"] and not self.table(), what=self.status)

    def status(self):
        return self.host.ctl("status")[0]

    def table(self):
        return self.host.run("nft", "list", "table", "inet", "towpath_policy", check=False)

    def reaches(self, client, server, timeout=0.3):
        """By which families."""
        return "".join(word for word, address in (("4", server.ipv4), ("6", server.ipv6))
                       if client.call(address, timeout=timeout) is not None)

    def test_without_a_directory_nothing_is_asked_of_the_agent(self):
        self.host.stop_agent()
        a, b = self.add(), self.add()
        self.assertEqual(self.reaches(a, b), "46")
        self.assertEqual(self.table(), "")

    def test_only_what_policies_allow_passes(self):
        web, db, other = self.add(app="web"), self.add(app="db"), self.add(namespace="ops", app="web")
        self.assertEqual(self.reaches(other, db), "46")
        self.put(policy("db", podSelector={"matchLabels": {"app": "db"}},
                        ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 8080}]}]))
        self.assertEqual(self.reaches(web, db), "46")
        self.assertEqual(self.reaches(other, db), "", "another namespace")
        self.assertEqual(self.reaches(db, other), "46", "not isolated in this direction")
        for address in (db.ipv4, db.ipv6):
            with inside(self.host.netns):
                with socket.create_connection((address, 8080), timeout=2) as probe:
                    self.assertTrue(probe.recv(100), "the host reaches its containers")
        self.put(DENY_ALL)
        self.assertEqual(self.reaches(web, db), "")

    def test_a_container_is_judged_from_its_first_packet_on(self):
        self.put(policy("all", podSelector={}, policyTypes=["Ingress", "Egress"]))
        server = self.add(namespace="open")
        with inside(server.netns):
            listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            listener.bind(("::", 9000))
        with listener:
            listener.settimeout(0.2)
            for _ in range(10):
                client = self.add()
                with inside(client.netns):
                    for family, address in ((socket.AF_INET, server.ipv4), (socket.AF_INET6, server.ipv6)):
                        with socket.socket(family, socket.SOCK_DGRAM) as sender:
                            sender.sendto(b"x", (address, 9000))
                self.host.del_container(client)
            allowed = self.add(namespace="open")
            with inside(allowed.netns), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"behind all others", (server.ipv6, 9000))
            self.assertEqual(listener.recv(100), b"behind all others")

    def test_a_malformed_file_leaves_the_old_policies_in_force(self):
        a, b = self.add(), self.add()
        self.put(DENY_ALL)
        self.write(policy("db", podSelector={}, ingress=[{"ports": [{"port": 99999}]}]))
        wait_until(lambda: self.status()["policies_refused"], what=self.status)
        self.assertIn("NetworkPolicy shop/db: items[0].spec.ingress[0].ports[0].port: value '99999'",
                      self.status()["policies_problem"])
        self.assertEqual(self.reaches(a, b), "")
        self.assertEqual(self.reaches(self.add(), b), "", "a new container, by the old policies")
        self.put(policy("open", podSelector={}, ingress=[{}]))
        self.assertFalse(self.status()["policies_refused"])
        self.assertEqual(self.reaches(a, b), "46")

    def test_without_the_agent_rules_stay_and_containers_do_not_start(self):
        a, b = self.add(), self.add()
        self.put(DENY_ALL)
        self.host.stop_agent(9)
        self.assertEqual(self.reaches(a, b), "")
        with self.assertRaises(CniError) as raised:
            self.add()
        self.assertEqual(raised.exception.code, 11)
        self.assertIn("network policies need the agent", raised.exception.message)
        self.lab._del_netns(self.host.containers.popitem()[1].netns)
        with self.assertRaises(CniError) as raised:
            self.host.network.status()
        self.assertEqual(raised.exception.code, 51)
        # Files that change meanwhile count when it is back.
        self.write(policy("open", podSelector={}, ingress=[{}]))
        self.assertEqual(self.reaches(a, b), "")
        self.host.start_agent()
        wait_until(lambda: self.reaches(a, b) == "46", what=self.status)

    def test_an_agent_that_starts_with_a_malformed_file_changes_nothing(self):
        a, b = self.add(), self.add()
        self.put(DENY_ALL)
        self.host.stop_agent()
        (self.policies / "bad.yaml").write_text("nonsense\n")
        self.host.start_agent()
        wait_until(lambda: self.status()["policies_refused"], what=self.status)
        self.assertEqual(self.reaches(a, b), "")
        with self.assertRaises(CniError) as raised:
            self.add()
        self.assertIn("bad.yaml:1", raised.exception.message)
        self.lab._del_netns(self.host.containers.popitem()[1].netns)
        (self.policies / "bad.yaml").unlink()
        wait_until(lambda: not self.status()["policies_refused"], what=self.status)
        self.add()

    def test_rules_that_somebody_took_away_are_put_back(self):
        a, b = self.add(), self.add()
        self.put(DENY_ALL)
        for command in (["flush", "ruleset"], ["delete", "table", "inet", "towpath_policy"],
                        ["flush", "chain", "inet", "towpath_policy", "ingress"]):
            before = self.status()["policies_repaired"]
            self.host.run("nft", *command)
            wait_until(lambda: self.status()["policies_repaired"] > before and "no endpoint has" in self.table(),
                       what=self.status)
            self.assertEqual(self.reaches(a, b), "", command)

    def test_flows_that_are_forbidden_now_are_cut(self):
        """TCP and UDP, in both families, while both ends send; a flow that stays allowed loses nothing."""
        server, client, friend = self.add(app="db"), self.add(app="web"), self.add(app="friend")
        open_to = lambda *apps: policy("db", podSelector={"matchLabels": {"app": "db"}}, ingress=[  # noqa: E731
            {"from": [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": list(apps)}]}}]}])
        self.put(open_to("web", "friend"))
        flows = []
        for container in (client, friend):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                for address in (server.ipv4, server.ipv6):
                    flows.append((container, Flow(self, container, server, kind, address)))
        self.assertTrue(all(flow.passes() for _, flow in flows))
        self.put(open_to("friend"))
        for container, flow in flows:
            wait_until(lambda: flow.passes() == (container is friend), 5, f"{container.name} {flow.kind} {flow.address}")
        self.assertFalse(any(flow.passes() for container, flow in flows if container is client), "and stay so")
        self.assertEqual(self.status()["policies_flows_cut"] >= 4, True)

    def test_what_is_in_force_can_be_asked(self):
        web, db = self.add(app="web"), self.add(app="db")
        with self.assertRaisesRegex(LabError, "there are no network policies"):
            self.host.ctl("policy", "show")
        self.put(policy("db", podSelector={"matchLabels": {"app": "db"}},
                        ingress=[{"ports": [{"port": 1}]}, {"ports": [{"port": 8080}]}]), DENY_ALL)
        rows = {row["addresses"][0]: row for row in self.host.ctl("policy", "show")}
        self.assertEqual(rows[db.ipv4]["ingress_policies"], ["shop/db", "shop/deny"])
        self.assertEqual((rows[web.ipv4]["ingress_policies"], rows[web.ipv4]["egress_isolated"]), (["shop/deny"], False))
        self.assertIn("shop/db,shop/deny", self.host.ctl_table("policy", "show"))
        for a, b in ((web.ipv4, db.ipv4), (web.ipv6, db.ipv6)):
            row, = self.host.ctl("policy", "simulate", a, b, "--port", "8080")
            self.assertTrue(row["allowed"])
            self.assertEqual(row["ingress_allowed_by"], ["shop/db ingress[1]"])
            row, = self.host.ctl("policy", "simulate", a, b, "--port", "8081", "--protocol", "udp")
            self.assertEqual((row["allowed"], row["verdict"]), (False, "no ingress policy of the receiver allows it"))
        with self.assertRaisesRegex(LabError, "must be of the family of"):
            self.host.ctl("policy", "simulate", web.ipv4, db.ipv6)

    def test_reload_reads_the_files(self):
        """Also where nobody could watch them: a linked file that is written in another directory."""
        a, b = self.add(), self.add()
        elsewhere = self.host.directory / "elsewhere.json"
        elsewhere.write_text(json.dumps(policy("open", podSelector={}, ingress=[{}])))
        self.policies.mkdir()
        (self.policies / "link.json").symlink_to(elsewhere)
        self.host.reload_agent()
        wait_until(lambda: self.status()["policies"] == 1, what=self.status)
        self.assertEqual(self.reaches(a, b), "46")
        elsewhere.write_text(json.dumps(DENY_ALL))
        self.host.reload_agent()
        wait_until(lambda: self.reaches(a, b) == "", what=self.status)


if __name__ == "__main__":
    unittest.main()
