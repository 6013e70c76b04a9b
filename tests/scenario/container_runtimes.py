#!/usr/bin/python3
"""Real container runtimes call the plugin: podman, containerd through `ctr`, and containerd as a kubelet uses it (CRI).

Each runs a web server in a container of one host; a container of another host reaches it, over both families and through a
port of the host, and is reached by it. When the runtime has removed the container nothing of it is left. Daemons, images and
state lie in private folders; nothing comes from a registry.
"""

import json
import socket
import unittest

from lab import Lab, inside, run, wait_until
from runtimes.cri import Cri
from runtimes.image import write_busybox_image
from runtimes.machine import Machine

IMAGE = "localhost/busybox:1"
SERVER = ("httpd", "-f", "-p", "80", "-h", "/etc")
HOST_PORT = 8081


def fetch(netns, address, port=80):
    """The page of the web server, as seen from a namespace; None where nothing answers."""
    try:
        with inside(netns):
            connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        with connection:
            connection.settimeout(2)
            connection.connect((address, port))
            connection.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
            return answer.decode().rsplit("\r\n\r\n", 1)[-1]
    except OSError:
        return None


class Runtimes(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.host, self.other = self.lab.add_host("host-a"), self.lab.add_host("host-b")
        self.lab.full_mesh()
        for host in (self.host, self.other):
            host.start_agent()
        self.client = self.other.add_container("client")
        self.client.serve()
        wait_until(lambda: set(self.host.blocks) <= set(self.other.routes()), 20, "routes")
        self.machine = Machine(self.host)
        self.image = self.machine.directory / "image.tar"
        write_busybox_image(self.image, IMAGE, ["sleep", "100000"])

    def endpoint(self):
        rows = self.host.ctl("endpoints")
        self.assertEqual(len(rows), 1, rows)
        return rows[0]

    def assert_reached(self, addresses, port_of_host=True):
        """The client reaches the server, by its addresses and by the host's."""
        self.assertEqual(["." in addresses[0], ":" in addresses[1]], [True, True], addresses)
        for address in addresses:
            wait_until(lambda: fetch(self.client.netns, address) == "towpath\n", 10, f"the page of {address}")
        for address in (self.host.ipv4, self.host.ipv6) if port_of_host else ():
            self.assertEqual(fetch(self.other.netns, address, HOST_PORT), "towpath\n", address)

    def assert_reaches(self, addresses, execute):
        """The other way round, with its own addresses as source."""
        for own, target in zip(addresses, (self.client.ipv4, self.client.ipv6)):
            self.assertEqual(execute("nc", target, "8080"), own)

    def assert_nothing_left(self):
        wait_until(lambda: self.host.ctl("endpoints") == [], 10, lambda: f"no endpoint: {self.host.ctl('endpoints')}")
        links = json.loads(run("ip", "-n", self.host.netns, "-j", "link"))
        self.assertEqual([link["ifname"] for link in links if link["ifname"].startswith("tp")], [])
        wait_until(lambda: self.host.ctl("status")[0]["port_mappings"] == 0, 5, "no port mapping")

    # --- podman

    def test_podman(self):
        place = self.machine.directory / "podman"
        place.mkdir()
        # Limits that a machine without CAP_SYS_RESOURCE can set, and the runtime that knows hybrid cgroups.
        (place / "containers.conf").write_text(f"""
[containers]
log_driver = "k8s-file"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "cni"
network_config_dir = "{self.machine.networks}"
cni_plugin_dirs = ["{self.machine.plugins}"]
default_network = "towpath"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
static_dir = "{place}/static"
tmp_dir = "{place}/tmp"
""")
        (place / "storage.conf").write_text(f'[storage]\ndriver = "overlay"\nrunroot = "{place}/run"\ngraphroot = "{place}/root"\n')
        environment = ["env", f"CONTAINERS_CONF={place / 'containers.conf'}", f"CONTAINERS_STORAGE_CONF={place / 'storage.conf'}"]

        def podman(*words, **options):
            return self.machine.run(*environment, "podman", *words, timeout=60, **options).strip()

        self.addCleanup(lambda: podman("rm", "--all", "--force", "--time", "0", check=False))
        podman("load", "--quiet", "--input", self.image)
        image = podman("images", "--quiet")
        podman("run", "--detach", "--name", "web", "--publish", f"{HOST_PORT}:80", "--entrypoint", json.dumps(SERVER), image)
        row = self.endpoint()
        self.assertEqual(row["addresses"][0], podman("inspect", "web", "--format",
                                                     "{{.NetworkSettings.Networks.towpath.IPAddress}}"))
        self.assert_reached(row["addresses"])
        self.assert_reaches(row["addresses"], lambda *command: podman("exec", "web", *command))
        podman("rm", "--force", "--time", "0", "web")
        self.assert_nothing_left()

    # --- containerd

    def start_containerd(self):
        place = self.machine.directory / "containerd"
        place.mkdir()
        self.socket = place / "containerd.sock"
        (place / "config.toml").write_text(f"""
version = 2
root = "{place}/root"
state = "{place}/state"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{self.machine.plugins}"
    conf_dir = "{self.machine.networks}"
""")
        daemon = self.machine.start(["containerd", "--config", place / "config.toml"], log=place / "log")
        self.addCleanup(self.machine.end_shims)
        self.addCleanup(daemon.stop)
        wait_until(lambda: "Server" in self.ctr("version", check=False), 20, lambda: f"containerd answers: {daemon.log()[-2000:]}")

    def ctr(self, *words, **options):
        return self.machine.run("ctr", "--address", self.socket, *words, timeout=60, **options)

    def test_ctr(self):
        self.start_containerd()
        self.ctr("image", "import", self.image)
        # In the foreground: this is how ctr takes the network away again.
        client = self.machine.start(["ctr", "--address", self.socket, "run", "--rm", "--null-io", "--cni", IMAGE, "web", *SERVER])
        self.addCleanup(lambda: self.ctr("task", "kill", "--signal", "SIGKILL", "web", check=False))
        wait_until(lambda: self.host.ctl("endpoints"), 20, "the container is attached")
        row = self.endpoint()
        self.assertTrue(row["sandbox"].startswith("/proc/"), row)
        self.assert_reached(row["addresses"], port_of_host=False)
        self.assert_reaches(row["addresses"], lambda *command: self.ctr("task", "exec", "--exec-id", "call", "web", *command))
        self.ctr("task", "kill", "--signal", "SIGKILL", "web")
        client.popen.wait(20)
        self.assert_nothing_left()

    def test_cri(self):
        self.start_containerd()
        self.ctr("--namespace", "k8s.io", "image", "import", self.image)
        cri = Cri(self.socket)
        self.addCleanup(cri.close)
        wait_until(cri.is_ready, 20, "the runtime and its network are ready")
        pod = cri.run_pod("web-0", "shop", {"app": "web"}, [(HOST_PORT, 80)])
        self.addCleanup(cri.remove_pod_if_there, pod)
        addresses = cri.addresses(pod)
        row = self.endpoint()
        self.assertEqual(addresses, row["addresses"])
        self.assertEqual((row["pod"]["K8S_POD_NAMESPACE"], row["pod"]["K8S_POD_NAME"]), ("shop", "web-0"), row)
        container = cri.run_container(pod, "web", IMAGE, SERVER)
        self.assert_reached(addresses)
        self.assert_reaches(addresses, lambda *command: cri.execute(container, *command))
        cri.remove_pod(pod)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
