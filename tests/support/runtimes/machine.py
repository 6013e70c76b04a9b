"""A host of the laboratory as a machine of its own for a container runtime: what runtimes keep below /run/netns, /var/lib/cni,
/etc/cni/net.d and /opt/cni/bin lies in private folders, by a mount namespace, and ends with it.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal

from lab import Process, run, wait_until


class Machine:
    def __init__(self, host):
        self.host, self.lab = host, host.lab
        self.directory = host.directory / "machine"
        self.plugins, self.networks = self.directory / "plugins", self.directory / "networks"
        for folder in (self.directory, self.plugins, self.networks, self.directory / "netns", self.directory / "cni"):
            folder.mkdir()
        for program in ("towpath", "towpath-ipam"):
            shutil.copy(self.lab.bin / program, self.plugins)
        shutil.copy("/usr/lib/cni/loopback", self.plugins)  # containerd asks for it
        conflist = {"cniVersion": "1.0.0", "name": "towpath", "plugins": [
            {"type": "towpath", "stateDir": str(host.state), "controlSocket": str(host.socket),
             "ipam": {"type": "towpath-ipam"}, "capabilities": {"portMappings": True}}]}
        (self.networks / "10-towpath.conflist").write_text(json.dumps(conflist))
        # It holds the namespaces. Its own mounts reach nobody else.
        self.holder = host.start(["unshare", "--mount", "--propagation", "private", "sleep", "600"])
        mine = pathlib.Path("/proc/self/ns/mnt").readlink()
        wait_until(lambda: pathlib.Path(f"/proc/{self.holder.pid}/ns/mnt").readlink() != mine, 5, "the mount namespace")
        for place in ("/var/lib/cni", "/etc/cni/net.d"):
            pathlib.Path(place).mkdir(parents=True, exist_ok=True)
        self.run("mount", "-t", "tmpfs", "none", "/opt")
        self.run("mkdir", "-p", "/opt/cni/bin")
        for source, place in ((self.plugins, "/opt/cni/bin"), (self.networks, "/etc/cni/net.d"),
                              (self.directory / "cni", "/var/lib/cni"), (self.directory / "netns", "/run/netns")):
            self.run("mount", "--bind", source, place)
        # Runtimes mount namespaces below it, and their containers must see them go.
        self.run("mount", "--make-rshared", "/")

    def _enter(self, command):
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-n", "--", *map(str, command)]

    def run(self, *command, **options):
        return run(*self._enter(command), **options)

    def start(self, command, **options):
        return Process(self.lab, self._enter(command), **options)

    def end_shims(self):
        """containerd's shims outlive it, on purpose. Those of ours are the ones in our mount namespace."""
        ours = pathlib.Path(f"/proc/{self.holder.pid}/ns/mnt").readlink()
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and "containerd-shim" in (entry / "cmdline").read_text() and \
                        (entry / "ns/mnt").readlink() == ours:
                    os.kill(int(entry.name), signal.SIGKILL)
