#!/usr/bin/python3
"""A laboratory on one machine: hosts, a switch between them, containers, BGP peers, and the means to break things.

Model
  A host is a network namespace with its own agent, configuration and state directory. Its eth0 is plugged into a switch,
  which is one more namespace with a bridge. A container is a network namespace too, attached by the CNI protocol exactly as
  a runtime does it. Everything is dual stack: host number N has 192.0.2.N and 2001:db8::N, and owns the blocks
  10.64.N.0/26 and fd00:64:0:N::/122.

Ownership
  Names of namespaces carry the pid of the process that made them, and files lie in /run/towpath-lab-PID. Lab.close() takes
  everything away, and runs on every exit: end of `with`, exception, Ctrl-C, SIGTERM. What a SIGKILL leaves behind is
  recognised by the dead pid in its name and removed by sweep(), which each new Lab and `lab.py --sweep` call.

Waiting
  Nothing here sleeps for a fixed time: wait_until() polls a condition and fails with a message at its deadline.

Needs root, iproute2, util-linux; tcpdump, ping, traceroute, bird2 for what uses them. Standard library only.
"""

import atexit
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

NETNS_DIR = pathlib.Path("/run/netns")
SUPPORT_DIR = pathlib.Path(__file__).resolve().parent
ROUTE_PROTOCOL = 84
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something in the laboratory did not do what it must; the text says what."""


class CniError(Exception):
    """A plugin refused a call. code and details are the plugin's own."""

    def __init__(self, plugin, verb, code, message, details, status):
        super().__init__(f"{plugin} {verb}: code {code}: {message}" + (f" ({details})" if details else ""))
        self.plugin, self.verb, self.code, self.message, self.details, self.status = \
            plugin, verb, code, message, details, status


def run(*command, check=True, **options):
    """Runs a command to its end and returns its standard output as text."""
    done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=options.pop("stdin", subprocess.DEVNULL if "input" not in options else None), **options)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def ip_batch(netns, *lines):
    """Several ip(8) commands in one process, in the given namespace (None: where we are)."""
    command = ["ip"] + (["-n", netns] if netns else []) + ["-batch", "-"]
    run(*command, input="\n".join(lines) + "\n")


def wait_until(condition, deadline=10.0, what="", interval=0.02):
    """Calls condition until what it returns is true, and returns that. LabError after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            described = what() if callable(what) else what
            raise LabError(f"not so within {deadline:g} s: {described or getattr(condition, '__name__', 'condition')}")
        time.sleep(interval)


@contextlib.contextmanager
def inside(netns):
    """Moves this thread into a network namespace; sockets made there stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(NETNS_DIR / netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(there, CLONE_NEWNET) != 0:
            raise LabError(f"setns {netns}: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            if libc.setns(home, CLONE_NEWNET) != 0:
                os._exit(70)  # lost in a foreign namespace: nothing that follows could be trusted
    finally:
        os.close(there)
        os.close(home)


def yaml_lines(value, indent=0):
    """Dictionaries, lists and scalars as YAML a person can read."""
    pad = "  " * indent
    lines = []
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item and not _is_flow(item):
                lines.append(f"{pad}{key}:")
                lines += yaml_lines(item, indent + 1)
            else:
                lines.append(f"{pad}{key}: {_yaml_scalar(item)}")
    else:
        for item in value:
            if isinstance(item, dict):
                inner = yaml_lines(item, indent + 1)
                inner[0] = f"{pad}- {inner[0].lstrip()}"
                lines += inner
            else:
                lines.append(f"{pad}- {_yaml_scalar(item)}")
    return lines


def _is_flow(item):
    return isinstance(item, list) and all(not isinstance(i, (dict, list)) for i in item) and \
        sum(len(str(i)) + 2 for i in item) < 60


def _yaml_scalar(item):
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (dict, list)):
        return json.dumps(item) if not _is_flow(item) else "[" + ", ".join(_yaml_scalar(i) for i in item) + "]"
    text = str(item)
    # Colons inside an IPv6 address are fine, except in front of a blank or at an end.
    return json.dumps(text) if re.search(r"[#{}\[\],&*!|>'\"%@`]|: |:$|^[:?-]|^$", text) else text


def default_bin():
    """Where the built programs are: TOWPATH_BIN, else the dev build of this tree."""
    return pathlib.Path(os.environ.get("TOWPATH_BIN") or SUPPORT_DIR.parent.parent / "build" / "dev" / "bin")


class Process:
    """A program that runs beside us in a namespace. Only ever signalled by its own pid."""

    def __init__(self, lab, command, netns=None, log=None, env=None, stdin=subprocess.DEVNULL, stdout=None,
                 survive=False):
        words = (["nsenter", f"--net={NETNS_DIR / netns}"] if netns else []) + [str(word) for word in command]
        self.log_path = log
        sink = open(log, "ab") if log else subprocess.DEVNULL

        def last_will():
            # Without us it must not live on. (Only from the main thread: the kernel sends this when the *thread* ends.)
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        self.popen = subprocess.Popen(
            words, stdin=stdin, stdout=stdout if stdout is not None else sink, stderr=sink,
            env={**os.environ, **(env or {})}, start_new_session=True, preexec_fn=None if survive else last_will)
        if log:
            sink.close()
        lab._processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def send_signal(self, number):
        self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, deadline=10.0):
        """Sends the signal and waits for the end; SIGKILL and LabError if it does not come."""
        if self.running():
            self.popen.send_signal(number)
            try:
                self.popen.wait(deadline)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
                raise LabError(f"pid {self.pid} did not end within {deadline:g} s of signal {number}") from None
        return self.popen.returncode

    def log(self):
        return pathlib.Path(self.log_path).read_text(errors="replace") if self.log_path else ""


class Node:
    """A network namespace plugged into the switch: what a host and a foreign BGP speaker have in common."""

    def __init__(self, lab, name, number):
        self.lab, self.name, self.number = lab, name, number
        self.netns = f"{lab.prefix}{name}"
        self.ipv4 = f"192.0.2.{number}"
        self.ipv6 = f"2001:db8::{number:x}"
        self.directory = lab.directory / name
        self.directory.mkdir()
        lab._add_netns(self.netns)
        # The underlay has been up for long, so to speak: while eth0's link-local address is tentative the kernel sends no
        # neighbour solicitation for what it forwards. (The containers' interfaces are none of our business.)
        self.sysctl("net/ipv6/conf/default/accept_dad", 0)
        ip_batch(None, f"link add eth0 netns {self.netns} type veth peer name {name} netns {lab.switch}")
        ip_batch(lab.switch, f"link set {name} master switch up")
        self.sysctl("net/ipv6/conf/default/accept_dad", 1)
        self.sysctl("net/ipv4/ip_forward", 1)
        self.sysctl("net/ipv6/conf/all/forwarding", 1)
        ip_batch(self.netns, "link set lo up", "link set eth0 up", f"address add {self.ipv4}/24 dev eth0",
                 f"address add {self.ipv6}/64 dev eth0 nodad")

    def sysctl(self, key, value):
        with inside(self.netns):
            # /proc/sys/net shows the namespace of the thread that opens it.
            with open(f"/proc/sys/{key}", "w") as file:
                file.write(f"{value}\n")

    def run(self, *command, **options):
        """A command inside the namespace."""
        return run("nsenter", f"--net={NETNS_DIR / self.netns}", *command, **options)

    def start(self, command, **options):
        return Process(self.lab, command, netns=self.netns, **options)

    def routes(self, protocol=ROUTE_PROTOCOL, table="main"):
        """Kernel routes of one protocol number, both families: {prefix: row of `ip -j route`}."""
        rows = {}
        for family in ("-4", "-6"):
            text = run("ip", "-n", self.netns, "-j", family, "route", "show", "table", table, "proto", protocol)
            for row in json.loads(text or "[]"):
                prefix = row["dst"]
                if "/" not in prefix and prefix != "default":
                    prefix += "/32" if family == "-4" else "/128"
                rows[prefix] = row
        return rows

    def cut_off(self):
        """The switch silently drops all frames from and to this node; its own link stays up."""
        self.lab._set_port(self.name, 0)

    def reconnect(self):
        self.lab._set_port(self.name, 3)

    def unplug(self):
        """The cable is pulled: carrier is lost at both ends."""
        ip_batch(self.lab.switch, f"link set {self.name} down")

    def plug(self):
        ip_batch(self.lab.switch, f"link set {self.name} up")

    def capture(self, expression="", device="eth0", snaplen=262144):
        return Capture(self, expression, device, snaplen)


class Host(Node):
    """A host of the cluster: agent, state, containers."""

    def __init__(self, lab, name, number, as_number=64512):
        super().__init__(lab, name, number)
        self.as_number = as_number
        self.blocks = [f"10.64.{number}.0/26", f"fd00:64:0:{number:x}::/122"]
        self.state = self.directory / "state"
        self.state.mkdir()
        self.socket = self.state / "towpathd.sock"
        self.config_path = self.directory / "towpathd.yaml"
        self.log_path = self.directory / "towpathd.log"
        self.agent = None
        self.containers = {}
        self.network = CniNetwork(self, lab.conflist(self))
        self.config = {
            "node": name,
            "router_id": self.ipv4,
            "as": as_number,
            "listen": [{"address": self.ipv4, "port": 179}, {"address": self.ipv6, "port": 179}],
            "pools": ["10.64.0.0/16", "fd00:64::/48"],
            "blocks": list(self.blocks),
            "peers": [],
            "restart_deferral": 10,
            "state_dir": str(self.state),
            "control_socket": str(self.socket),
            "log": {"level": "debug"},
        }

    def peer_with(self, other, **more):
        """Adds `other` (a Host or a Bird) as a BGP peer to our configuration. Takes effect with the next (re)load."""
        self.config["peers"].append({"name": other.name, "address": more.pop("address", other.ipv4),
                                     "as": other.as_number, "hold_time": 3, "connect_retry": 1, **more})

    def write_config(self):
        self.config_path.write_text("\n".join(yaml_lines(self.config)) + "\n")

    def start_agent(self, deadline=10.0):
        """Starts towpathd and waits until it says READY=1, as systemd would."""
        self.write_config()
        notify_path = self.directory / "notify"
        notify_path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(notify_path))
            notify.settimeout(0.05)
            self.agent = self.start([self.lab.bin / "towpathd", "--config", self.config_path], log=self.log_path,
                                    env={"NOTIFY_SOCKET": str(notify_path)}, survive=self.lab.survive)
            end = time.monotonic() + deadline
            while True:
                try:
                    if b"READY=1" in notify.recv(4096).splitlines():
                        return
                except TimeoutError:
                    pass
                if not self.agent.running():
                    raise LabError(f"{self.name}: towpathd ended with {self.agent.popen.returncode}: {self.log_tail()}")
                if time.monotonic() > end:
                    raise LabError(f"{self.name}: towpathd not ready within {deadline:g} s: {self.log_tail()}")

    def stop_agent(self, number=signal.SIGTERM):
        status = self.agent.stop(number)
        self.agent = None
        return status

    def reload_agent(self):
        self.write_config()
        self.agent.send_signal(signal.SIGHUP)

    def log_tail(self, lines=15):
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def ctl(self, *words, check=True):
        """towpathctl -o json: a list of rows."""
        text = self.run(self.lab.bin / "towpathctl", "--socket", self.socket, "--state-dir", self.state, "-o", "json",
                        *words, check=check)
        return json.loads(text) if text.strip() else []

    def ctl_table(self, *words):
        """towpathctl as a person sees it."""
        return self.run(self.lab.bin / "towpathctl", "--socket", self.socket, "--state-dir", self.state, *words)

    def peer(self, name):
        return next((row for row in self.ctl("peers") if row["name"] == name), None)

    def established(self, *names):
        rows = {row["name"]: row["state"] for row in self.ctl("peers")}
        return all(rows.get(name) == "Established" for name in names)

    def add_container(self, name, **options):
        """A new container, attached by CNI ADD."""
        container = Container(self, name)
        self.containers[name] = container
        container.result = self.network.add(container.id, container.path, **options)
        container.read_addresses()
        return container

    def del_container(self, container):
        self.network.delete(container.id, container.path)
        self.lab._del_netns(container.netns)
        del self.containers[container.name]


class Container:
    """A sandbox: a network namespace with an identity, as a runtime makes it."""

    def __init__(self, host, name):
        self.host, self.lab, self.name = host, host.lab, name
        self.netns = f"{host.lab.prefix}{name}"  # so the name is unique in the laboratory, not only on the host
        self.path = str(NETNS_DIR / self.netns)
        self.id = f"{host.name}-{name}-{os.getpid()}"
        self.result = None
        self.ipv4 = self.ipv6 = None
        host.lab._add_netns(self.netns)
        ip_batch(self.netns, "link set lo up")

    def read_addresses(self):
        for entry in self.result["ips"]:
            address = entry["address"].split("/")[0]
            if ":" in address:
                self.ipv6 = address
            else:
                self.ipv4 = address

    def run(self, *command, **options):
        return run("nsenter", f"--net={self.path}", *command, **options)

    def start(self, command, **options):
        return Process(self.lab, command, netns=self.netns, **options)

    def pings(self, address, wait=1):
        return subprocess.run(["nsenter", f"--net={self.path}", "ping", "-n", "-q", "-c1", f"-W{wait}", address],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def serve(self, port=8080):
        """A TCP server on both families that tells each caller the address it sees him come from."""
        with inside(self.netns):
            listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)

        def answer():
            while True:
                try:
                    connection, caller = listener.accept()
                except OSError:
                    return  # closed
                with connection, contextlib.suppress(OSError):
                    connection.sendall(caller[0].removeprefix("::ffff:").encode())

        threading.Thread(target=answer, daemon=True).start()
        self.lab._closers.append(lambda: (listener.shutdown(socket.SHUT_RDWR), listener.close()))
        return listener

    def call(self, address, port=8080, timeout=2.0):
        """Connects by TCP and returns what the server says: our address as seen there. None if nothing answers."""
        try:
            with inside(self.netns):
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


class CniNetwork:
    """What a runtime does with a conflist, after libcni: chain, prevResult, capabilities, cache, environment."""

    def __init__(self, host, conflist):
        self.host, self.conflist = host, conflist
        self.path = f"{host.lab.bin}:/usr/lib/cni"
        self.cache = {}  # (container id, ifname): final result of the chain, and what was given to ADD
        versions = [conflist.get("cniVersion", "0.2.0")] + list(conflist.get("cniVersions", []))
        self.version = max(versions, key=lambda text: [int(part) for part in text.split(".")])

    def add(self, container_id, netns, ifname="eth0", args="", capabilities=None):
        result = None
        for plugin in self.conflist["plugins"]:
            result = self._execute(plugin, "ADD", container_id, netns, ifname, args, capabilities, result)
        self.cache[container_id, ifname] = (result, args, capabilities)
        return result

    def delete(self, container_id, netns, ifname="eth0"):
        result, args, capabilities = self.cache.get((container_id, ifname), (None, "", None))
        for plugin in reversed(self.conflist["plugins"]):
            self._execute(plugin, "DEL", container_id, netns, ifname, args, capabilities, result)
        self.cache.pop((container_id, ifname), None)

    def check(self, container_id, netns, ifname="eth0"):
        result, args, capabilities = self.cache.get((container_id, ifname), (None, "", None))
        for plugin in self.conflist["plugins"]:
            self._execute(plugin, "CHECK", container_id, netns, ifname, args, capabilities, result)

    def gc(self, valid):
        """valid: [(container id, ifname)]. The cached attachments that are not in it get a DEL first, as libcni does."""
        for container_id, ifname in [key for key in self.cache if key not in valid]:
            with contextlib.suppress(CniError):
                self.delete(container_id, "", ifname)
        attachments = [{"containerID": container_id, "ifname": ifname} for container_id, ifname in valid]
        for plugin in self.conflist["plugins"]:
            self._execute(plugin, "GC", extra={"cni.dev/valid-attachments": attachments})

    def status(self):
        for plugin in self.conflist["plugins"]:
            self._execute(plugin, "STATUS")

    def versions(self, plugin_type):
        text = self._spawn(plugin_type, "VERSION", {"cniVersion": self.version},
                           {"CNI_CONTAINERID": "dummy", "CNI_NETNS": "dummy", "CNI_IFNAME": "dummy", "CNI_PATH": "dummy"})
        return json.loads(text)["supportedVersions"]

    def _execute(self, plugin, verb, container_id=None, netns=None, ifname=None, args="", capabilities=None, previous=None,
                 extra=None):
        # `capabilities` stays in, against the specification, because libcni leaves it in.
        config = plugin | {"cniVersion": self.version, "name": self.conflist["name"]}
        wanted = {key: value for key, value in (capabilities or {}).items() if plugin.get("capabilities", {}).get(key)}
        if wanted:
            config["runtimeConfig"] = wanted
        if previous is not None:
            config["prevResult"] = previous
        config.update(extra or {})
        environment = {"CNI_PATH": self.path}
        if container_id is not None:
            environment.update(CNI_CONTAINERID=container_id, CNI_IFNAME=ifname, CNI_NETNS=netns or "", CNI_ARGS=args)
        text = self._spawn(plugin["type"], verb, config, environment)
        return json.loads(text) if verb == "ADD" else None

    def _spawn(self, plugin_type, verb, config, environment):
        program = shutil.which(plugin_type, path=self.path)
        if program is None:
            raise LabError(f"no plugin '{plugin_type}' in {self.path}")
        done = subprocess.run(
            ["nsenter", f"--net={NETNS_DIR / self.host.netns}", program], input=json.dumps(config), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "CNI_COMMAND": verb, **environment})
        if done.returncode != 0:
            try:
                error = json.loads(done.stdout)
            except ValueError:
                raise CniError(plugin_type, verb, None, done.stdout + done.stderr, "", done.returncode) from None
            raise CniError(plugin_type, verb, error.get("code"), error.get("msg", ""), error.get("details", ""),
                           done.returncode)
        return done.stdout


class Bird(Node):
    """BIRD 2 as a BGP peer on the switch. `body` is what its configuration says beyond router id, device and log."""

    def __init__(self, lab, name, number, as_number):
        super().__init__(lab, name, number)
        self.as_number = as_number
        self.config_path = self.directory / "bird.conf"
        self.control = self.directory / "bird.ctl"
        self.log_path = self.directory / "bird.log"
        self.process = None

    def configure(self, body):
        self.config_path.write_text(
            f'log "{self.log_path}" all;\nrouter id {self.ipv4};\nprotocol device {{}}\n{body}\n')
        if self.process and self.process.running():
            self.birdc("configure")

    def launch(self):
        self.process = self.start(["bird", "-f", "-c", self.config_path, "-s", self.control, "-P", self.directory / "pid"],
                                  log=self.directory / "stderr.log")

        def answers():
            if not self.process.running():
                raise LabError(f"bird ended: {self.process.log()}")
            return "Router ID" in self.birdc("show status", check=False)

        wait_until(answers, 10, f"{self.name}: bird answers")

    def birdc(self, command, check=True):
        return run("birdc", "-s", self.control, *command.split(), check=check)

    def established(self, protocol):
        return bool(re.search(rf"^{protocol}\s.*Established", self.birdc(f"show protocols {protocol}", check=False), re.M))

    def count(self, selection):
        """The number of routes that `show route SELECTION count` gives, in all tables together."""
        text = self.birdc(f"show route {selection} count")
        total = re.search(r"Total: (\d+) of", text)
        return int(total.group(1) if total else re.search(r"(\d+) of \d+ routes", text).group(1))


class Capture:
    """tcpdump on a node's device, from construction (packets are seen from then on) to stop()."""

    def __init__(self, node, expression, device, snaplen):
        self.path = node.directory / f"capture-{time.monotonic_ns()}.pcap"
        log = node.directory / "tcpdump.log"
        log.unlink(missing_ok=True)
        self.process = node.start(["tcpdump", "-i", device, "-n", "-U", "--immediate-mode", "-B", 16384, "-Z", "root", "-s", snaplen,
                                   "-w", self.path, *expression.split()], log=log)
        wait_until(lambda: "listening on" in self.process.log() or not self.process.running(), 10, "tcpdump listens")
        if not self.process.running():
            raise LabError(f"tcpdump: {self.process.log()}")

    def packets(self, *options):
        """What was seen up to now, one text line a packet, as tcpdump prints it."""
        return run("tcpdump", "-n", "-r", self.path, *options, check=False).splitlines()

    def finish(self):
        """Ends it; the path of the file with all packets."""
        self.process.stop(signal.SIGINT)
        return self.path

    def stop(self):
        self.finish()
        return self.packets()


class Probe:
    """UDP packets with sequence numbers at a fixed pace from one container to others; tells which were lost.

    routes: [(from container, to container)]; each is probed in both families.
    """

    PORT = 9900

    def __init__(self, routes, interval_ms=1.0):
        self.receivers, self.senders = {}, []
        for source, target in routes:
            if target.netns not in self.receivers:
                self.receivers[target.netns] = (target, self._start(target, "receive", self.PORT))
        for source, target in routes:
            for address in (target.ipv4, target.ipv6):
                self.senders.append((source, target, address,
                                     self._start(source, "send", self.PORT, address, interval_ms)))

    @staticmethod
    def _start(container, *words):
        process = Process(container.lab, ["/usr/bin/python3", SUPPORT_DIR / "probe.py", *words], netns=container.netns,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = process.popen.stdout.readline()
        if line.strip() != b"ready":
            raise LabError(f"probe in {container.netns} did not start")
        return process

    @staticmethod
    def _finish(process):
        output, _ = process.popen.communicate(timeout=30)
        return json.loads(output)

    def stop(self):
        """[{"from", "to", "address", "sent", "lost", "longest_gap_ms"}]"""
        sent = [(source, target, address, self._finish(process)) for source, target, address, process in self.senders]
        received = {netns: self._finish(process) for netns, (_, process) in self.receivers.items()}
        rows = []
        for source, target, address, answer in sent:
            flow = received[target.netns].get(str(answer["flow"]), {"received": 0, "longest_gap_ms": 0.0})
            rows.append({"from": source.name, "to": target.name, "address": address, "sent": answer["sent"],
                         "lost": answer["sent"] - flow["received"], "longest_gap_ms": flow["longest_gap_ms"]})
        return rows


class Lab:
    """All of it. Use as `with Lab() as lab:`."""

    def __init__(self, bin_dir=None, name=None, survive=False):
        """name: a fixed name in place of the pid's, for a laboratory that outlives this process (survive)."""
        self.bin = pathlib.Path(bin_dir or default_bin()).resolve()
        self.survive = survive
        self.prefix = f"{name}-" if name else f"tpl{os.getpid()}-"
        self.directory = pathlib.Path(f"/run/towpath-lab-{name or os.getpid()}")
        self.hosts = []
        self._processes, self._closers, self._namespaces = [], [], []
        self._closed = False
        if os.getuid() != 0:
            raise LabError("a laboratory needs root")
        sweep()
        self.directory.mkdir(mode=0o700)
        self._old_handlers = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                self._old_handlers[number] = signal.signal(number, self._on_signal)
        atexit.register(self.close)
        try:
            self.switch = f"{self.prefix}switch"
            self._add_netns(self.switch)
            ip_batch(self.switch, "link set lo up", "link add switch type bridge mcast_snooping 0", "link set switch up")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @staticmethod
    def _on_signal(number, _):
        sys.exit(128 + number)

    def conflist(self, host):
        """What an administrator would write; tests that need another one set host.network."""
        return {
            "cniVersion": "1.1.0",
            "cniVersions": ["0.3.1", "0.4.0", "1.0.0", "1.1.0"],
            "name": "towpath",
            "plugins": [{"type": "towpath", "stateDir": str(host.state), "ipam": {"type": "towpath-ipam"}}],
        }

    def add_host(self, name, as_number=64512):
        host = Host(self, name, len(self.hosts) + 1, as_number)
        self.hosts.append(host)
        return host

    def add_bird(self, name, number, as_number):
        return Bird(self, name, number, as_number)

    def add_watching_bird(self, name, number, as_number, host):
        """A BIRD that takes all routes of `host` in the session "towpath", and gives none."""
        bird = self.add_bird(name, number, as_number)
        bird.configure(f"""
            protocol bgp towpath {{
              local {bird.ipv4} as {as_number}; neighbor {host.ipv4} as {host.as_number};
              connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 9;
              ipv4 {{ import all; export none; }};
              ipv6 {{ import all; export none; next hop address {bird.ipv6}; }};
            }}""")
        host.peer_with(bird)
        return bird

    def full_mesh(self, **more):
        for host in self.hosts:
            for other in self.hosts:
                if other is not host:
                    host.peer_with(other, **more)

    def _add_netns(self, name):
        run("ip", "netns", "add", name)
        self._namespaces.append(name)

    def _del_netns(self, name):
        run("ip", "netns", "del", name, check=False)
        if name in self._namespaces:
            self._namespaces.remove(name)

    def _set_port(self, name, state):
        run("ip", "netns", "exec", self.switch, "bridge", "link", "set", "dev", name, "state", state)

    def leave_running(self):
        """Gives everything up to remove_named(): close() will take nothing away."""
        self._closed = True
        atexit.unregister(self.close)

    def close(self):
        """Takes everything away. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        # A second Ctrl-C must not stop the cleaning half-way.
        main = threading.current_thread() is threading.main_thread()
        old = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
        for closer in self._closers:
            with contextlib.suppress(OSError):
                closer()
        for process in self._processes:
            if process.running():
                process.popen.kill()
        for process in self._processes:
            process.popen.wait()
            for stream in (process.popen.stdin, process.popen.stdout):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()
        for name in list(self._namespaces):
            self._del_netns(name)
        unmount_below(self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        if main:
            for number, handler in self._old_handlers.items():
                signal.signal(number, handler)
            signal.signal(signal.SIGINT, old if old is not None else signal.SIG_DFL)
        atexit.unregister(self.close)


def unmount_below(directory):
    """What a test mounted in a laboratory's directory."""
    with open("/proc/self/mounts") as mounts:
        paths = [line.split()[1] for line in mounts]
    for path in reversed(paths):
        if path.startswith(f"{directory}/"):
            run("umount", "-l", path, check=False)


def remove_named(prefix, directory):
    """Removes namespaces with a prefix and the processes inside them, and a laboratory's directory. Was anything there?"""
    namespaces = list(NETNS_DIR.glob(f"{prefix}*")) if NETNS_DIR.is_dir() else []
    was_there = bool(namespaces) or pathlib.Path(directory).exists()
    for path in namespaces:
        for pid in run("ip", "netns", "pids", path.name, check=False).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "del", path.name, check=False)
    unmount_below(directory)
    shutil.rmtree(directory, ignore_errors=True)
    return was_there


def sweep():
    """Removes what laboratories left whose process is dead; returns how many these were."""
    owners = set()
    for path in NETNS_DIR.glob("tpl*-*") if NETNS_DIR.is_dir() else []:
        match = re.match(r"tpl(\d+)-", path.name)
        if match:
            owners.add(int(match.group(1)))
    for path in pathlib.Path("/run").glob("towpath-lab-*"):
        match = re.fullmatch(r"towpath-lab-(\d+)", path.name)
        if match:
            owners.add(int(match.group(1)))
    dead = [pid for pid in owners if not pathlib.Path(f"/proc/{pid}").exists()]
    for pid in dead:
        remove_named(f"tpl{pid}-", f"/run/towpath-lab-{pid}")
    return len(dead)


if __name__ == "__main__":
    if sys.argv[1:] == ["--sweep"]:
        if os.getuid() == 0:
            sweep()
    else:
        print(__doc__)
        sys.exit(2)
