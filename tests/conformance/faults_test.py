#!/usr/bin/python3
"""Every requirement can fail: bad/plugin.py breaks one after the other, and the tool must find it each time.

First the same plugin without a fault: nothing may be found. Then for each requirement that `--list` names a run with
--only ID on a plugin that breaks it: that row must be "fail" (MUST) or "warn" (SHOULD).

usage: faults_test.py TOOL [ID...]
"""
import concurrent.futures
import json
import os
import pathlib
import py_compile
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# Besides "bad" as interface plugin with its own IPAM.
AS_IPAM = {"ADD-14", "RESULT-13", "ENV-12"}
# A busy machine makes the sound plugin slow, too.
BY_THE_CLOCK = {"STATUS-04"}
AS_META = {"CHAIN-06", "CHAIN-07"}
AS_CHAIN = {"CHAIN-05"}
WITH_RULES = {"DEL-14"}
WITH_BRIDGE = {"CHECK-11"}


def configuration(requirement, small):
    ranges = ["10.88.0.0/29", "fd00:88::/124"] if small else ["10.88.0.0/24", "fd00:88::/120"]
    delegate = "bad-ipam" if requirement.startswith("DELEGATE") or requirement in AS_IPAM else "bad"
    plugin = {"type": "bad", "stateDir": "@DIR@/state", "mtu": 1400, "ipam": {"type": delegate, "ranges": ranges}}
    if requirement in WITH_RULES:
        plugin["rules"] = True
    if requirement in WITH_BRIDGE:
        plugin["bridge"] = "br-bad"
    network = {"cniVersion": "1.1.0", "name": "badnet"}
    if requirement in AS_META | AS_CHAIN:
        return dict(network, plugins=[plugin, {"type": "bad-meta"}])
    return dict(network, **plugin)


class Workshop:
    def __init__(self, tool, folder):
        self.tool, self.folder = tool, pathlib.Path(folder)
        library = self.folder / "library"
        library.mkdir()
        shutil.copy(HERE / "bad" / "plugin.py", library)
        py_compile.compile(str(library / "plugin.py"), cfile=str(library / "plugin.pyc"))
        (library / "plugin.py").unlink()
        self.library = library

    def build(self, fault):
        place = self.folder / (fault or "sound")
        place.mkdir(exist_ok=True)
        for role in ("bad", "bad-ipam", "bad-meta"):
            stub = place / role
            stub.write_text(f"#!/usr/bin/python3 -SI\nimport sys\nsys.path.insert(0, {str(self.library)!r})\n"
                            f"import plugin\nplugin.main({role!r}, {fault!r})\n")
            stub.chmod(0o755)
        for name, small in (("net.conf", False), ("pool.conf", True)):
            (place / name).write_text(json.dumps(configuration(fault, small)))
        return place

    def run(self, place, only, kind, extra=()):
        command = [self.tool, "--plugin-dir", str(place), "--config", str(place / "net.conf"), "--pool-config",
                   str(place / "pool.conf"), "--pool-limit", "30", "--type", kind, "-o", "json", *extra]
        if only:
            command += ["--only", only]
        done = subprocess.run(command, text=True, capture_output=True, timeout=600)
        if done.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)["results"]


def kind_of(requirement):
    return "ipam" if requirement in AS_IPAM else "meta" if requirement in AS_META else "main"


def sound_plugin_passes(workshop):
    wrong = []
    place = workshop.build("")
    for kind in ("main", "ipam"):
        if kind == "ipam":
            for name, small in (("net.conf", False), ("pool.conf", True)):
                (place / name).write_text(json.dumps(configuration("ADD-14", small)))
        for row in workshop.run(place, "", kind):
            if row["result"] in ("fail", "warn") and row["id"] not in BY_THE_CLOCK:
                wrong.append(f"the sound plugin ({kind}): {row['id']} {row['result']}: {row['evidence']}")
    return wrong


def a_small_pool_is_no_fault(workshop):
    place = workshop.build("")
    (place / "net.conf").write_text(json.dumps(configuration("", True)))
    rows = workshop.run(place, "PARALLEL", "main")
    return [f"the sound plugin with a small pool: {row['id']} {row['result']}: {row['evidence']}"
            for row in rows if row["result"] != "skipped"]


def fault_is_found(workshop, requirement):
    fault = requirement["id"]
    place = workshop.build(fault)
    wanted = "fail" if requirement["level"] == "MUST" else "warn"
    # Whether a call is cut off, or meets another one, in the moment that matters is chance, and on a busy machine a small one.
    # A pool counts as full with the first ADD that fails, and there that may be one that took too long.
    for _ in range(3 if fault.startswith(("KILL", "PARALLEL", "POOL")) else 1):
        rows = workshop.run(place, fault, kind_of(fault))
        got = next((row for row in rows if row["id"] == fault), {"result": "absent", "evidence": ""})
        if got["result"] == wanted:
            return []
    return [f"{fault} is broken, and the tool says {got['result']}: {got['evidence']}"]


def main():
    tool, chosen = sys.argv[1], sys.argv[2:]
    listed = json.loads(subprocess.run([tool, "--list", "-o", "json"], text=True, capture_output=True, check=True).stdout)
    requirements = [r for r in listed if not chosen or r["id"] in chosen]
    with tempfile.TemporaryDirectory(prefix="cni-faults.") as folder:
        workshop = Workshop(tool, folder)
        wrong = [] if chosen else a_small_pool_is_no_fault(workshop) + sound_plugin_passes(workshop)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for found in pool.map(lambda r: fault_is_found(workshop, r), requirements):
                wrong += found
    for line in wrong:
        print(line)
    print(f"{len(requirements)} requirements broken, {len(requirements) - len([w for w in wrong if 'sound' not in w])} found")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
