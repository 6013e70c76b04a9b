"""What a runtime asks for one container, shown by traffic: port mappings from outside, from the host and from containers,
in both families, over the life of containers and of the agent.
"""

import json
import signal
import socket
import subprocess
import threading
import time
import unittest
import unittest.mock

from lab import CniError, CniNetwork, Lab, inside, run, wait_until, yaml_lines

BANDWIDTH = {"ingressRate": 100_000_000, "ingressBurst": 1_000_000, "egressRate": 100_000_000, "egressBurst": 1_000_000}


def mapping(host_port, container_port=8080, **more):
    return {"hostPort": host_port, "containerPort": container_port, "protocol": "tcp", **more}


def call(netns, address, port, timeout=2.0):
    """As whom a server at this place sees a client in the namespace; None if nothing answers."""
    try:
        with inside(netns):
            connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        with connection:
            connection.settimeout(timeout)
            connection.connect((address, port))
            answer = b""
            while piece := connection.recv(100):
                answer += piece
            return answer.decode()
    except OSError:
        return None


class UdpClient:
    """One socket, so one flow."""

    def __init__(self, netns, address, port):
        with inside(netns):
            self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0.2)
        self.target = (address, port)

    def ask(self):
        """Who answers now; None: nobody."""
        try:
            self.socket.sendto(b"?", self.target)
            return self.socket.recv(100).decode()
        except OSError:
            return None


class Capabilities(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.host, cls.outside = cls.lab.add_host("host-a"), cls.lab.add_host("host-b")
        cls.host.network.conflist["plugins"][0]["capabilities"] = {"portMappings": True, "bandwidth": True, "ips": True}
        cls.host.start_agent()
        cls.number = 0

    def tearDown(self):
        for container in list(self.host.containers.values()):
            self.host.del_container(container)
        if self.host.agent is None:
            self.host.start_agent()
        self.assertEqual(self.elements(), {})
        self.assertEqual(self.traces(), ([], []))

    def add(self, *ports, serve=8080, **capabilities):
        type(self).number += 1
        if ports:
            capabilities["portMappings"] = list(ports)
        container = self.host.add_container(f"c{self.number}", capabilities=capabilities)
        if serve:
            container.serve(serve)
        return container

    def elements(self):
        """{map: number of elements} of the host's mappings, without empty ones."""
        document = json.loads(run("ip", "netns", "exec", self.host.netns, "nft", "-j", "list", "ruleset"))
        sets = [row.get("map") or row.get("set") for row in document["nftables"] if "map" in row or "set" in row]
        return {row["name"]: len(row["elem"]) for row in sets if row.get("elem")}

    def traces(self):
        links = json.loads(run("ip", "-n", self.host.netns, "-j", "link"))
        return ([row["ifname"] for row in links if row["ifname"].startswith(("tp", "tb"))], self.host.ctl("endpoints"))

    def udp_server(self, container, port, answer):
        with inside(container.netns):
            server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind(("::", port))

        def work():
            while True:
                data, client = server.recvfrom(100)
                if data == b"end":
                    return
                server.sendto(answer.encode(), client)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()

        def end():
            with inside(container.netns):
                closer = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            with closer:
                closer.sendto(b"end", ("::1", port))
            thread.join(5)
            server.close()

        self.addCleanup(end)

    def test_from_another_host_the_client_is_seen_as_itself(self):
        self.add(mapping(8000))
        self.assertEqual(call(self.outside.netns, self.host.ipv4, 8000), self.outside.ipv4)
        self.assertEqual(call(self.outside.netns, self.host.ipv6, 8000), self.outside.ipv6)
        self.assertIsNone(call(self.outside.netns, self.host.ipv4, 8001, 0.5))

    def test_from_the_host_itself(self):
        self.add(mapping(8000))
        self.assertEqual(call(self.host.netns, self.host.ipv4, 8000), self.host.ipv4)
        self.assertEqual(call(self.host.netns, self.host.ipv6, 8000), self.host.ipv6)
        self.assertEqual(call(self.host.netns, "127.0.0.1", 8000), self.host.ipv4)

    def test_from_containers_the_same_one_too(self):
        one, other = self.add(mapping(8000)), self.add(serve=None)
        self.assertEqual(call(other.netns, self.host.ipv4, 8000), other.ipv4)
        self.assertEqual(call(other.netns, self.host.ipv6, 8000), other.ipv6)
        self.assertEqual(call(one.netns, self.host.ipv4, 8000), self.host.ipv4, "itself, by way of the host")
        self.assertEqual(call(one.netns, self.host.ipv6, 8000), self.host.ipv6)

    def test_a_container_does_not_reach_the_loopback_of_the_host(self):
        one = self.add(mapping(8000))
        with inside(self.host.netns):
            listener = socket.create_server(("127.0.0.1", 9000))
        with listener:
            one.run("ip", "route", "add", "127.0.0.0/8", "via", "169.254.1.1", "dev", "eth0", "onlink", "table", "7")
            one.run("ip", "rule", "add", "pref", "0", "to", "127.0.0.1", "lookup", "7")
            one.run("ip", "rule", "del", "pref", "0", "lookup", "local")
            one.run("ip", "rule", "add", "pref", "1", "lookup", "local")
            one.run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
            self.assertIsNone(call(one.netns, "127.0.0.1", 9000, 0.5))
            dropped = run("ip", "netns", "exec", self.host.netns, "nft", "list", "chain", "inet", "towpath", "anti_spoofing")
            self.assertRegex(dropped, r"127\.0\.0\.0/8 counter packets [1-9]")

    def test_host_ip(self):
        run("ip", "-n", self.host.netns, "address", "add", "192.0.2.77/32", "dev", "lo")
        self.addCleanup(run, "ip", "-n", self.host.netns, "address", "del", "192.0.2.77/32", "dev", "lo")
        self.add(mapping(8000, hostIP=self.host.ipv4), mapping(8001, hostIP="0.0.0.0"), mapping(8002, hostIP="::"),
                 mapping(8003, hostIP="127.0.0.1"))
        here, outside = self.host, self.outside.netns
        self.assertEqual(call(outside, here.ipv4, 8000), self.outside.ipv4)
        self.assertIsNone(call(here.netns, "192.0.2.77", 8000, 0.5), "another address of the host")
        self.assertIsNone(call(outside, here.ipv6, 8000, 0.5))
        self.assertEqual(call(outside, here.ipv4, 8001), self.outside.ipv4)
        self.assertIsNone(call(outside, here.ipv6, 8001, 0.5), "0.0.0.0 is IPv4 only")
        self.assertEqual(call(outside, here.ipv6, 8002), self.outside.ipv6)
        self.assertIsNone(call(outside, here.ipv4, 8002, 0.5))
        self.assertIn(call(here.netns, "127.0.0.1", 8003), (here.ipv4, "192.0.2.77"))
        self.assertIsNone(call(outside, here.ipv4, 8003, 0.5))

    def test_udp_flows_follow_the_mapping(self):
        for address in (self.host.ipv4, self.host.ipv6):
            client = UdpClient(self.outside.netns, address, 5300)
            self.addCleanup(client.socket.close)
            self.assertIsNone(client.ask(), "a flow begins before there is a mapping")
            for turn in ("first", "second"):
                container = self.add(mapping(5300, 53, protocol="udp"), serve=None)
                self.udp_server(container, 53, turn)
                wait_until(lambda: client.ask() == turn, 3, f"the flow goes to the {turn} container")
                self.doCleanups_of_server()
                self.host.del_container(container)
                self.assertIsNone(client.ask(), "and to nobody when that is gone")

    def doCleanups_of_server(self):
        """The server must end before its namespace does; the client's socket stays."""
        function, args, kwargs = self._cleanups.pop()
        function(*args, **kwargs)

    def test_del_without_a_sandbox_takes_the_ports_back(self):
        container = self.add(dict(mapping(8060), protocol="udp"), mapping(8061), serve=None)
        self.lab._del_netns(container.netns)
        del self.host.containers[container.name]
        for _ in ("the first", "and again"):
            self.host.network.delete(container.id, "")
            self.assertEqual(self.elements(), {})
            self.assertEqual(self.traces()[1], [])
        wait_until(lambda: self.traces() == ([], []), 5, "the kernel takes away what the sandbox had")

    def test_a_port_belongs_to_who_came_first(self):
        self.add(mapping(8000))
        rows = (mapping(8000), mapping(8000, hostIP=self.host.ipv6), mapping(8000, hostIP="0.0.0.0"))
        for row in rows:
            with self.assertRaises(CniError) as raised:
                self.add(mapping(7999), row)
            self.assertEqual(raised.exception.code, 102, raised.exception)
            self.assertRegex(raised.exception.message, r"port 8000/tcp on .* of the host leads to host-a-c\d+-\d+/eth0 already")
            self.lab._del_netns(self.host.containers.popitem()[1].netns)
        self.assertEqual(len(self.host.ctl("endpoints")), 1)
        self.assertEqual(self.elements(), {"ports_any4": 1, "ports_any6": 1, "hairpin4": 1, "hairpin6": 1})
        self.add(mapping(8000, protocol="udp"), serve=None)
        self.assertEqual(call(self.outside.netns, self.host.ipv4, 8000), self.outside.ipv4)

    def test_another_plugin_sets_the_mac(self):
        chain = {"cniVersion": "1.0.0", "name": "towpath", "plugins": [
            self.host.network.conflist["plugins"][0] | {"capabilities": {"mac": True}},
            {"type": "tuning", "capabilities": {"mac": True}, "mac": "02:00:5e:00:53:42"}]}
        # Also the address that the interface has: the kernel drops the sandbox's neighbours whenever one is set.
        for asked in ({}, {"mac": "02:00:5e:00:53:43"}):
            with self.subTest(asked), unittest.mock.patch.object(self.host, "network", CniNetwork(self.host, chain)):
                container = self.add(**asked)
                self.host.network.check(container.id, container.path)
                link = json.loads(container.run("ip", "-j", "link", "show", "eth0"))[0]
                self.assertEqual(link["address"], asked.get("mac", "02:00:5e:00:53:42"))
                self.assertEqual(call(self.host.netns, container.ipv4, 8080), self.host.ipv4)
                self.assertEqual(call(self.host.netns, container.ipv6, 8080), self.host.ipv6)
                self.host.stop_agent()
                container.run("ip", "link", "set", "eth0", "address", "02:00:5e:00:53:44")
                self.assertIsNone(call(self.host.netns, container.ipv4, 8080, 0.5))
                self.host.start_agent()
                wait_until(lambda: call(self.host.netns, container.ipv4, 8080, 0.5), 5, "an agent that comes back mends it")
                self.host.del_container(container)

    def test_check_reads_the_kernel(self):
        container = self.add(mapping(8000), mapping(8001, hostIP=self.host.ipv6), bandwidth=BANDWIDTH)
        check = lambda: self.host.network.check(container.id, container.path)  # noqa: E731
        check()
        take_away = ("nft", "delete", "element", "inet", "towpath", "ports_on6", f"{{ tcp . {self.host.ipv6} . 8001 }}")
        before = self.elements()
        self.host.run(*take_away)
        wait_until(lambda: self.elements() == before, 5, "the agent puts it back")
        check()
        self.host.stop_agent()
        self.host.run(*take_away)
        with self.assertRaisesRegex(CniError, f"the port mapping 8001/tcp on {self.host.ipv6} to .* is gone"):
            check()
        self.host.start_agent()
        check()

    def test_without_the_agent(self):
        served, gone = self.add(mapping(8000)), self.add(mapping(8001))
        self.host.stop_agent()
        self.add(serve=None)  # needs no agent
        with self.assertRaises(CniError) as raised:
            self.add(mapping(8002), serve=None, bandwidth=BANDWIDTH)
        self.assertEqual(raised.exception.code, 11, raised.exception)
        self.assertIn("port mappings need the agent: towpathd at", raised.exception.message)
        self.lab._del_netns(self.host.containers.popitem()[1].netns)
        self.assertEqual(len(self.host.ctl("endpoints")), 3)
        self.assertEqual([name for name in self.traces()[0] if name.startswith("tb")], [])
        self.assertEqual(call(self.outside.netns, self.host.ipv4, 8000), self.outside.ipv4, "mappings stay")
        self.host.network.check(served.id, served.path)
        # Whoever gets its address next must not get its port, too.
        addresses = (gone.ipv4, gone.ipv6)
        self.host.del_container(gone)
        self.assertEqual(self.elements(), {"ports_any4": 1, "ports_any6": 1, "hairpin4": 1, "hairpin6": 1})
        heir = self.add(ips=list(addresses))
        self.assertEqual((heir.ipv4, heir.ipv6), addresses)
        for address in (self.host.ipv4, self.host.ipv6):
            self.assertIsNone(call(self.outside.netns, address, 8001))
        self.host.start_agent()
        self.assertEqual(self.elements(), {"ports_any4": 1, "ports_any6": 1, "hairpin4": 1, "hairpin6": 1})
        self.assertEqual(call(self.outside.netns, self.host.ipv6, 8000), self.outside.ipv6)

    def test_status_asks_the_agent(self):
        status = self.host.network.status
        status()
        self.host.agent.popen.send_signal(signal.SIGSTOP)
        try:
            with self.assertRaises(CniError) as raised:
                status()
        finally:
            self.host.agent.popen.send_signal(signal.SIGCONT)
        self.assertEqual(raised.exception.code, 51, raised.exception)
        self.assertRegex(raised.exception.message, "port mappings need the agent: towpathd at .* does not answer in time")
        self.host.stop_agent()
        with self.assertRaises(CniError) as raised:
            status()
        self.assertEqual(raised.exception.code, 51, raised.exception)
        plugin = self.host.network.conflist["plugins"][0]
        with unittest.mock.patch.dict(plugin, capabilities={"portMappings": False, "bandwidth": True}):
            status()

    def test_a_stream_outlives_the_agent(self):
        container = self.add(mapping(8100, 8101), serve=None)
        with inside(container.netns):
            listener = socket.create_server(("::", 8101), family=socket.AF_INET6, dualstack_ipv6=True)
        with inside(self.outside.netns):
            client = socket.create_connection((self.host.ipv4, 8100), timeout=5)
        with listener, client:
            server, _ = listener.accept()
            with server:
                self.host.agent.popen.kill()
                self.host.agent.popen.wait()
                for _ in range(3):
                    client.sendall(b"x")
                    self.assertEqual(server.recv(1), b"x")
                    if not self.host.agent.running():
                        self.host.start_agent()

    def rules(self):
        """The ruleset of the host, without what counts and what is numbered."""
        document = json.loads(run("ip", "netns", "exec", self.host.netns, "nft", "-j", "list", "ruleset"))

        def bare(value):
            if isinstance(value, dict):
                return {key: bare(one) for key, one in value.items() if key not in ("handle", "packets", "bytes")}
            return [bare(one) for one in value] if isinstance(value, list) else value

        return sorted(json.dumps(bare(row), sort_keys=True) for row in document["nftables"])

    def test_rules_that_others_flush_are_back_at_once(self):
        """What the start of a firewall does on Debian: `flush ruleset`, and then its own rules."""
        nft = ("ip", "netns", "exec", self.host.netns, "nft")
        self.add(mapping(8000))
        before, repairs = self.rules(), self.host.ctl("status")[0]["rules_repaired"]
        for command in ("flush ruleset; add table inet filter", "delete table inet towpath",
                        "flush chain inet towpath anti_spoofing", "flush map inet towpath ports_any4"):
            began = time.monotonic()
            run(*nft, command)
            wait_until(lambda: set(before) <= set(self.rules()), 10, lambda: f"after '{command}': {self.rules()}")
            print(f"'{command}': put back within {1000 * (time.monotonic() - began):.0f} ms, nft's own time included")
            self.assertEqual(call(self.outside.netns, self.host.ipv4, 8000), self.outside.ipv4)
        self.assertEqual([row for row in self.rules() if row not in before], ['{"table": {"family": "inet", "name": "filter"}}'],
                         "the table of others stays as it is")
        run(*nft, "delete table inet filter")
        wait_until(lambda: self.host.ctl("status")[0]["rules_repaired"] >= repairs + 4, 5, "each was counted")
        self.assertRegex(self.host.log_tail(200), "somebody changed the rules in table inet towpath; they are put back")
        container = self.add(mapping(8001), serve=8080)
        self.assertEqual(call(self.outside.netns, self.host.ipv6, 8001), self.outside.ipv6)
        self.host.network.check(container.id, container.path)

    def test_a_second_agent_changes_nothing(self):
        self.add(mapping(8000))
        before = self.rules(), self.host.routes()
        config = dict(self.host.config, state_dir=str(self.host.directory / "other"),
                      control_socket=str(self.host.directory / "other.sock"), blocks=["10.64.77.0/26"])
        path = self.host.directory / "other.yaml"
        path.write_text("\n".join(yaml_lines(config)) + "\n")
        (self.host.directory / "other").mkdir(exist_ok=True)
        second = subprocess.run(["ip", "netns", "exec", self.host.netns, self.lab.bin / "towpathd", "--config", path],
                                stderr=subprocess.PIPE, text=True, timeout=20)
        self.assertEqual(second.returncode, 1, second.stderr)
        self.assertIn("Address already in use", second.stderr)
        self.assertEqual((self.rules(), self.host.routes()), before)

    def test_an_endpoint_whose_sandbox_is_gone_is_released(self):
        container = self.add(mapping(8000), serve=None, bandwidth=BANDWIDTH)
        other = self.add(mapping(8001))
        before = self.host.ctl("status")[0]["endpoints_released"]
        self.lab._del_netns(container.netns)
        del self.host.containers[container.name]
        wait_until(lambda: len(self.host.ctl("endpoints")) == 1, 60, "the endpoint is released", interval=0.5)
        status = self.host.ctl("status")[0]
        self.assertEqual(status["endpoints_released"], before + 1)
        self.assertEqual((status["endpoints"], status["port_mappings"]), (1, 2))
        self.assertEqual(len(self.traces()[0]), 1, "no ifb")
        self.assertEqual(call(self.outside.netns, self.host.ipv4, 8001), self.outside.ipv4)
        self.assertIn("an endpoint was released", self.host.log_tail(200))
        self.host.network.delete(container.id, "")  # the runtime comes after all
        self.host.network.check(other.id, other.path)


if __name__ == "__main__":
    unittest.main()
