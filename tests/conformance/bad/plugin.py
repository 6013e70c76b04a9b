"""A whole CNI plugin in one file that keeps every requirement, except the one it is told to break.

Each place that keeps a requirement asks keeps("ADD-03"). faults_test.py starts it once without a fault (the tool must find
nothing) and once for each requirement (the tool must find just that): so no check of the tool is one that cannot fail.

Roles, by the name it is executed under: "bad" creates interfaces and answers for its own IPAM, "bad-ipam" is an IPAM plugin,
"bad-meta" passes prevResult on. With ipam.type "bad-ipam" the main role delegates.
Datapath: a routed veth pair with permanent neighbours, so that nothing has to be waited for.
"""
import contextlib
import copy
import fcntl
import hashlib
import ipaddress
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
HOST_MAC = "02:62:61:64:00:01"
FAULT = ""
SHAPE_FAULTS = dict(zip(("RESULT-14", "RESULT-15", "RESULT-16", "RESULT-17", "RESULT-18", "RESULT-19", "RESULT-20"), VERSIONS))


def keeps(*requirements):
    return FAULT not in requirements


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


def ip(*lines, netns="", check=True):
    command = (["nsenter", "--net=" + netns] if netns else []) + ["ip", "-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines) + "\n", text=True, capture_output=True)
    if check and done.returncode != 0:
        raise Refused(5, "ip: " + done.stderr.strip())


def show(*words, netns=""):
    command = (["nsenter", "--net=" + netns] if netns else []) + ["ip", "-j", *words]
    return json.loads(subprocess.run(command, text=True, capture_output=True).stdout or "[]")


def litter():
    ip(f"link add junk{random.randrange(10**9)} type bridge", check=False)


def version_number(text):
    return tuple(int(part) for part in text.split("."))


class Store:
    """Who holds which address: one JSON file behind a lock."""

    def __init__(self, config):
        self.folder = config["stateDir"]
        os.makedirs(self.folder, exist_ok=True)
        self.path = self.folder + "/state.json"

    @contextlib.contextmanager
    def locked(self, impatient=False):
        with open(self.folder + "/lock", "w") as lock:
            if keeps("PARALLEL-01"):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if impatient else 0))
                except BlockingIOError:
                    raise Refused(11, "busy")
                if impatient:
                    time.sleep(0.05)
            records = json.load(open(self.path)) if os.path.exists(self.path) else {}
            if not keeps("PARALLEL-01"):
                time.sleep(0.1)
            yield records
            scratch = f"{self.path}.{os.getpid()}"
            with open(scratch, "w") as file:
                json.dump(records, file)
            os.rename(scratch, self.path)

    def mark(self, name, there=None):
        """A flag on disk: read, set or cleared."""
        path = f"{self.folder}/mark.{name}"
        if there is None:
            return os.path.exists(path)
        with contextlib.suppress(FileNotFoundError):
            open(path, "w").close() if there else os.unlink(path)
        return there


class Call:
    def __init__(self, role):
        self.role = role
        self.env = os.environ
        self.version = VERSIONS[-1]
        self.config = {}

    # --- input ---------------------------------------------------------------------------------------------------------

    def read(self):
        text = sys.stdin.buffer.read()
        if not keeps("ERROR-12") and len(text) > 1000:
            os.kill(os.getpid(), signal.SIGSEGV)
        if not text.strip():
            raise Refused(6 if keeps("ERROR-06") else 7, "no input")
        try:
            self.config = json.loads(text)
        except (ValueError, RecursionError):
            raise Refused(6 if keeps("ERROR-05", "STATUS-07") else 7, "the input is not JSON")
        if not isinstance(self.config, dict):
            raise Refused(6 if keeps("ERROR-07") else 4, "the input is not an object")

    def check_config(self):
        version = self.config.get("cniVersion")
        if not isinstance(version, str) or not isinstance(self.config.get("name", ""), str):
            raise Refused(6 if keeps("ERROR-08") else 4, "cniVersion or name is not a text")
        if version not in VERSIONS:
            known = version[0].isdigit()
            raise Refused(1 if keeps("ERROR-09" if known else "ERROR-10") else 7, f"version {version}")
        self.version = version
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", self.config.get("name", "")):
            raise Refused(7 if keeps("ERROR-11") else 4, "network name")
        for broken, key in (("ADD-11", "runtimeConfig"), ("ADD-12", "cni.dev/some-later-key"), ("ADD-13", "args")):
            if not keeps(broken) and key in self.config:
                raise Refused(2, f"{key}={self.config[key]}")

    def check_environment(self, verb):
        needed = {"ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"), "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
                  "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME")}.get(verb, ())
        if not keeps("ENV-12"):
            needed += ("CNI_PATH",)
        if not keeps("STATUS-02") and verb == "STATUS":
            needed += ("CNI_CONTAINERID",)
        for name in needed:
            if name not in self.env:
                raise Refused(4 if keeps({"ADD": "ENV-01", "DEL": "ENV-02", "CHECK": "ENV-03"}.get(verb)) else 7,
                              f"missing {name}")
        self.container = self.env.get("CNI_CONTAINERID", "")
        self.ifname = self.env.get("CNI_IFNAME", "")
        self.netns = self.env.get("CNI_NETNS", "")
        if verb not in ("ADD", "DEL", "CHECK"):
            return
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", self.container):
            if keeps("ENV-04"):
                raise Refused(4 if keeps("ENV-05") else 7, "CNI_CONTAINERID")
        if not 1 <= len(self.ifname) < 16 or self.ifname in (".", "..") or re.search(r"[/:\s]", self.ifname):
            if keeps("ENV-06"):
                raise Refused(4 if keeps("ENV-07") else 7, "CNI_IFNAME")
            self.ifname = "eth0"
        if not keeps("ENV-08") and len(self.container) > 64:
            raise Refused(4, "CNI_CONTAINERID is too long")
        arguments = self.env.get("CNI_ARGS")
        if not keeps("ENV-10") and arguments and "SOMETHING_NEW" in arguments:
            raise Refused(4, "CNI_ARGS")
        if not keeps("ENV-11") and arguments == "":
            raise Refused(4, "CNI_ARGS")

    # --- names ---------------------------------------------------------------------------------------------------------

    @property
    def key(self):
        return f"{self.config['name']} {self.container} {self.ifname}"

    @property
    def host_link(self):
        return "bad" + hashlib.sha1(f"{self.container}/{self.ifname}".encode()).hexdigest()[:10]

    @property
    def store(self):
        return Store(self.config)

    def delegates(self):
        return self.role == "bad" and self.config["ipam"]["type"] != "bad"

    # --- addresses -----------------------------------------------------------------------------------------------------

    def allocate(self):
        store = self.store
        with store.locked(impatient=not keeps("PARALLEL-04")) as records:
            old = records.pop(self.key, None)
            if old and old["sandbox"] == self.sandbox_inode():
                records[self.key] = old
                raise Refused(7, "this attachment exists")
            if old and not keeps("ADD-15"):
                raise Refused(7, "this attachment exists, its sandbox is gone")
            chosen = []
            for text in self.config["ipam"]["ranges"]:
                network = ipaddress.ip_network(text)
                taken = {a for record in records.values() for a in record["addresses"]}
                hosts = list(network.hosts())[1:]
                free = next((f"{a}/{a.max_prefixlen}" for a in hosts if f"{a}/{a.max_prefixlen}" not in taken), None)
                if not keeps("POOL-03") and len(records) % 2 and free:
                    free = next(a for a in list(records.values())[-1]["addresses"] if ("." in a) == (network.version == 4))
                if free is None:
                    if not keeps("POOL-09") and network.version == 4:
                        continue
                    if not keeps("POOL-04"):
                        print("no JSON at all")
                        sys.exit(1)
                    if not keeps("POOL-05"):
                        litter()
                    raise Refused(100, "the pool is used up")
                chosen.append(free)
            owner = self.key if keeps("KILL-04") else f"unfinished {self.key}"
            records[owner] = {"addresses": chosen, "sandbox": self.sandbox_inode()}
        return chosen

    def sandbox_inode(self):
        try:
            return os.stat(self.netns).st_ino
        except OSError:
            return 0

    def release(self):
        with self.store.locked(impatient=not keeps("PARALLEL-03", "PARALLEL-04")) as records:
            known = self.key in records
            if not keeps("POOL-08") and self.previous():
                mine = set(self.addresses_of(self.previous()))
                for key in [k for k, r in records.items() if mine & set(r["addresses"])]:
                    del records[key]
            if keeps("POOL-01") and (keeps("POOL-02") or self.netns):
                records.pop(self.key, None)
        return known

    def run_delegate(self, verb):
        name = self.config["ipam"]["type"]
        path = next((f"{d}/{name}" for d in self.env.get("CNI_PATH", "").split(":") if os.path.exists(f"{d}/{name}")), None)
        if path is None:
            if not keeps("DELEGATE-10"):
                return {"ips": []}
            raise Refused(7, f"no plugin {name} in CNI_PATH")
        config = dict(self.config)
        if not keeps("DELEGATE-01"):
            config.pop("mtu")
        done = subprocess.run([path], input=json.dumps(config), text=True, capture_output=True,
                              env=dict(self.env, CNI_COMMAND=verb))
        if keeps("DELEGATE-03"):
            sys.stderr.write(done.stderr)
        if done.returncode != 0:
            if not keeps("DELEGATE-08") and verb == "ADD":
                return {"ips": []}
            raise Refused(11, "the delegate failed")
        if verb != "ADD":
            return None
        try:
            return json.loads(done.stdout)
        except ValueError:
            if keeps("DELEGATE-09"):
                raise Refused(6, "the delegate printed no JSON")
            return {"ips": []}

    def get_addresses(self):
        if not self.delegates():
            return self.allocate()
        try:
            addresses = [each["address"] for each in self.run_delegate("ADD")["ips"]]
        except Refused:
            if keeps("DELEGATE-12"):
                with contextlib.suppress(Refused):
                    self.run_delegate("DEL")
            if not keeps("DELEGATE-11"):
                litter()
            raise
        if not keeps("DELEGATE-02"):
            addresses[0] = "10.88.0.200/32"
        return addresses

    def give_back(self):
        if self.delegates():
            if keeps("DELEGATE-04") or self.env["CNI_COMMAND"] == "ADD":
                self.run_delegate("DEL")
            return True
        return self.release()

    # --- ADD -----------------------------------------------------------------------------------------------------------

    def previous(self):
        previous = self.config.get("prevResult")
        if previous is not None and not (isinstance(previous, dict) and isinstance(previous.get("ips", []), list)):
            raise Refused(6 if keeps("CHAIN-04") else 4, "prevResult is not a result")
        return previous

    def check_sandbox(self):
        store = self.store
        if not os.path.exists(self.netns):
            if not keeps("ADD-07"):
                return False
            if not keeps("ADD-10", "DEL-15"):
                store.mark(self.container, True)
            if not keeps("POOL-07"):
                with store.locked() as records:
                    records[f"leak {random.random()}"] = {"addresses": [], "sandbox": 0}
                self.allocate()
                with store.locked() as records:
                    records[f"kept {random.random()}"] = records.pop(self.key)
            raise Refused(8, f"no sandbox {self.netns}")
        inode = os.stat(self.netns).st_ino
        if subprocess.run(["nsenter", "--net=" + self.netns, "true"], capture_output=True).returncode != 0:
            if not keeps("ADD-08"):
                return False
            raise Refused(8, f"{self.netns} is no network namespace")
        if inode == os.stat("/proc/self/ns/net").st_ino and keeps("ENV-13"):
            if not keeps("ENV-14") or self.env.get("CNI_NETNS_OVERRIDE") not in ("1", "true"):
                raise Refused(8, "the sandbox is the plugin's own namespace")
        return True

    def check_interface_is_new(self):
        links = {link["ifname"] for link in show("link", netns=self.netns)}
        if not keeps("ADD-06") and "eth0" in links and self.ifname != "eth0":
            raise Refused(7, "one interface is enough")
        if self.ifname not in links:
            return True
        if not keeps("ADD-03"):
            return False
        if not keeps("ADD-04"):
            ip(f"address flush dev {self.ifname}", netns=self.netns)
        if not keeps("ADD-05"):
            ip(f"link set {self.ifname} down", netns=self.netns)
        if not keeps("ADD-09"):
            litter()
        raise Refused(7, f"interface {self.ifname} exists")

    def add(self):
        previous = self.previous()
        if self.role == "bad-ipam":
            return self.shaped({"ips": [{"address": a} for a in self.allocate()]} if keeps("ADD-14") else {"ips": []})
        if self.role == "bad-meta":
            if previous is None and keeps("CHAIN-07"):
                raise Refused(7, "prevResult is missing")
            return dict(previous or {}, **({} if keeps("CHAIN-06") else {"interfaces": [], "ips": []}))
        store = self.store
        marks = (f"kill1.{self.container}", f"kill3.{self.container}")
        for broken, mark in zip(("KILL-01", "KILL-03"), marks):
            if not keeps(broken):
                if broken == "KILL-03" and store.mark(mark):
                    raise Refused(7, "an ADD was killed here")
                store.mark(mark, True)
        if not keeps("KILL-02"):
            ip("link add unfinished type bridge")
        if not self.check_sandbox():
            return self.shaped({"ips": []})
        if not keeps("ADD-10") and store.mark(self.container) or not keeps("DEL-18") and store.mark("del." + self.key):
            raise Refused(7, "once failed, always failed")
        if not keeps("POOL-06", "DELEGATE-13"):
            self.get_addresses()
        if not self.check_interface_is_new():
            return self.shaped({"ips": []})
        addresses = self.get_addresses()
        try:
            routes = self.make_links(addresses)
        except Refused:
            self.give_back()
            raise
        if not keeps("KILL-04"):
            with store.locked() as records:
                records[self.key] = records.pop(f"unfinished {self.key}")
        if not keeps("KILL-02"):
            ip("link delete unfinished")
        for mark in marks:
            store.mark(mark, False)
        return self.shaped(self.joined(previous, self.result(addresses, routes)))

    def make_links(self, addresses):
        host, mtu = self.host_link, self.config.get("mtu", 1500)
        # The kernel takes a sandbox apart after its last user left, so the link of one that vanished may still be there.
        ip(f"link delete {host}", check=False)
        ip(f"link add {host} address {HOST_MAC} mtu {mtu} type veth peer name {self.ifname} mtu {mtu} netns {self.netns}")
        inside = [] if not keeps("ADD-02") else [f"link set {self.ifname} up"]
        outside = [f"link set {host} up"]
        mac = self.mac_inside()
        # Another network may already own the default route: then ours is left out.
        taken = show("route", netns=self.netns) or show("-6", "route", "show", "default", netns=self.netns)
        routes = []
        for address in addresses if keeps("PARALLEL-02") else []:
            v6 = ":" in address
            gateway, everything, alone = ("fe80::1", "::/0", address) if v6 else ("169.254.1.1", "0.0.0.0/0", address)
            wrong = not keeps("TRAFFIC-04" if v6 else "TRAFFIC-03")
            inside.append(f"address add {alone} dev {self.ifname}" + (" nodad" if v6 else ""))
            inside.append(f"neighbour replace {gateway} lladdr {'02:00:00:00:00:99' if wrong else HOST_MAC} "
                          f"dev {self.ifname} nud permanent")
            if not taken and keeps("ADD-02"):
                inside.append(f"route add {everything} via {gateway} dev {self.ifname} onlink")
                routes.append({"dst": everything, "gw": gateway})
            outside.append(f"neighbour replace {address.split('/')[0]} lladdr {mac} dev {host} nud permanent")
            if keeps("TRAFFIC-02" if v6 else "TRAFFIC-01"):
                outside.append(f"route replace {address} dev {host}")
        if not keeps("RESULT-08"):
            inside.append(f"address add 198.51.100.33/32 dev {self.ifname}")
        if "bridge" in self.config:
            ip(f"link add {self.config['bridge']} type bridge", check=False)
            outside.append(f"link set {host} master {self.config['bridge']}")
        ip(*outside)
        ip(*inside, netns=self.netns)
        for path, broken in (("ipv4/ip_forward", "TRAFFIC-05"), ("ipv6/conf/all/forwarding", "TRAFFIC-06")):
            with open("/proc/sys/net/" + path, "w") as file:
                file.write("1" if keeps(broken) else "0")
        if self.config.get("rules"):
            subprocess.run(["nft", "-f", "-"], text=True, check=True, input="add table inet bad\nadd chain inet bad c\n"
                           f"add rule inet bad c ip saddr 192.0.2.77 counter comment \"{host}\"\n")
        return routes

    def mac_inside(self):
        return next(link["address"] for link in show("link", netns=self.netns) if link["ifname"] == self.ifname)

    def result(self, addresses, routes):
        mtu = self.config.get("mtu", 1500)
        inside = {"name": self.ifname, "mac": self.mac_inside() if keeps("RESULT-05") else HOST_MAC, "mtu": mtu,
                  "sandbox": self.netns if keeps("RESULT-02") else "/elsewhere"}
        interfaces = [{"name": self.host_link, "mac": HOST_MAC, "mtu": mtu}, inside]
        if not keeps("RESULT-03"):
            interfaces[0] = {"name": self.ifname, "mac": inside["mac"], "mtu": mtu, "sandbox": self.netns}
        if not keeps("RESULT-04"):
            interfaces.append({"name": "phantom0", "sandbox": self.netns})
        if "bridge" in self.config:
            interfaces.append({"name": self.config["bridge"], "mtu": 1500})
        ips = [{"address": a, "interface": 1} for a in addresses]
        if not keeps("RESULT-07"):
            ips[0]["address"] = "198.51.100.99/32"
        if not keeps("RESULT-09"):
            ips[0]["address"] = ips[0]["address"].split("/")[0]
        if not keeps("RESULT-10"):
            routes = routes + [{"dst": "203.0.113.0/24"}]
        return {"interfaces": interfaces, "ips": ips, "routes": routes if keeps("RESULT-11") else [], "dns": {}}

    def joined(self, previous, own):
        if previous is None or not keeps("CHAIN-01"):
            return own
        shift = len(previous.get("interfaces", [])) if keeps("CHAIN-02") else 0
        for each in own["ips"]:
            each["interface"] += shift
        return {"interfaces": previous.get("interfaces", []) + own["interfaces"], "ips": previous.get("ips", []) + own["ips"],
                "routes": previous.get("routes", []) + own["routes"], "dns": previous.get("dns", {})}

    def shaped(self, result):
        """The result as the request's version wants it."""
        result = copy.deepcopy(result)
        if SHAPE_FAULTS.get(FAULT) == self.version:
            result["ips"] = []
        version = version_number(self.version)
        if version < (0, 3, 0):
            old = {"cniVersion": self.version}
            for each in result["ips"]:
                old.setdefault("ip6" if ":" in each["address"] else "ip4", {"ip": each["address"]})
            return old
        for each in result["ips"]:
            if version <= (0, 4, 0):
                each["version"] = "6" if ":" in each["address"] else "4"
            else:
                each.pop("version", None)
        if version < (1, 1, 0) or not keeps("RESULT-06"):
            for each in result.get("interfaces", []):
                each.pop("mtu", None)
        if not keeps("RESULT-12"):
            result["dns"] = "198.51.100.53"
        if not keeps("RESULT-13"):
            result["interfaces"] = [{"name": "eth0"}]
        return dict(result, cniVersion=self.version if keeps("RESULT-01") else "0.9.0")

    @staticmethod
    def addresses_of(result):
        return [each["address"] for each in result.get("ips", [])]

    # --- DEL -----------------------------------------------------------------------------------------------------------

    def delete(self):
        previous = self.previous()
        if self.role == "bad-meta":
            return
        store, there = self.store, os.path.exists(self.netns)
        links = [link["ifname"] for link in show("link")] if self.role == "bad" else []
        if not keeps("DEL-03"):
            litter()
        if not keeps("KILL-05"):
            ip("link add unfinished type bridge")
        for broken, wrong in (("DEL-05", self.netns and not there), ("DEL-06", self.env.get("CNI_NETNS") == ""),
                              ("DEL-07", "CNI_NETNS" not in self.env), ("DEL-08", "CNI_NETNS" not in self.env),
                              ("DEL-11", previous is None), ("DEL-12", previous is None and not self.netns),
                              ("DEL-15", store.mark(self.container)), ("KILL-01", store.mark(f"kill1.{self.container}")),
                              ("DEL-13", there and self.host_link not in links),
                              ("DEL-10", "CNI_NETNS" not in self.env),
                              ("CHAIN-05", self.host_link not in links)):
            if not keeps(broken) and wrong:
                raise Refused(7, "something is missing")
        if self.role == "bad":
            self.remove_links(links, there)
        known = self.give_back()
        if not known and not keeps("DEL-04", "DEL-09", "GC-12"):
            raise Refused(3, "no such attachment")
        if not keeps("DEL-18"):
            store.mark("del." + self.key, True)
        if not keeps("KILL-05"):
            ip("link delete unfinished")
        if not keeps("DEL-02"):
            print("done")

    def remove_links(self, links, there):
        mine = self.host_link in links
        if mine and keeps("DEL-01"):
            ip(f"link delete {self.host_link}", check=False)
        if not keeps("DEL-16"):
            for name in links:
                if name.startswith("bad"):
                    ip(f"link delete {name}", check=False)
        if there and not keeps("DEL-17", "CHAIN-03"):
            for name in ("eth1", "earlier0"):
                ip(f"link delete {name}", netns=self.netns, check=False)
        if self.config.get("rules") and (there or keeps("DEL-14")):
            listed = subprocess.run(["nft", "-a", "list", "chain", "inet", "bad", "c"], text=True, capture_output=True).stdout
            for line in listed.splitlines():
                if self.host_link in line:
                    subprocess.run(["nft", "delete", "rule", "inet", "bad", "c", "handle", line.split()[-1]], check=True)

    # --- CHECK ---------------------------------------------------------------------------------------------------------

    def check(self):
        if version_number(self.version) < (0, 4, 0):
            raise Refused(1 if keeps("CHECK-15") else 4, "CHECK came with 0.4.0")
        previous = self.previous()
        if not keeps("CHECK-01"):
            print("{}")
        if not keeps("CHECK-02"):
            litter()
        if self.delegates() and keeps("DELEGATE-05"):
            self.run_delegate("CHECK")
        if self.role == "bad-meta":
            return
        if not self.delegates():
            with self.store.locked() as records:
                if self.key not in records:
                    if not keeps("CHECK-18"):
                        return
                    raise Refused(101, "nothing is reserved")
        if previous is None:
            if keeps("CHECK-14"):
                raise Refused(7, "prevResult is missing")
            return
        if self.role == "bad":
            self.compare(previous)

    def compare(self, previous):
        """The kernel against prevResult: only what is wanted, whatever else is there."""
        host = {link["ifname"]: link for link in show("-d", "link")}
        inside = {link["ifname"]: link for link in show("address", netns=self.netns)}
        mine = inside.get(self.ifname)
        if mine is None:
            if not keeps("CHECK-03"):
                return
            raise Refused(101, "the interface is gone")
        present = {f"{a['local']}/{a['prefixlen']}" for a in mine["addr_info"]}
        if not keeps("CHECK-09") and "UP" not in mine["flags"]:
            return
        index = next((i for i, each in enumerate(previous["interfaces"]) if each.get("sandbox") and
                      each["name"] == self.ifname), None)
        if index is not None and keeps("CHECK-12") and previous["interfaces"][index]["mac"] != mine["address"]:
            raise Refused(101, "another MAC")
        if not keeps("CHECK-17") and "02:00:5e:00:53:42" == mine["address"]:
            raise Refused(101, "not the MAC that was set")
        wanted = {each["address"] for each in previous["ips"] if each.get("interface") == index}
        for address in wanted - present:
            if address == "198.51.100.99/32" and not keeps("CHECK-13"):
                continue
            if keeps("CHECK-05" if ":" in address else "CHECK-04"):
                raise Refused(101, f"{address} is gone")
        if not keeps("CHECK-16") and len([a for a in present if not a.startswith("fe80")]) > len(wanted):
            raise Refused(101, "one address too many")
        if "UP" not in mine["flags"]:
            raise Refused(101, "the interface is down")
        self.compare_routes(previous, wanted, "UP" in mine["flags"])
        end = host.get(self.host_link)
        if end is None or keeps("CHECK-10") and "UP" not in end["flags"]:
            raise Refused(101, "the host's end is down")
        if "bridge" in self.config and end.get("master") != self.config["bridge"] and keeps("CHECK-11"):
            raise Refused(101, "the host's end is in no bridge")

    def compare_routes(self, previous, wanted, is_up):
        for family, length in (("-4", "/32"), ("-6", "/128")):
            inside = {route["dst"] for route in show(family, "route", netns=self.netns)}
            outside = {route["dst"] for route in show(family, "route")}
            v6 = family == "-6"
            # Routes vanish with a link that goes down; that is another finding.
            for route in previous.get("routes", []) if is_up else []:
                if route["dst"] in ("0.0.0.0/0", "::/0") and (":" in route["dst"]) == v6 and "default" not in inside:
                    if keeps("CHECK-05" if v6 else "CHECK-04", "CHECK-07" if v6 else "CHECK-06"):
                        raise Refused(101, "the default route is gone")
            for address in wanted:
                if (":" in address) == v6 and address.endswith(length):
                    if keeps("CHECK-08", "CHECK-10", "CHECK-13") and address.split("/")[0] not in outside:
                        raise Refused(101, f"the host has no route to {address}")

    # --- GC, STATUS, VERSION -------------------------------------------------------------------------------------------

    def collect(self):
        if version_number(self.version) < (1, 1, 0):
            raise Refused(1 if keeps("GC-13") else 4, "GC came with 1.1.0")
        if not keeps("GC-01"):
            print("{}")
        if self.delegates():
            if keeps("DELEGATE-06"):
                self.run_delegate("GC")
            return
        keys = ["cni.dev/valid-attachments", "cni.dev/attachments"]
        given = [self.config[k] for k in (keys if keeps("GC-03") else keys[:1]) if k in self.config]
        careless = not keeps("GC-02") or not given and not keeps("GC-03", "GC-05")
        careless = careless or None in given and not keeps("GC-06")
        if not given and not careless:
            return
        listed = given[0] if given and given[0] is not None else []
        if listed == [] and not keeps("GC-04"):
            raise Refused(7, "an empty list")
        try:
            valid = {(each["containerID"] + "", each["ifname"]) for each in listed}
        except (TypeError, KeyError):
            if keeps("GC-07"):
                raise Refused(7, "the list is malformed")
            valid, careless = set(), True
        if not keeps("GC-10"):
            valid, careless = set(), True
        self.forget_all_but(valid, careless or not keeps("GC-08"))
        if not keeps("GC-11"):
            litter()

    def forget_all_but(self, valid, careless):
        living = {os.stat(f"{folder}/{name}").st_ino for folder in (os.path.dirname(self.store.folder),)
                  for name in os.listdir(folder) if name.startswith("netns-")}
        with self.store.locked() as records:
            for key, record in list(records.items()):
                network, container, ifname = key.split(" ")
                if network != self.config["name"] and keeps("GC-08") or (container, ifname) in valid and keeps("GC-02"):
                    continue
                if record["sandbox"] in living and not careless:
                    continue
                if keeps("GC-09"):
                    del records[key]

    def status(self):
        if version_number(self.version) < (1, 1, 0):
            raise Refused(1 if keeps("STATUS-06") else 4, "STATUS came with 1.1.0")
        if not keeps("STATUS-01"):
            print("ready")
        if not keeps("STATUS-03"):
            litter()
        if not keeps("STATUS-04"):
            time.sleep(0.15)
        if self.delegates():
            if keeps("DELEGATE-07"):
                self.run_delegate("STATUS")
            return
        if self.role == "bad-meta" or not keeps("STATUS-05"):
            return
        with self.store.locked() as records:
            taken = {a for record in records.values() for a in record["addresses"]}
        for text in self.config["ipam"]["ranges"]:
            if all(f"{a}/{a.max_prefixlen}" in taken for a in list(ipaddress.ip_network(text).hosts())[1:]):
                raise Refused(50, "the pool is used up")

    def tell_version(self):
        asked = json.loads(sys.stdin.read()).get("cniVersion")
        if not keeps("VERSION-06"):
            litter()
        if not keeps("VERSION-04") and self.env.get("CNI_NETNS") == "dummy":
            raise Refused(4, "CNI_NETNS")
        supported = ["9.9"] if not keeps("VERSION-02") else VERSIONS[:-1] if not keeps("VERSION-05") else VERSIONS
        if keeps("VERSION-01"):
            print(json.dumps({"cniVersion": asked if keeps("VERSION-03") else "1.1.0", "supportedVersions": supported}))

    # --- the whole call ------------------------------------------------------------------------------------------------

    def answer(self):
        verb = self.env.get("CNI_COMMAND", "")
        if verb == "VERSION":
            return self.tell_version()
        verbs = {"ADD": self.add, "DEL": self.delete, "CHECK": self.check, "GC": self.collect, "STATUS": self.status}
        if verb not in verbs:
            if not keeps("ENV-09"):
                return None
            raise Refused(4, f"CNI_COMMAND {verb}")
        self.read()
        self.check_config()
        self.check_environment(verb)
        result = verbs[verb]()
        if result is not None:
            print(("ready: " if not keeps("ADD-01") else "") + json.dumps(result))
        return None

    def run(self):
        try:
            self.answer()
        except Refused as refused:
            error = {"cniVersion": self.version, "code": refused.code, "msg": refused.message}
            if not keeps("ERROR-02"):
                del error["msg"]
            if not keeps("ERROR-03"):
                del error["cniVersion"]
            if not keeps("ERROR-04"):
                error["code"] = 42
            print(json.dumps(error) * (1 if keeps("ERROR-01") else 2))
            sys.exit(1)


def main(role, fault):
    global FAULT
    FAULT = fault
    Call(role).run()
